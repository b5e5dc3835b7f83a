//go:build !race

package grpcauth

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestTheWarmInterceptorCostsTwoAllocations(t *testing.T) {
	const method = "/pkg.Service/Method"
	issuer := authtest.NewIssuer(t, nil)
	table, err := newTable(auth.Rules{method: auth.Scopes("read")})
	if err != nil {
		t.Fatal(err)
	}
	d := &interceptors{guard: issuer.Guard(nil), table: table}
	ctx := peer.NewContext(t.Context(), &peer.Peer{})
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
	if got := testing.AllocsPerRun(200, call); got > 2 { // gRPC's copy of the metadata value, and the record of the verdict
		t.Errorf("got %v allocations, want at most 2", got)
	}
	if entered == 0 {
		t.Error("the handler was never entered")
	}
}
