package openapiauth_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/adapters/openapiauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// options are those of the orders API: people with a certificate are served elsewhere.
var options = &openapiauth.Options{Prefix: "/v1", IgnoreSchemes: []string{"certificate"}}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// A transport is a server of the orders API, whose routes are written by hand in the router's own
// words.
var transports = map[string]struct {
	router openapiauth.Router
	serve  func(t *testing.T, guard *auth.Guard, rules auth.Rules) http.Handler
}{
	"net/http": {openapiauth.NetHTTP, func(t *testing.T, guard *auth.Guard, rules auth.Rules) http.Handler {
		mux := httpauth.NewMux(guard)
		for _, pattern := range []string{
			"GET /v1/orders", "POST /v1/orders", "GET /v1/orders/{order_id}", "DELETE /v1/orders/{order_id}", "HEAD /v1/orders/{order_id}",
			"GET /v1/catalogue", "GET /v1/reports/{year}/{month}", "GET /v1/healthz",
		} {
			mux.HandleFunc(pattern, rules[pattern], ok)
		}
		return mux
	}},
	"chi": {openapiauth.Chi, func(t *testing.T, guard *auth.Guard, rules auth.Rules) http.Handler {
		r := chi.NewRouter()
		r.Use(chiauth.Enforce(guard, rules, r))
		r.Route("/v1", func(r chi.Router) {
			r.Get("/orders", ok)
			r.Post("/orders", ok)
			r.Get("/orders/{order-id}", ok)
			r.Delete("/orders/{order-id}", ok)
			r.Head("/orders/{order-id}", ok)
			r.Get("/catalogue", ok)
			r.Get("/reports/{year}/{month}", ok)
			r.Get("/healthz", ok)
		})
		if err := chiauth.CheckRules(r, rules); err != nil {
			t.Fatal(err)
		}
		return r
	}},
	"Echo": {openapiauth.Echo, func(t *testing.T, guard *auth.Guard, rules auth.Rules) http.Handler {
		e := echo.New()
		e.Use(echoauth.EnforceRules(guard, rules))
		yes := func(c echo.Context) error { return c.String(http.StatusOK, "ok") }
		v1 := e.Group("/v1")
		v1.GET("/orders", yes)
		v1.POST("/orders", yes)
		v1.GET("/orders/:order-id", yes)
		v1.DELETE("/orders/:order-id", yes)
		v1.HEAD("/orders/:order-id", yes)
		v1.GET("/catalogue", yes)
		v1.GET("/reports/:year/:month", yes)
		v1.GET("/healthz", yes)
		if err := echoauth.Check(e, rules); err != nil {
			t.Fatal(err)
		}
		return e
	}},
}

func TestTheDocumentGuardsAServer(t *testing.T) {
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			rules, err := openapiauth.Rules(mustRead(t, "testdata/orders.yaml"), transport.router, options)
			if err != nil {
				t.Fatal(err)
			}
			issuer := authtest.NewIssuer(t, nil)
			authtest.AssertGuarded(t, issuer, transport.serve(t, issuer.Guard(nil), rules), rules, nil)
		})
	}
}

// What the document does not have is refused, though the router has it.
func TestARouteThatTheDocumentForgotIsRefused(t *testing.T) {
	rules, err := openapiauth.Rules(mustRead(t, "testdata/orders.yaml"), openapiauth.Chi, options)
	if err != nil {
		t.Fatal(err)
	}
	issuer := authtest.NewIssuer(t, nil)
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(issuer.Guard(nil), rules, r))
	r.Get("/v1/debug", ok)
	r.Get("/v1/orders", ok)
	r.Post("/v1/orders/shipped", ok) // the path of a callback, or of a webhook
	token := issuer.Token("read:orders write:orders admin")
	for target, want := range map[string]int{"GET /v1/debug": 403, "POST /v1/orders/shipped": 403, "GET /v1/orders": 200} {
		if got := ask(t, r, target, token); got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
}
