//go:build !race

package grpcauth

import (
	"context"
	"crypto/tls"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// It costs no more with Bindings that the token does not need.
func TestW03_TheWarmInterceptorCostsTwoAllocations(t *testing.T) {
	const method = "/pkg.Service/Method"
	issuer := authtest.NewIssuer(t, nil)
	table, err := newTable(auth.Rules{method: auth.Scopes("read")})
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]*auth.GuardOptions{"no Bindings": nil, "a Binding": {Bindings: []auth.Binding{new(idle)}}} {
		d := newInterceptors(issuer.Guard(opts), table, Options{})
		ctx := peer.NewContext(t.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{State: tls.ConnectionState{HandshakeComplete: true}}})
		ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+issuer.Token("read")))
		info := &grpc.UnaryServerInfo{FullMethod: method}
		entered := 0
		handler := func(context.Context, any) (any, error) { entered++; return nil, nil }
		call := func() {
			if _, err := d.unary(ctx, nil, info, handler); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 { // fills the caches and the pools
			call()
		}
		if got := testing.AllocsPerRun(200, call); got > 2 { // gRPC's copy of the metadata value, and the record of the decision
			t.Errorf("%s: got %v allocations, want at most 2", name, got)
		}
		if entered == 0 {
			t.Errorf("%s: the handler was never entered", name)
		}
	}
}

// idle is a Binding that no token needs.
type idle struct{}

func (*idle) Member() string   { return "jkt" }
func (*idle) Fields() []string { return []string{"Proof"} }
func (*idle) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}
