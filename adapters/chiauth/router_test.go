package chiauth_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestRegisteredRoutesAnswer(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var h handlers
	guard := issuer.Guard(nil)
	r := chi.NewRouter()
	a := chiauth.NewRouter(guard, r)
	req := auth.Scopes("read")
	a.Connect("/x", req, h.named("connect"))
	a.Delete("/x", req, h.named("delete"))
	a.Get("/x", req, h.named("get"))
	a.Head("/x", req, h.named("head"))
	a.Options("/x", req, h.named("options"))
	a.Patch("/x", req, h.named("patch"))
	a.Post("/x", req, h.named("post"))
	a.Put("/x", req, h.named("put"))
	a.Trace("/x", req, h.named("trace"))
	a.MethodFunc("query", "/x", req, h.named("query"))
	a.Method("get", "/method", req, h.named("method"))
	a.Handle("/all", req, h.named("all"))
	a.Get("/all", req, h.named("get of all"))
	a.Handle("GET /one", req, h.named("one"))
	a.HandleFunc("/func", req, h.named("func"))
	a.Group(func(a *chiauth.Router) { a.Get("/group", req, h.named("group")) })
	a.With(middleware.NoCache).Get("/with", req, h.named("with"))
	a.Mount("/mounted", req, h.named("mounted"))
	a.Mount("/router", req, func() http.Handler { s := chi.NewRouter(); s.Get("/x", h.named("router")); return s }())
	a.Route("/v1", func(a *chiauth.Router) {
		a.Route("/", func(a *chiauth.Router) { a.Get("/x", req, h.named("nested")) })
	})
	if err := chiauth.Check(r); err != nil {
		t.Error(err)
	}
	for target, want := range map[string]string{
		"CONNECT /x": "connect", "DELETE /x": "delete", "GET /x": "get", "HEAD /x": "head", "OPTIONS /x": "options", "PATCH /x": "patch", "POST /x": "post",
		"PUT /x": "put", "TRACE /x": "trace", "QUERY /x": "query", "GET /method": "method", "POST /all": "all", "PUT /all": "all", "GET /all": "get of all", "GET /one": "one",
		"PATCH /func": "func", "GET /group": "group", "GET /with": "with", "GET /mounted": "mounted", "POST /mounted/a/b": "mounted", "GET /router/x": "router", "GET /v1/x": "nested",
	} {
		method, path, _ := strings.Cut(target, " ")
		for token, status := range map[string]int{issuer.Token("read"): 200, issuer.Token("other"): 403, "": 401} {
			h.entered = nil
			w := send(r, method, path, token, nil)
			if w.Code != status || (status == 200) != slices.Equal(h.entered, []string{want}) {
				t.Errorf("%s: %d, entered %q, want %d", target, w.Code, h.entered, status)
			}
		}
	}
	for target, want := range map[string]int{"GET /other": 404, "POST /one": 405, "FOO /x": 405} {
		method, path, _ := strings.Cut(target, " ")
		if w := send(r, method, path, "", nil); w.Code != want || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d, want chi's own %d without a challenge", target, w.Code, want)
		}
	}
}

func TestOptionalAddsVary(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var h handlers
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Vary", "Origin")
			next.ServeHTTP(w, r)
		})
	})
	chiauth.NewRouter(issuer.Guard(nil), r).Get("/x", auth.Optional(), h.named("x"))
	for token, status := range map[string]int{"": 200, issuer.Token("read"): 200, "bad": 401} {
		w := send(r, "GET", "/x", token, nil)
		if got := w.Header()["Vary"]; w.Code != status || !slices.Equal(got, []string{"Origin", "Authorization"}) {
			t.Errorf("%d with Vary %q, want %d", w.Code, got, status)
		}
	}
}

func TestHooksAreToldTheWholePattern(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told []string
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d.Operation) }})
	var h handlers
	sub := chi.NewRouter()
	chiauth.NewRouter(guard, sub).Get("/orders/{id}", auth.AnyToken(), h.named("order"))
	r := chi.NewRouter()
	r.Mount("/v1", sub)
	r.Mount("/v2", sub)
	a := chiauth.NewRouter(guard, r)
	a.Handle("/all", auth.AnyToken(), h.named("all"))
	a.Handle("GET /one", auth.AnyToken(), h.named("one"))
	a.Mount("/files", auth.AnyToken(), h.named("files"))
	a.Route("/a", func(a *chiauth.Router) {
		a.Route("/", func(a *chiauth.Router) { a.Method("get", "/{b}", auth.AnyToken(), h.named("b")) })
	})
	for _, target := range []string{"/v1/orders/7", "/v1/orders/8", "/v2/orders/7", "/all", "/one", "/files/secret", "/a/secret"} {
		send(r, "GET", target, "", nil)
	}
	if want := []string{"GET /v1/orders/{id}", "GET /v1/orders/{id}", "GET /v2/orders/{id}", "/all", "GET /one", "/files/*", "GET /a/{b}"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestMisconfigured(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var h handlers
	any := auth.AnyToken()
	for _, tt := range []struct {
		name  string
		build func(a *chiauth.Router, r chi.Router)
		want  string
	}{
		{"no guard", func(_ *chiauth.Router, r chi.Router) { chiauth.NewRouter(nil, r) }, "Guard"},
		{"no router", func(*chiauth.Router, chi.Router) { chiauth.NewRouter(guard, nil) }, "chi.Router"},
		{"the zero requirement", func(a *chiauth.Router, _ chi.Router) { a.Get("/x", auth.Requirement{}, h.named("x")) }, `"GET /x" has the zero Requirement`},
		{"the zero requirement for every method", func(a *chiauth.Router, _ chi.Router) { a.Handle("/x", auth.Requirement{}, h.named("x")) }, `"/x" has the zero Requirement`},
		{"the zero requirement mounted", func(a *chiauth.Router, _ chi.Router) { a.Mount("/x", auth.Requirement{}, h.named("x")) }, `"/x" has the zero Requirement`},
		{"a nil function", func(a *chiauth.Router, _ chi.Router) { a.Get("/x", any, nil) }, `"GET /x" has a nil handler`},
		{"a nil handler", func(a *chiauth.Router, _ chi.Router) { a.Handle("/x", any, nil) }, `"/x" has a nil handler`},
		{"a nil handler mounted", func(a *chiauth.Router, _ chi.Router) { a.Mount("/x", any, nil) }, `"/x" has a nil handler`},
		{"a method that chi does not know", func(a *chiauth.Router, _ chi.Router) { a.Method("FOO", "/x", any, h.named("x")) }, "FOO"},
		{"a route twice", func(a *chiauth.Router, _ chi.Router) {
			a.Get("/x", any, h.named("x"))
			a.Get("/x", auth.Public(), h.named("x"))
		}, `"GET /x" is registered twice`},
		{"a route twice in two spellings", func(a *chiauth.Router, _ chi.Router) {
			a.Get("/x", any, h.named("x"))
			a.Handle("get /x", auth.Public(), h.named("x"))
		}, `"GET /x" is registered twice`},
		{"a route twice in a group", func(a *chiauth.Router, _ chi.Router) {
			a.Get("/x", any, h.named("x"))
			a.Group(func(a *chiauth.Router) { a.Get("/x", auth.Public(), h.named("x")) })
		}, `"GET /x" is registered twice`},
		{"a route twice by two names of its parameter", func(a *chiauth.Router, _ chi.Router) {
			a.Get("/x/{id:[a-z]{2}}/y", any, h.named("x"))
			a.Get("/x/{key:[a-z]{2}}/y", auth.Public(), h.named("x"))
		}, `"GET /x/{key:[a-z]{2}}/y" is registered twice`},
		{"a guarded route over one of chi's own", func(a *chiauth.Router, r chi.Router) {
			r.Get("/x", h.named("x"))
			a.Get("/x", any, h.named("x"))
		}, `"GET /x" is registered twice`},
		{"a route for every method over one for GET", func(a *chiauth.Router, _ chi.Router) {
			a.Get("/x/{id}", auth.Scopes("admin"), h.named("x"))
			a.Handle("/x/{key}", auth.Public(), h.named("x"))
		}, `"/x/{key}" would replace`},
		{"a route for every method twice", func(a *chiauth.Router, _ chi.Router) {
			a.Handle("/x", any, h.named("x"))
			a.Handle("/x", auth.Public(), h.named("x"))
		}, `"/x" would replace`},
		{"a route over a mounted router", func(a *chiauth.Router, _ chi.Router) {
			a.Route("/x", func(a *chiauth.Router) { a.Get("/y", any, h.named("y")) })
			a.Get("/x/*", auth.Public(), h.named("x"))
		}, `"GET /x/*" would hide what is mounted there`},
		{"a mount twice", func(a *chiauth.Router, _ chi.Router) {
			a.Mount("/x", any, h.named("x"))
			a.Mount("/x", auth.Public(), h.named("x"))
		}, "/x"},
		{"a table without guard", func(_ *chiauth.Router, r chi.Router) { chiauth.Enforce(nil, auth.Rules{"/": auth.Public()}, r) }, "Guard"},
		{"a table without router", func(*chiauth.Router, chi.Router) { chiauth.Enforce(guard, auth.Rules{"/": auth.Public()}, nil) }, "routes"},
		{"a table without rules", func(_ *chiauth.Router, r chi.Router) { chiauth.Enforce(guard, nil, r) }, "empty"},
		{"a table with the zero requirement", func(_ *chiauth.Router, r chi.Router) { chiauth.Enforce(guard, auth.Rules{"GET /x": {}}, r) }, `"GET /x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want one that names %q", got, tt.want)
				}
			}()
			r := chi.NewRouter()
			tt.build(chiauth.NewRouter(guard, r), r)
		})
	}
}

func TestRoutesThatOnlyLookAlikeAreNotTwice(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var h handlers
	r := chi.NewRouter()
	a := chiauth.NewRouter(guard, r)
	for _, pattern := range []string{"/x", "/x/", "/x/{id}", "/x/{id}/", "/x/{id:[a-z]+}", "/x/{id:[0-9]+}", "/x/{id}.json", "/x/*", "/{id}"} {
		a.Get(pattern, auth.AnyToken(), h.named(pattern))
		a.Post(pattern, auth.AnyToken(), h.named(pattern))
	}
	if err := chiauth.Check(r); err != nil {
		t.Error(err)
	}
}
