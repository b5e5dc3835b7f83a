package chiauth_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// handlers remembers which handler was entered.
type handlers struct{ entered []string }

func (h *handlers) named(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h.entered = append(h.entered, name)
		io.WriteString(w, name)
	}
}

type wrapper = func(http.Handler) http.Handler

// override lets callers choose the method, as some proxies and frameworks do. Chi takes it from its
// own context when that has one.
func override(alsoRoute bool) wrapper {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if m := r.Header.Get("X-HTTP-Method-Override"); m != "" {
				r.Method = m
				if ctx := chi.RouteContext(r.Context()); ctx != nil && alsoRoute {
					ctx.RouteMethod = m
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// rewriters are middlewares that make another request of the one that came.
var rewriters = map[string]wrapper{
	"none":         func(h http.Handler) http.Handler { return h },
	"StripSlashes": middleware.StripSlashes,
	"CleanPath":    middleware.CleanPath,
	"GetHead":      middleware.GetHead,
	"URLFormat":    middleware.URLFormat,
	"PathRewrite":  middleware.PathRewrite("/orders", "/admin"),
	"a reset": func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if ctx := chi.RouteContext(r.Context()); ctx != nil && r.Header.Get("X-HTTP-Method-Override") != "" {
				routes := ctx.Routes
				ctx.Reset()
				ctx.Routes, ctx.RoutePath = routes, "/admin"
			}
			next.ServeHTTP(w, r)
		})
	},
	"a method override": override(false),
	"a route override":  override(true),
}

// bypassAttempts are requests that try to reach a handler by another name than the one its rule
// has.
var bypassAttempts = []struct{ method, target string }{
	{"GET", "/admin"}, {"GET", "/admin/"}, {"GET", "//admin"}, {"GET", "/admin//"}, {"HEAD", "/admin"}, {"OPTIONS", "/admin"}, {"CONNECT", "/admin"},
	{"GET", "/./admin"}, {"GET", "/files/../admin"}, {"GET", "/files/%2e%2e/admin"}, {"GET", "/%61dmin"}, {"GET", "/files/..%2Fadmin"},
	{"GET", "/admin/stats"}, {"GET", "/admin%2Fstats"}, {"GET", "/admin%2Fstats/"}, {"GET", "/admin%2fstats%2f"}, {"GET", "/admin%2F/"}, {"GET", "/x/../admin/stats/"},
	{"GET", "/v1/admin"}, {"GET", "/v1//admin"}, {"GET", "/v1/admin/"}, {"GET", "/v1/../admin"}, {"GET", "/v1"}, {"GET", "/v1/"}, {"POST", "/v1"}, {"POST", "/v1/"},
	{"GET", "/v1%2Fadmin/"}, {"GET", "/v1/admin%2F"}, {"GET", "/v1/a/b"}, {"POST", "/v1/a/b"},
	{"POST", "/orders"}, {"GET", "/orders"}, {"PUT", "/orders"}, {"FOO", "/orders"}, {"get", "/orders"}, {"GET", "http://other.example/admin"},
	{"GET", "/files"}, {"GET", "/files/"}, {"GET", "/files/a"}, {"GET", "/ADMIN"}, {"GET", "/admin%00"}, {"GET", "/"},
}

// send makes one request without letting a client clean its target.
func send(h http.Handler, method, target, token string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Method = method
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	r.URL, r.RequestURI = u, target
	maps.Copy(r.Header, header)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// needed are the scopes of the handlers of the trees below; the one without is public.
var needed = map[string]string{
	"admin": "admin", "stats": "admin", "orders": "read", "new order": "write", "v1 root": "read", "v1 admin": "admin", "v1 posts": "admin",
	"files": "read", "page": "",
}

// trees are three ways to guard the same routes.
var trees = map[string]func(guard *auth.Guard, h *handlers, before, after, inside wrapper) http.Handler{
	"Router": func(guard *auth.Guard, h *handlers, before, after, inside wrapper) http.Handler {
		r := chi.NewRouter()
		r.Use(before, after)
		a := chiauth.NewRouter(guard, r)
		a.Get("/admin", auth.Scopes("admin"), h.named("admin"))
		a.Get("/admin/stats", auth.Scopes("admin"), h.named("stats"))
		a.Get("/orders", auth.Scopes("read"), h.named("orders"))
		a.Post("/orders", auth.Scopes("write"), h.named("new order"))
		a.Route("/v1", func(a *chiauth.Router) {
			a.Use(inside)
			a.Get("/", auth.Scopes("read"), h.named("v1 root"))
			a.Get("/admin", auth.Scopes("admin"), h.named("v1 admin"))
			a.Post("/*", auth.Scopes("admin"), h.named("v1 posts"))
		})
		a.Mount("/files", auth.Scopes("read"), h.named("files"))
		a.Get("/*", auth.Public(), h.named("page"))
		if err := chiauth.Check(r); err != nil {
			panic(err)
		}
		return r
	},
	"Enforce given to Use": func(guard *auth.Guard, h *handlers, before, after, inside wrapper) http.Handler {
		r := chi.NewRouter()
		r.Use(before, chiauth.Enforce(guard, rules, r), after)
		return open(r, h, inside)
	},
	"Enforce around it all": func(guard *auth.Guard, h *handlers, before, after, inside wrapper) http.Handler {
		r := chi.NewRouter()
		r.Use(before, after)
		return chiauth.Enforce(guard, rules, r)(open(r, h, inside))
	},
}

var rules = auth.Rules{
	"GET /admin": auth.Scopes("admin"), "GET /admin/stats": auth.Scopes("admin"), "GET /orders": auth.Scopes("read"), "POST /orders": auth.Scopes("write"),
	"/v1/": auth.Scopes("read"), "GET /v1/admin": auth.Scopes("admin"), "POST /v1/*": auth.Scopes("admin"), "/files/*": auth.Scopes("read"),
	"GET /*": auth.Public(),
}

// open adds the routes without any guard.
func open(r chi.Router, h *handlers, inside wrapper) chi.Router {
	r.Get("/admin", h.named("admin"))
	r.Get("/admin/stats", h.named("stats"))
	r.Get("/orders", h.named("orders"))
	r.Post("/orders", h.named("new order"))
	r.Route("/v1", func(r chi.Router) {
		r.Use(inside)
		r.Get("/", h.named("v1 root"))
		r.Get("/admin", h.named("v1 admin"))
		r.Post("/*", h.named("v1 posts"))
	})
	r.Mount("/files", h.named("files"))
	r.Get("/*", h.named("page"))
	return r
}

func TestNoTrickReachesAHandlerWhoseRuleIsNotMet(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	var h handlers
	reached := map[string]bool{}
	for kind, build := range trees {
		for first, before := range rewriters {
			for second, after := range rewriters {
				overrides := []string{""}
				if strings.HasPrefix(first, "a ") || strings.HasPrefix(second, "a ") {
					overrides = []string{"", "GET", "POST", "HEAD"}
				}
				server := build(guard, &h, before, after, after)
				for _, scope := range []string{"", "read", "write", "admin"} {
					token := ""
					if scope != "" {
						token = issuer.Token(scope)
					}
					for _, trick := range bypassAttempts {
						for _, as := range overrides {
							header := http.Header{}
							if as != "" {
								header.Set("X-HTTP-Method-Override", as)
							}
							h.entered = nil
							w := send(server, trick.method, trick.target, token, header)
							for _, name := range h.entered {
								reached[kind+" "+name] = true
								if needed[name] != "" && needed[name] != scope {
									t.Errorf("%s, %s before and %s after: %s %s as %q with scope %q reached %q: %d", kind, first, second, trick.method, trick.target, as, scope, name, w.Code)
								}
							}
						}
					}
				}
			}
		}
	}
	if len(reached) != len(trees)*len(needed) {
		t.Errorf("only %d handlers were ever reached: %v", len(reached), slices.Sorted(maps.Keys(reached)))
	}
}

// TestRawTargets sends over a real connection what no Go client would.
func TestRawTargets(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	for kind, build := range trees {
		var h handlers
		none := rewriters["none"]
		server := httptest.NewServer(build(guard, &h, middleware.CleanPath, middleware.StripSlashes, none))
		defer server.Close()
		for _, line := range []string{
			"CONNECT /admin", "CONNECT other.example:443", "CONNECT /orders", "OPTIONS *", "GET http://other.example/admin", "GET http://other.example//admin",
			"GET //admin", "GET /%2e%2e/admin", "GET /files/%2e%2e/admin", "GET /admin%2Fstats/", "HEAD /admin", "GET /admin/", "GET /admin?x=/",
		} {
			h.entered = nil
			status := raw(t, server, line)
			if slices.ContainsFunc(h.entered, func(name string) bool { return needed[name] != "" }) {
				t.Errorf("%s: %s reached %q: %s", kind, line, h.entered, status)
			}
		}
	}
}

// raw sends a request line and returns the status line of the answer.
func raw(t *testing.T, server *httptest.Server, line string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line)
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	status, _, _ := strings.Cut(string(answer), "\r\n")
	return status
}
