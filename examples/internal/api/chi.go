package api

import (
	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/examples/internal/orders"
	auth "github.com/bearward/bearward/middleware"
)

// newChi hangs the API on chi: the guard sits at each endpoint, so whatever
// rewrites the path in front of the router cannot walk around it.
func newChi(guard *auth.Guard, api *orders.API, cfg Config) (front, auth.Rules, error) {
	r := chi.NewRouter()
	guarded := chiauth.NewRouter(guard, r)
	rules := auth.Rules{}
	for _, route := range []struct {
		method, pattern string
		rule            auth.Requirement
		operation       orders.Operation
	}{
		{"GET", "/orders", auth.Scopes("read:orders"), api.List},
		{"POST", "/orders", auth.Scopes("write:orders"), api.Place},
		{"GET", "/admin/stats", auth.Scopes("admin:all"), api.Stats},
		{"GET", "/vault", vault(), api.Vault},
		{"POST", "/payments", cfg.payments(), api.Pay},
		{"GET", "/me", auth.AnyToken(), api.Me},
		{"GET", "/optional", auth.Optional(), api.Greet},
		{"GET", "/public/ping", auth.Public(), api.Ping},
		{"GET", "/healthz", auth.Public(), api.Healthz},
		{"GET", "/readyz", auth.Public(), api.Readyz},
	} {
		guarded.Method(route.method, route.pattern, route.rule, route.operation)
		rules[route.method+" "+route.pattern] = route.rule
	}
	document, err := cfg.document(guard, rules)
	if err != nil {
		return nil, nil, err
	}
	if document != nil {
		guarded.Handle(document.Pattern(), auth.Public(), document)
	}
	if err := chiauth.Check(r); err != nil {
		return nil, nil, err
	}
	return httpFront(r), rules, nil
}
