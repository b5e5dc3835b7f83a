package grpcauth_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
)

// observer is a Binding that keeps what it is told of the connection.
type observer struct {
	mu   sync.Mutex
	seen auth.Credentials
}

func (*observer) Member() string   { return "jkt" }
func (*observer) Fields() []string { return []string{"client-cert"} }

func (o *observer) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, _ []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = *c
	return nil
}

// TestW24_BindingsSeeTheConnection asks gRPC's own server, and one under http.Server whose
// middleware in front takes the caller's word for his address.
func TestW24_BindingsSeeTheConnection(t *testing.T) {
	files := httptest.NewTLSServer(nil) // for its certificate
	defer files.Close()
	client := credentials.NewTLS(&tls.Config{RootCAs: files.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"})
	socket := filepath.Join(t.TempDir(), "api.sock")
	own := func(t *testing.T, network, address string, options []grpc.ServerOption) string {
		server := grpc.NewServer(append(options, grpc.Creds(credentials.NewServerTLSFromCert(&files.TLS.Certificates[0])))...)
		talk(new(rpctest.Talk))(server)
		listener, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		go server.Serve(listener)
		t.Cleanup(server.Stop)
		return listener.Addr().String()
	}
	for name, serve := range map[string]func(t *testing.T, options []grpc.ServerOption) string{
		"gRPC's own": func(t *testing.T, options []grpc.ServerOption) string {
			return own(t, "tcp", "127.0.0.1:0", options)
		},
		"gRPC's own, by a Unix socket": func(t *testing.T, options []grpc.ServerOption) string {
			return "unix:" + own(t, "unix", socket, options)
		},
		"ServeHTTP": func(t *testing.T, options []grpc.ServerOption) string {
			inner := grpc.NewServer(options...)
			talk(new(rpctest.Talk))(inner)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = r.Header.Get("X-Real-Ip") + ":1"
				inner.ServeHTTP(w, r)
			}))
			server.Config.ConnContext = auth.ConnContext
			server.EnableHTTP2 = true
			server.TLS = &tls.Config{Certificates: files.TLS.Certificates}
			server.StartTLS()
			t.Cleanup(server.Close)
			return server.Listener.Addr().String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			saw := new(observer)
			guard := must(auth.NewGuard(new(renewed), &auth.GuardOptions{Bindings: []auth.Binding{saw}}))
			conn, err := grpc.NewClient(serve(t, grpcauth.ServerOptions(guard, auth.Rules{rpctest.Unary: auth.AnyToken()})), grpc.WithTransportCredentials(client))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer opaque", "client-cert", "x", "x-real-ip", "192.0.2.1", "x-other", "y")
			if _, _, err := rpctest.Call(ctx, conn, rpctest.Unary, "hello"); err != nil {
				t.Fatal(err)
			}
			c := &saw.seen
			where := c.Peer.IsLoopback()
			if strings.Contains(name, "Unix") {
				where = c.Peer == netip.IPv6Unspecified().WithZone(socket)
			}
			if !where || c.TLS == nil || !c.TLS.HandshakeComplete {
				t.Errorf("from %v, TLS %v", c.Peer, c.TLS != nil)
			}
			if c.Method != "POST" || c.Target != rpctest.Unary || c.Header.Get("Client-Cert") != "x" || len(c.Header) != 1 {
				t.Errorf("%s %s %v", c.Method, c.Target, c.Header)
			}
		})
	}
}
