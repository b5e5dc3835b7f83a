package grpcauthtest

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/bearward/bearward/middleware/authtest"
)

// The connections to a server that is served in memory.
type connections struct {
	listener *bufconn.Listener
	served   chan struct{}
	options  *Options
	all      []*grpc.ClientConn
}

// elsewhere is a listener whose connections are of an address that is no proxy's: documentation has
// it alone (RFC 5737 §3).
type elsewhere struct{ net.Listener }

func (l elsewhere) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return farConn{conn}, nil
}

type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
}

// serve serves server in memory until hangUp.
func serve(server Server, options *Options) *connections {
	c := &connections{listener: bufconn.Listen(1 << 16), served: make(chan struct{}), options: options}
	var l net.Listener = c.listener
	if options.Certificate != nil {
		l = elsewhere{l}
	}
	go func() {
		defer close(c.served)
		_ = server.Serve(l) // ends with the listener
	}()
	return c
}

// hangUp closes all connections, and waits until the server has let go of the listener.
func (c *connections) hangUp() {
	for _, conn := range c.all {
		_ = conn.Close()
	}
	_ = c.listener.Close()
	<-c.served
}

// open returns a connection, with a certificate unless that is nil. It ends the test when the
// options cannot be used.
func (c *connections) open(tb testing.TB, certificate *authtest.Certificate, more ...grpc.DialOption) *grpc.ClientConn {
	tb.Helper()
	options := append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return c.listener.DialContext(ctx) }),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
	}, c.options.DialOptions...)
	if c.options.TLS != nil {
		config := c.options.TLS.Clone()
		config.Certificates = nil
		if certificate != nil {
			config.Certificates = []tls.Certificate{certificate.TLS()}
		}
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	}
	conn, err := grpc.NewClient("passthrough:localhost", append(options, more...)...)
	if err != nil {
		tb.Fatalf("grpcauthtest: AssertGuarded: %v", err)
	}
	c.all = append(c.all, conn)
	return conn
}

// reaches reports whether conn gets past the handshake.
func reaches(ctx context.Context, conn *grpc.ClientConn) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.TransientFailure || !conn.WaitForStateChange(ctx, state) {
			return false
		}
	}
	return true
}
