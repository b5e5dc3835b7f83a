package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"testing"

	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/examples/internal/orders"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// whoMayCallWhat is what the API promises over HTTP, whatever the adapter.
var whoMayCallWhat = auth.Rules{
	"GET /orders":      auth.Scopes("read:orders"),
	"POST /orders":     auth.Scopes("write:orders"),
	"GET /admin/stats": auth.Scopes("admin:all"),
	"GET /vault":       vault(),
	"POST /payments":   Config{}.payments(),
	"GET /me":          auth.AnyToken(),
	"GET /optional":    auth.Optional(),
	"GET /public/ping": auth.Public(),
	"GET /healthz":     auth.Public(),
	"GET /readyz":      auth.Public(),
}

// agreed is what checks of the API's own ask of tokens.
var agreed = map[string]authtest.Claims{
	"POST /payments": {"authorization_details": []map[string]any{{"type": "payment_initiation", "actions": []string{"initiate"}}}},
}

// The same over gRPC, where there are streams besides.
var whoMayCallWhatOverGRPC = auth.Rules{
	orderspb.Orders_ListOrders_FullMethodName:     auth.Scopes("read:orders"),
	orderspb.Orders_PlaceOrder_FullMethodName:     auth.Scopes("write:orders"),
	orderspb.Orders_GetStats_FullMethodName:       auth.Scopes("admin:all"),
	orderspb.Orders_WhoAmI_FullMethodName:         auth.AnyToken(),
	orderspb.Orders_Greet_FullMethodName:          auth.Optional(),
	orderspb.Orders_Ping_FullMethodName:           auth.Public(),
	orderspb.Orders_WatchOrders_FullMethodName:    auth.Scopes("read:orders"),
	orderspb.Orders_PlaceOrders_FullMethodName:    auth.Scopes("write:orders"),
	orderspb.Orders_TrackOrders_FullMethodName:    auth.Scopes("read:orders"),
	"/grpc.health.v1.Health/*":                    auth.Public(),
	"/grpc.reflection.v1.ServerReflection/*":      auth.Public(),
	"/grpc.reflection.v1alpha.ServerReflection/*": auth.Public(),
}

// behind builds the API behind an adapter and a guard that trusts issuer.
func behind(t *testing.T, issuer *authtest.Issuer, cfg Config) front {
	t.Helper()
	bindings, err := cfg.MTLS.bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	guard := issuer.Guard(&auth.GuardOptions{Bindings: bindings})
	f, _, err := newFront(cfg, guard, &orders.API{Book: orders.NewBook(), Ready: guard.Ready})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Shutdown(context.Background()) })
	return f
}

func TestTheAPIIsGuardedOverHTTP(t *testing.T) {
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		t.Run(adapter, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			f := behind(t, issuer, Config{Adapter: adapter})
			authtest.AssertGuarded(t, issuer, f.(cutOff).Handler, whoMayCallWhat, &authtest.GuardedOptions{Claims: agreed})
		})
	}
}

func TestTheAPIIsGuardedOverGRPC(t *testing.T) {
	for _, guardHealth := range []bool{false, true} {
		t.Run(fmt.Sprintf("guarded health %v", guardHealth), func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			rules := maps.Clone(whoMayCallWhatOverGRPC)
			if guardHealth {
				rules["/grpc.health.v1.Health/*"] = auth.Scopes("read:orders")
			}
			f := behind(t, issuer, Config{Adapter: "grpc", GuardHealth: guardHealth})
			grpcauthtest.AssertGuarded(t, issuer, f.(*grpcFront).server, rules, nil)
		})
	}
}

// Tokens that are bound to a client certificate are of no use to who stole them.
func TestTheAPIIsGuardedFromThievesOfCertificateBoundTokens(t *testing.T) {
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		t.Run(adapter, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			f := behind(t, issuer, Config{Adapter: adapter, MTLS: MTLS{Allow: true}})
			authtest.AssertGuarded(t, issuer, f.(cutOff).Handler, whoMayCallWhat,
				&authtest.GuardedOptions{Claims: agreed, Certificate: authtest.NewCertificate(t)})
		})
	}
	t.Run("grpc", func(t *testing.T) {
		issuer, ca := authtest.NewIssuer(t, nil), authtest.NewCA(t)
		f := behind(t, issuer, Config{Adapter: "grpc", MTLS: MTLS{Allow: true}, TLS: &tls.Config{
			Certificates: []tls.Certificate{ca.Certificate("localhost").TLS()}, ClientAuth: tls.RequestClientCert,
		}})
		grpcauthtest.AssertGuarded(t, issuer, f.(*grpcFront).server, whoMayCallWhatOverGRPC,
			&grpcauthtest.Options{Certificate: authtest.NewCertificate(t), TLS: &tls.Config{RootCAs: ca.Pool()}})
	})
}
