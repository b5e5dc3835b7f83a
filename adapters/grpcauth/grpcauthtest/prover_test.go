package grpcauthtest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

const proveOrigin = "https://api.example"

// A moody server's handlers say UNAVAILABLE once for each call of a client.
type moody struct {
	*authtest.Issuer
	server  *grpc.Server
	fails   atomic.Int32 // how many calls more are answered with UNAVAILABLE
	handled atomic.Int32
}

func newMoody(t *testing.T, opts *dpop.Options) *moody {
	m := &moody{Issuer: authtest.NewIssuer(t, nil)}
	binding := must(dpop.New([]string{proveOrigin}, dpop.NewMemory(0), opts))
	guard := m.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}, RequireBound: true})
	m.server = grpc.NewServer(grpcauth.ServerOptions(guard, auth.Rules{"/" + rpctest.Service + "/*": auth.Scopes("read:orders")})...)
	answer := func() error {
		m.handled.Add(1)
		if m.fails.Add(-1) >= 0 {
			return status.Error(codes.Unavailable, "try again")
		}
		return nil
	}
	rpctest.Register(m.server, &rpctest.Talk{
		OnUnary: func(_ context.Context, in *rpctest.Message) (*rpctest.Message, error) { return in, answer() },
		OnStream: func(ss grpc.ServerStream) error {
			// With a retry policy, gRPC may lose the status of a stream that ends before its client
			// has sent anything, and tell the caller io.EOF: so the message is waited for.
			if err := ss.RecvMsg(new(rpctest.Message)); err != nil {
				return err
			}
			if err := answer(); err != nil {
				return err
			}
			return ss.SendMsg(&rpctest.Message{Value: "hello"})
		},
	})
	return m
}

// again is a real retry policy of gRPC.
const again = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]
}}]}`

// gRPC repeats a call by itself. Call credentials make a proof for each attempt; an interceptor,
// which runs once for each call, sends the proof that is spent.
func TestEachAttemptHasAProofOfItsOwn(t *testing.T) {
	for _, method := range rpctest.Methods {
		t.Run(method, func(t *testing.T) {
			m, p := newMoody(t, nil), authtest.NewProver(t, auth.ES256)
			token := m.Token("read:orders", p.Confirmation())
			conn := dialServer(t, m.server, append(grpcauthtest.Prove(p, proveOrigin, token), grpc.WithDefaultServiceConfig(again))...)
			m.fails.Store(3)
			if _, _, err := rpctest.Call(t.Context(), conn, method, "hello"); err != nil || m.handled.Load() != 4 {
				t.Errorf("%v after %d attempts that reached the handler", err, m.handled.Load())
			}

			m.fails.Store(3)
			m.handled.Store(0)
			plain := dialServer(t, m.server, grpc.WithDefaultServiceConfig(again))
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "DPoP "+token, "dpop", p.Proof(http.MethodPost, proveOrigin+method, token))
			_, _, err := rpctest.Call(ctx, plain, method, "hello")
			refused := status.Code(err) == codes.Unauthenticated || err == io.EOF // which the guard's early end may become, see newMoody
			if !refused || m.handled.Load() != 1 {
				t.Errorf("one proof for all attempts: %v after %d that reached the handler", err, m.handled.Load())
			}
		})
	}
}

// A client that knows no nonce is told one, and makes the call again with it.
func TestNoncesAreTakenUp(t *testing.T) {
	m, p := newMoody(t, &dpop.Options{Nonces: must(dpop.NewNonces(0))}), authtest.NewProver(t, auth.EdDSA)
	token := m.Token("read:orders", p.Confirmation())
	for _, method := range rpctest.Methods {
		p.SetNonce("")
		conn := dialServer(t, m.server, grpcauthtest.Prove(p, proveOrigin, token)...)
		for range 3 {
			if _, _, err := rpctest.Call(t.Context(), conn, method, "hello"); err != nil {
				t.Errorf("%s: %v", method, err)
			}
		}
		p.SetNonce("")
		once := dialServer(t, m.server, append(grpcauthtest.Prove(p, proveOrigin, token), grpc.WithDisableRetry())...)
		for _, want := range []codes.Code{codes.Unauthenticated, codes.OK} {
			if _, _, err := rpctest.Call(t.Context(), once, method, "hello"); status.Code(err) != want {
				t.Errorf("%s without retry: %v, want %v", method, err, want)
			}
		}
	}
	if n := m.handled.Load(); n != 16 {
		t.Errorf("the handlers ran %d times", n)
	}
}

// dialServer serves server on loopback for the test.
func dialServer(t *testing.T, server *grpc.Server, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
