package recipes

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/recipes/internal/orderspb"
	auth "github.com/bearward/bearward/middleware"
)

const grpcGateRules = `
	/bearward.recipes.v1.Orders/*           = read:orders
	/bearward.recipes.v1.Orders/WatchOrders = watch:orders
`

// grpcGateways are what stands in front of a gRPC server without a guard, each under the
// configuration of the recipe.
var grpcGateways = map[string]struct {
	file  string
	start func(t *testing.T, file string, addresses map[string]string)
}{
	"nginx":   {"nginx/forward_auth_grpc.conf", startNginx},
	"caddy":   {"caddy/forward_auth_grpc.Caddyfile", startCaddy},
	"haproxy": {"haproxy/forward_auth_grpc.cfg", startHAProxy},
}

// trustingOrders are a gRPC server that asks for nothing, and keeps what reached it.
type trustingOrders struct {
	orderspb.UnimplementedOrdersServer
	mu  sync.Mutex
	all []reachedCall
}

// A reachedCall is a call as the gRPC server got it.
type reachedCall struct {
	method string
	fields metadata.MD
}

func (o *trustingOrders) reached(ctx context.Context) (subject string) {
	method, _ := grpc.Method(ctx)
	fields, _ := metadata.FromIncomingContext(ctx)
	o.mu.Lock()
	o.all = append(o.all, reachedCall{method, fields})
	o.mu.Unlock()
	return strings.Join(fields.Get("x-auth-subject"), "|")
}

// take returns the calls since the last time.
func (o *trustingOrders) take() []reachedCall {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.all
	o.all = nil
	return all
}

func (o *trustingOrders) ListOrders(ctx context.Context, _ *orderspb.ListOrdersRequest) (*orderspb.ListOrdersAnswer, error) {
	return &orderspb.ListOrdersAnswer{Of: o.reached(ctx)}, nil
}

// WatchOrders sends three answers.
func (o *trustingOrders) WatchOrders(_ *orderspb.ListOrdersRequest, stream grpc.ServerStreamingServer[orderspb.ListOrdersAnswer]) error {
	of := o.reached(stream.Context())
	for range 3 {
		if err := stream.Send(&orderspb.ListOrdersAnswer{Of: of}); err != nil {
			return err
		}
	}
	return nil
}

// echo answers every call that the service has no method for, message by message: for calls of
// clients that stream, and for methods of strange names.
func (o *trustingOrders) echo(_ any, stream grpc.ServerStream) error {
	o.reached(stream.Context())
	for {
		m := new(orderspb.ListOrdersAnswer)
		if err := stream.RecvMsg(m); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
}

// A grpcBehindGate is a gateway, the gate that it asks, and the gRPC server behind it.
type grpcBehindGate struct {
	address string
	conn    *grpc.ClientConn
	orders  *trustingOrders
	gate    *http.Server
}

func startGRPCBehindGate(t *testing.T, kind string, guardAt func(origin string) *auth.Guard) *grpcBehindGate {
	t.Helper()
	program(t, kind)
	b := &grpcBehindGate{address: freeAddress(t), orders: new(trustingOrders)}
	var err error
	if b.gate, err = newGate(guardAt("http://"+b.address), "http://"+b.address, grpcGateRules); err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(b.orders.echo))
	orderspb.RegisterOrdersServer(server, b.orders)
	file := grpcGateways[kind].file
	if kind == "haproxy" {
		file = withScript(t, file)
	}
	grpcGateways[kind].start(t, file, map[string]string{"127.0.0.1:8080": b.address,
		"127.0.0.1:9001": serveWith(t, b.gate.Serve, b.gate.Close), "127.0.0.1:9002": serveWith(t, server.Serve, func() error { server.Stop(); return nil })})
	b.conn = dial(t, b.address)
	return b
}

// serveWith serves until the test ends, and returns the address.
func serveWith(t *testing.T, serve func(net.Listener) error, end func() error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(l) // ended by end
	}()
	t.Cleanup(func() {
		_ = end()
		<-done
	})
	return l.Addr().String()
}

// called returns a context for a call with fields, in pairs.
func called(t *testing.T, fields ...string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, fields...)
}

// talk sends two messages to a method and reads two back, one after the other.
func (b *grpcBehindGate) talk(ctx context.Context, method string) error {
	stream, err := b.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return err
	}
	for _, of := range []string{"a", "b"} {
		if err := stream.SendMsg(&orderspb.ListOrdersAnswer{Of: of}); err != nil && err != io.EOF { // io.EOF: RecvMsg tells
			return err
		}
		m := new(orderspb.ListOrdersAnswer)
		if err := stream.RecvMsg(m); err != nil {
			return err
		}
		if m.Of != of {
			return status.Errorf(codes.DataLoss, "got %q back, sent %q", m.Of, of)
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(new(orderspb.ListOrdersAnswer)); err != io.EOF {
		return status.Errorf(codes.DataLoss, "at the end: %v", err)
	}
	return nil
}
