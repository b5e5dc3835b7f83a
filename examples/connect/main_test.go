package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/examples/internal/orders/orderspb/orderspbconnect"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestGuarded(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true}) // the program is given a URL
	api, guard := newAPI(issuer.URL, issuer.Audience)
	defer guard.Close()
	call := func(r *http.Request) {
		r.Header.Set("Content-Type", "application/json")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
	}
	rules := auth.Rules{"POST " + orderspbconnect.OrdersListOrdersProcedure: auth.Scopes("read:orders")}
	authtest.AssertGuarded(t, issuer, api, rules, &authtest.GuardedOptions{Prepare: call})
}

func TestEveryProtocol(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	api, guard := newAPI(issuer.URL, issuer.Audience)
	defer guard.Close()
	server := httptest.NewUnstartedServer(api)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for name, options := range map[string][]connect.ClientOption{"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}} {
		client := orderspbconnect.NewOrdersClient(server.Client(), server.URL, options...)
		r := connect.NewRequest(new(orderspb.ListOrdersRequest))
		if _, err := client.ListOrders(t.Context(), r); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("%s: without a token: got %v", name, err)
		}
		r.Header().Set("Authorization", "Bearer "+issuer.Token("read:orders"))
		if res, err := client.ListOrders(t.Context(), r); err != nil || !strings.HasPrefix(res.Msg.GetOperation(), "orders of ") {
			t.Errorf("%s: got %v, %v", name, res, err)
		}
		if _, err := client.PlaceOrder(t.Context(), connect.NewRequest(new(orderspb.PlaceOrderRequest))); connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("%s: a procedure without a rule: got %v", name, err)
		}
	}
}
