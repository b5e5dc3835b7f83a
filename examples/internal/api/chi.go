package api

import (
	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/examples/internal/orders"
	auth "github.com/bearward/bearward/middleware"
)

// newChi hangs the API on chi: the guard sits at each endpoint, so whatever
// rewrites the path in front of the router cannot walk around it.
func newChi(guard *auth.Guard, api *orders.API) (front, error) {
	r := chi.NewRouter()
	guarded := chiauth.NewRouter(guard, r)
	guarded.Get("/orders", auth.Scopes("read:orders"), orders.Operation(api.List).ServeHTTP)
	guarded.Post("/orders", auth.Scopes("write:orders"), orders.Operation(api.Place).ServeHTTP)
	guarded.Get("/admin/stats", auth.Scopes("admin:all"), orders.Operation(api.Stats).ServeHTTP)
	guarded.Get("/me", auth.AnyToken(), orders.Operation(api.Me).ServeHTTP)
	guarded.Get("/optional", auth.Optional(), orders.Operation(api.Greet).ServeHTTP)
	guarded.Get("/public/ping", auth.Public(), orders.Operation(api.Ping).ServeHTTP)
	guarded.Get("/healthz", auth.Public(), orders.Operation(api.Healthz).ServeHTTP)
	guarded.Get("/readyz", auth.Public(), orders.Operation(api.Readyz).ServeHTTP)
	if err := chiauth.Check(r); err != nil {
		return nil, err
	}
	return httpFront(r), nil
}
