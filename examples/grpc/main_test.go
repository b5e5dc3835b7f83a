package main

import (
	"testing"

	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// The methods that no rule names are asked too: they are refused to everyone.
func TestGuarded(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true}) // the program is given a URL
	server, guard := newServer(issuer.URL, issuer.Audience)
	defer guard.Close()
	defer server.Stop()
	orderspb.RegisterOrdersServer(server, service{})
	rules := auth.Rules{orderspb.Orders_ListOrders_FullMethodName: auth.Scopes("read:orders")}
	grpcauthtest.AssertGuarded(t, issuer, server, rules, nil)
}
