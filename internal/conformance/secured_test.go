package main_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A secured is how servers serve TLS, and ask for certificates of clients.
type secured struct {
	ca        *authtest.CA
	server    *authtest.Certificate
	want      tls.ClientAuthType // of clients' certificates
	http2     bool
	serveHTTP bool // gRPC under http.Server
}

// newSecured takes any certificate of a client, and none.
func newSecured(t *testing.T) *secured {
	ca := authtest.NewCA(t)
	return &secured{ca: ca, server: ca.Certificate("127.0.0.1"), want: tls.RequestClientCert}
}

func (s *secured) serverConfig() *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{s.server.TLS()}, ClientAuth: s.want}
	if s.want >= tls.VerifyClientCertIfGiven {
		c.ClientCAs = s.ca.Pool()
	}
	return c
}

func (s *secured) clientConfig(c *authtest.Certificate) *tls.Config {
	config := &tls.Config{RootCAs: s.ca.Pool()}
	if c != nil {
		config.Certificates = []tls.Certificate{c.TLS()}
	}
	return config
}

// start starts server, and returns what asks it as the client with a certificate.
func (s *secured) start(t *testing.T, server *httptest.Server) func(*authtest.Certificate) *http.Client {
	t.Cleanup(server.Close)
	if s == nil {
		server.Start()
		return func(*authtest.Certificate) *http.Client { return server.Client() }
	}
	server.TLS, server.EnableHTTP2 = s.serverConfig(), s.http2
	server.StartTLS()
	return perClient(t, func(c *authtest.Certificate) (*http.Client, func()) {
		transport := &http.Transport{TLSClientConfig: s.clientConfig(c), ForceAttemptHTTP2: s.http2}
		return &http.Client{Transport: transport}, transport.CloseIdleConnections
	})
}

// perClient makes one T for each client, and closes it with the test.
func perClient[T any](t *testing.T, dial func(*authtest.Certificate) (T, func())) func(*authtest.Certificate) T {
	var mu sync.Mutex
	made := map[*authtest.Certificate]T{}
	return func(c *authtest.Certificate) T {
		mu.Lock()
		defer mu.Unlock()
		v, ok := made[c]
		if !ok {
			var end func()
			v, end = dial(c)
			made[c] = v
			t.Cleanup(end)
		}
		return v
	}
}

func (s *secured) serverOptions() []grpc.ServerOption {
	if s == nil || s.serveHTTP {
		return nil
	}
	return []grpc.ServerOption{grpc.Creds(credentials.NewTLS(s.serverConfig()))}
}

// serve starts server, and returns connections to it.
func (s *secured) serve(t *testing.T, server *grpc.Server) func(*authtest.Certificate) *grpc.ClientConn {
	t.Helper()
	if s != nil && s.serveHTTP {
		return s.serveUnderHTTP(t, server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return s.dial(t, listener.Addr().String())
}

// serveUnderHTTP starts an http.Server that answers clients of gRPC, and returns connections to it.
func (s *secured) serveUnderHTTP(t *testing.T, h http.Handler) func(*authtest.Certificate) *grpc.ClientConn {
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnContext = auth.ConnContext
	t.Cleanup(server.Close)
	if s == nil {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
	} else {
		server.TLS, server.EnableHTTP2 = s.serverConfig(), true
		server.StartTLS()
	}
	return s.dial(t, server.Listener.Addr().String())
}

func (s *secured) dial(t *testing.T, addr string) func(*authtest.Certificate) *grpc.ClientConn {
	return perClient(t, func(c *authtest.Certificate) (*grpc.ClientConn, func()) {
		creds := insecure.NewCredentials()
		if s != nil {
			creds = credentials.NewTLS(s.clientConfig(c))
		}
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
		if err != nil {
			t.Fatal(err)
		}
		return conn, func() { conn.Close() }
	})
}
