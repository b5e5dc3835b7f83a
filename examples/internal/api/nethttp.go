package api

import (
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/examples/internal/orders"
	auth "github.com/bearward/bearward/middleware"
)

// newNetHTTP hangs the API on the standard library's mux: each route is
// registered with its requirement, and cannot be without one.
func newNetHTTP(guard *auth.Guard, api *orders.API, cfg Config) (front, auth.Rules, error) {
	mux := httpauth.NewMux(guard)
	mux.Handle("GET /orders", auth.Scopes("read:orders"), orders.Operation(api.List))
	mux.Handle("POST /orders", auth.Scopes("write:orders"), orders.Operation(api.Place))
	mux.Handle("GET /admin/stats", auth.Scopes("admin:all"), orders.Operation(api.Stats))
	mux.Handle("GET /vault", vault(), orders.Operation(api.Vault))
	mux.Handle("POST /payments", cfg.payments(), orders.Operation(api.Pay))
	mux.Handle("GET /me", auth.AnyToken(), orders.Operation(api.Me))
	mux.Handle("GET /optional", auth.Optional(), orders.Operation(api.Greet))
	mux.Handle("GET /public/ping", auth.Public(), orders.Operation(api.Ping))
	mux.Handle("GET /healthz", auth.Public(), orders.Operation(api.Healthz))
	mux.Handle("GET /readyz", auth.Public(), orders.Operation(api.Readyz))
	rules := mux.Rules()
	document, err := cfg.document(guard, rules)
	if err != nil {
		return nil, nil, err
	}
	if document != nil {
		mux.Handle(document.Pattern(), auth.Public(), document)
	}
	return httpFront(mux), rules, nil
}
