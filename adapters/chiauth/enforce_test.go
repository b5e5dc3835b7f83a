package chiauth_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestEnforce(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told []string
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d.Operation) }})
	var h handlers
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(guard, auth.Rules{
		"GET /orders": auth.Scopes("read"), "/orders/{id}": auth.Scopes("read"), "DELETE /orders/{id}": auth.Scopes("admin"), "GET /open": auth.Public(), "GET /maybe": auth.Optional(),
		"GET /v1/": auth.Scopes("read"), "POST /v1/*": auth.Scopes("admin"), "/v1/": auth.Public(), "/files/*": auth.Scopes("read"), "/claimed/*": auth.Scopes("read"),
		"GET /slash": auth.Scopes("a"), "GET /slash/": auth.Scopes("b"),
		"GET /over/*": auth.Scopes("admin"), "/over/x": auth.Public(), "GET /over/": auth.Public(), "GET /deep/nested": auth.Scopes("read"),
	}, r))
	r.Get("/orders", h.named("orders"))
	r.Post("/orders", h.named("unnamed"))
	r.Handle("/orders/{id}", h.named("order"))
	r.Get("/open", h.named("open"))
	r.Get("/maybe", h.named("maybe"))
	r.Route("/v1", func(r chi.Router) {
		r.Get("/", h.named("v1"))
		r.Post("/*", h.named("v1 post"))
	})
	r.Mount("/files", h.named("files"))
	r.Mount("/claimed", mounted{router(func(r chi.Router) { r.Get("/y", h.named("claimed")) }), h.named("claimed")})
	r.Get("/slash", h.named("slash"))
	r.Get("/slash/", h.named("slash/"))
	r.Mount("/over", router(func(r chi.Router) {
		r.Get("/x", h.named("under"))
		r.Get("/", h.named("under"))
		r.Post("/x", h.named("under"))
	}))
	r.Get("/over/*", h.named("over"))
	r.Route("/deep", func(r chi.Router) {
		r.Route("/", func(r chi.Router) { r.Get("/nested", h.named("nested")) })
	})
	reader, admin := issuer.Token("read"), issuer.Token("admin")
	for _, tt := range []struct {
		method, target, token string
		want                  int
		told                  string
	}{
		{"GET", "/orders", reader, 200, "GET /orders"},
		{"GET", "/orders", "", 401, "GET /orders"},
		{"GET", "/orders", admin, 403, "GET /orders"},
		{"PATCH", "/orders/7", reader, 200, "/orders/{id}"},
		{"DELETE", "/orders/7", reader, 403, "DELETE /orders/{id}"},
		{"DELETE", "/orders/7", admin, 200, "DELETE /orders/{id}"},
		{"GET", "/open", "bad", 200, ""},
		{"GET", "/maybe", "", 200, "GET /maybe"},
		{"GET", "/maybe", "bad", 401, "GET /maybe"},
		{"GET", "/v1", reader, 200, "GET /v1/"},
		{"GET", "/v1/", reader, 200, "GET /v1/"},
		{"GET", "/v1", "", 401, "GET /v1/"},
		{"POST", "/v1", "", 401, "POST /v1/*"}, // the path of the mount itself leads to the wildcard below, not to "/"
		{"POST", "/v1", admin, 200, "POST /v1/*"},
		{"PUT", "/v1", "", 405, ""},
		{"GET", "/files", reader, 200, "/files/*"},
		{"GET", "/files/", "", 401, "/files/*"},
		{"PUT", "/files/a/b", reader, 200, "/files/*"},
		{"PUT", "/files/a/b", "", 401, "/files/*"},
		{"GET", "/claimed/y", "", 401, "/claimed/*"},
		{"GET", "/claimed/y", reader, 200, "/claimed/*"},
		{"GET", "/claimed", "", 401, "/claimed/*"},
		{"GET", "/over/x", "", 401, "GET /over/*"}, // Find looks below the mount, chi serves what was put over it
		{"GET", "/over/x", admin, 200, "GET /over/*"},
		{"POST", "/over/x", "", 200, ""},
		{"GET", "/over", "", 200, ""},
		{"GET", "/deep/nested", reader, 200, "GET /deep/nested"},
		{"GET", "/deep/nested", "", 401, "GET /deep/nested"},
		{"POST", "/orders", reader, 403, "POST /orders"}, // no rule names it
		{"PUT", "/orders", "", 405, ""},
		{"FOO", "/orders", "", 405, ""},
		{"HEAD", "/orders", "", 401, "GET /orders"},
		{"HEAD", "/orders", reader, 200, "GET /orders"},
		{"HEAD", "/orders/7", "", 401, "/orders/{id}"},
		{"GET", "/over/y", admin, 200, "GET /over/*"}, // there is no such route below, and chi does not look there
		{"GET", "/other", "", 404, ""},
		{"GET", "//orders", reader, 404, ""},
		{"GET", "/orders/", reader, 404, ""},
		{"GET", "/v2/../orders", reader, 404, ""},
		{"GET", "/slash/", issuer.Token("a"), 403, "GET /slash/"},
		{"GET", "/slash/", issuer.Token("b"), 200, "GET /slash/"},
		{"GET", "/slash", issuer.Token("a"), 200, "GET /slash"},
	} {
		told, h.entered = nil, nil
		w := send(r, tt.method, tt.target, tt.token, nil)
		if w.Code != tt.want || (len(h.entered) > 0) != (tt.want == 200) {
			t.Errorf("%s %s with token %.8q: %d, entered %q, want %d", tt.method, tt.target, tt.token, w.Code, h.entered, tt.want)
		}
		if got := strings.Join(told, ", "); !strings.HasPrefix(got, tt.told) || (got == "") != (tt.told == "") {
			t.Errorf("%s %s: hooks were told %q, want %q", tt.method, tt.target, got, tt.told)
		}
		if allow := w.Header()["Allow"]; (tt.want == 405) != slices.Contains(allow, "GET") {
			t.Errorf("%s %s: %d with Allow %q", tt.method, tt.target, w.Code, allow)
		}
		if vary := w.Header().Get("Vary"); (vary == "Authorization") != (tt.target == "/maybe") {
			t.Errorf("%s %s: Vary %q", tt.method, tt.target, vary)
		}
	}
}

func TestEnforceBelowAMount(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var h handlers
	r := chi.NewRouter()
	r.Route("/v1", func(r chi.Router) {
		r.Use(chiauth.Enforce(issuer.Guard(nil), auth.Rules{"GET /": auth.Scopes("read"), "GET /admin": auth.Scopes("admin")}, r))
		r.Get("/", h.named("root"))
		r.Get("/admin", h.named("admin"))
	})
	for target, want := range map[string]int{"/v1": 200, "/v1/": 200, "/v1/admin": 403, "/v1/x": 404, "/x": 404} {
		if w := send(r, "GET", target, issuer.Token("read"), nil); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
}

func TestEnforceAnswersAMissAsTheRouterDoes(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var h handlers
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(issuer.Guard(nil), auth.Rules{"GET /x": auth.AnyToken()}, r), middleware.StripSlashes)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) })
	r.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) })
	r.Get("/x", h.named("x"))
	for target, want := range map[string]int{"GET /y": 410, "GET //x": 410, "GET /x/": 410, "POST /x": 418} {
		method, path, _ := strings.Cut(target, " ")
		if w := send(r, method, path, issuer.Token("read"), nil); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
	// Routes that are no chi.Mux have no handlers of their own for it.
	plain := chiauth.Enforce(issuer.Guard(nil), auth.Rules{"GET /x": auth.AnyToken()}, mounted{r, h.named("x")})(h.named("x"))
	for target, want := range map[string]int{"GET /y": 404, "POST /x": 405, "GET /x": 200} {
		method, path, _ := strings.Cut(target, " ")
		if w := send(plain, method, path, issuer.Token("read"), nil); w.Code != want {
			t.Errorf("%s in front of other routes: %d, want %d", target, w.Code, want)
		}
	}
}

// A chi router behind StripPrefix, as the handler of a wildcard, goes by the path that is left.
func TestEnforceLeavesAStrippedPrefixAlone(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var h handlers
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(issuer.Guard(nil), auth.Rules{"/api/*": auth.Scopes("read")}, r))
	r.Handle("/api/*", http.StripPrefix("/api", router(func(r chi.Router) { r.Get("/x", h.named("x")) })))
	if w := send(r, "GET", "/api/x", issuer.Token("read"), nil); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
}

func TestEnforceReadsTheRoutesOnce(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token("read")
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(issuer.Guard(nil), auth.Rules{"/x/{id}": auth.Scopes("read")}, r))
	r.Route("/x", func(r chi.Router) { r.Get("/{id}", func(http.ResponseWriter, *http.Request) {}) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if w := send(r, "GET", "/x/7", token, nil); w.Code != 200 {
				t.Errorf("got %d", w.Code)
			}
		})
	}
	wg.Wait()
	r.Get("/late", func(http.ResponseWriter, *http.Request) { t.Error("entered") })
	if w := send(r, "GET", "/late", token, nil); w.Code != 403 && w.Code != 404 {
		t.Errorf("a route added too late: %d", w.Code)
	}
}
