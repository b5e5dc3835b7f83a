package chiauth_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
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

// handlers counts which handler was entered by whom.
type handlers struct{ entered []string }

func (h *handlers) named(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h.entered = append(h.entered, name)
		io.WriteString(w, name)
	}
}

// override lets callers choose the method, as some proxies and frameworks do.
func override(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := r.Header.Get("X-HTTP-Method-Override"); m != "" {
			r.Method = m
			if ctx := chi.RouteContext(r.Context()); ctx != nil {
				ctx.RouteMethod = m
			}
		}
		next.ServeHTTP(w, r)
	})
}

// rewriters are chi's middlewares that make another request of the one that came.
var rewriters = map[string]func(http.Handler) http.Handler{
	"none":         func(h http.Handler) http.Handler { return h },
	"StripSlashes": middleware.StripSlashes,
	"CleanPath":    middleware.CleanPath,
	"GetHead":      middleware.GetHead,
	"override":     override,
}

// tricks are requests that try to reach /admin, POST /orders or /v1/admin by another name.
var tricks = []struct{ method, target string }{
	{"GET", "/admin"}, {"GET", "/admin/"}, {"GET", "//admin"}, {"GET", "/admin//"}, {"HEAD", "/admin"}, {"OPTIONS", "/admin"},
	{"GET", "/./admin"}, {"GET", "/files/../admin"}, {"GET", "/files/%2e%2e/admin"}, {"GET", "/%61dmin"}, {"GET", "/files/..%2Fadmin"},
	{"GET", "/v1/admin"}, {"GET", "/v1//admin"}, {"GET", "/v1/admin/"}, {"GET", "/v1/../admin"}, {"GET", "/v1"}, {"GET", "/v1/"},
	{"POST", "/orders"}, {"GET", "/orders"}, {"PUT", "/orders"}, {"FOO", "/orders"}, {"GET", "http://other.example/admin"},
	{"GET", "/files"}, {"GET", "/files/"}, {"GET", "/files/a"}, {"GET", "/ADMIN"}, {"GET", "/admin%2F"}, {"GET", "/admin%00"},
}

// send makes one request without letting the client clean its target.
func send(h http.Handler, method, target, token string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Method = method
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	r.URL, r.RequestURI = u, target
	for k, v := range header {
		r.Header[k] = v
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// needed are the scopes of the handlers of both trees below.
var needed = map[string]string{
	"admin": "admin", "orders": "read", "new order": "write", "v1 root": "read", "v1 admin": "admin", "files": "read",
}

func TestNoTrickReachesAHandlerWhoseRuleIsNotMet(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	var h handlers
	router := func(before, after, inside func(http.Handler) http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(before, after)
		a := chiauth.NewRouter(guard, r)
		a.Get("/admin", auth.Scopes("admin"), h.named("admin"))
		a.Get("/orders", auth.Scopes("read"), h.named("orders"))
		a.Post("/orders", auth.Scopes("write"), h.named("new order"))
		a.Route("/v1", func(a *chiauth.Router) {
			a.Use(inside)
			a.Get("/", auth.Scopes("read"), h.named("v1 root"))
			a.Get("/admin", auth.Scopes("admin"), h.named("v1 admin"))
		})
		a.Mount("/files", auth.Scopes("read"), h.named("files"))
		if err := chiauth.Check(r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	table := func(before, after, _ func(http.Handler) http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(before, chiauth.Enforce(guard, auth.Rules{
			"GET /admin": auth.Scopes("admin"), "GET /orders": auth.Scopes("read"), "POST /orders": auth.Scopes("write"),
			"GET /v1/": auth.Scopes("read"), "GET /v1/admin": auth.Scopes("admin"), "/files/*": auth.Scopes("read"),
		}, r), after)
		r.Get("/admin", h.named("admin"))
		r.Get("/orders", h.named("orders"))
		r.Post("/orders", h.named("new order"))
		r.Route("/v1", func(r chi.Router) {
			r.Get("/", h.named("v1 root"))
			r.Get("/admin", h.named("v1 admin"))
		})
		r.Mount("/files", h.named("files"))
		return r
	}
	for kind, build := range map[string]func(before, after, inside func(http.Handler) http.Handler) http.Handler{"Router": router, "Enforce": table} {
		for first, before := range rewriters {
			for second, after := range rewriters {
				if kind == "Enforce" && second == "override" {
					continue // its comment forbids what changes the method behind it
				}
				server := build(before, after, after)
				for _, scope := range []string{"", "read", "write", "admin"} {
					token := ""
					if scope != "" {
						token = issuer.Token(scope)
					}
					for _, trick := range tricks {
						for _, as := range []string{"", "GET", "POST", "HEAD"} {
							h.entered = nil
							header := http.Header{}
							if as != "" {
								header.Set("X-HTTP-Method-Override", as)
							}
							w := send(server, trick.method, trick.target, token, header)
							for _, name := range h.entered {
								if needed[name] != scope {
									t.Errorf("%s, %s before and %s after: %s %s as %q with scope %q reached %q: %d", kind, first, second, trick.method, trick.target, as, scope, name, w.Code)
								}
							}
						}
					}
				}
			}
		}
	}
}

func TestRegisteredRoutesAnswer(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var h handlers
	guard := issuer.Guard(nil)
	r := chi.NewRouter()
	a := chiauth.NewRouter(guard, r)
	req := auth.Scopes("read")
	a.Get("/x", req, h.named("get"))
	a.Head("/x", req, h.named("head"))
	a.Post("/x", req, h.named("post"))
	a.Put("/x", req, h.named("put"))
	a.Patch("/x", req, h.named("patch"))
	a.Delete("/x", req, h.named("delete"))
	a.Options("/x", req, h.named("options"))
	a.Method("TRACE", "/x", req, h.named("trace"))
	a.Handle("/all", req, h.named("all"))
	a.Group(func(a *chiauth.Router) { a.Get("/group", req, h.named("group")) })
	a.With(middleware.NoCache).Get("/with", req, h.named("with"))
	a.Mount("/mounted", req, h.named("mounted"))
	for target, want := range map[string]string{
		"GET /x": "get", "HEAD /x": "head", "POST /x": "post", "PUT /x": "put", "PATCH /x": "patch", "DELETE /x": "delete",
		"OPTIONS /x": "options", "TRACE /x": "trace", "GET /all": "all", "PUT /all": "all", "GET /group": "group", "GET /with": "with",
		"GET /mounted": "mounted", "POST /mounted/a/b": "mounted",
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
	for target, want := range map[string]int{"GET /other": 404, "CONNECT /x": 405, "FOO /x": 405} {
		method, path, _ := strings.Cut(target, " ")
		if w := send(r, method, path, "", nil); w.Code != want || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d, want chi's own %d without a challenge", target, w.Code, want)
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
	chiauth.NewRouter(guard, r).Handle("/all", auth.AnyToken(), h.named("all"))
	for _, target := range []string{"/v1/orders/7", "/v1/orders/8", "/v2/orders/7", "/all"} {
		send(r, "GET", target, "", nil)
	}
	if want := []string{"GET /v1/orders/{id}", "GET /v1/orders/{id}", "GET /v2/orders/{id}", "/all"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestCheckNamesWhatNoGuardCovers(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var h handlers
	logger := func(next http.Handler) http.Handler { return next }
	r := chi.NewRouter()
	r.Get("/open", h.named("open"))
	r.Handle("/all", h.named("all"))
	r.With(logger).Get("/logged", h.named("logged"))
	r.Mount("/foreign", h.named("foreign"))
	r.Route("/sub", func(r chi.Router) { r.Post("/open", h.named("open")) })
	r.Get("/inside", logger(guard.Require("a")(h.named("inside"))).ServeHTTP) // a guard inside another handler is not seen

	chiauth.NewRouter(guard, r).Get("/guarded", auth.AnyToken(), h.named("guarded"))
	chiauth.NewRouter(guard, r).Get("/public", auth.Public(), h.named("public"))
	chiauth.NewRouter(guard, r).Mount("/mounted", auth.AnyToken(), h.named("mounted"))
	r.Method("GET", "/handler", guard.Require("a")(h.named("handler")))
	r.With(logger, guard.Require("a")).Get("/with", h.named("with"))
	r.Route("/used", func(r chi.Router) {
		r.Use(guard.Require("a"))
		r.Get("/", h.named("used"))
		r.Mount("/deeper", h.named("deeper"))
	})
	r.With(guard.Require("a")).Mount("/chained", func() http.Handler { s := chi.NewRouter(); s.Get("/x", h.named("x")); return s }())

	err := chiauth.Check(r)
	want := []string{
		"chiauth: no guard covers /all", "chiauth: no guard covers /foreign/*", "chiauth: no guard covers GET /inside",
		"chiauth: no guard covers GET /logged", "chiauth: no guard covers GET /open", "chiauth: no guard covers POST /sub/open",
	}
	got := strings.Split(fmt.Sprint(err), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheckRules(t *testing.T) {
	var h handlers
	r := chi.NewRouter()
	r.Get("/orders", h.named("orders"))
	r.Post("/orders", h.named("new order"))
	r.Handle("/all", h.named("all"))
	r.Route("/v1", func(r chi.Router) { r.Get("/", h.named("root")) })
	r.Mount("/files", h.named("files"))
	full := auth.Rules{"GET /orders": auth.AnyToken(), "/orders": auth.AnyToken(), "GET /all": auth.AnyToken(), "GET /v1/": auth.AnyToken(), "/files/*": auth.AnyToken()}
	if err := chiauth.CheckRules(r, full); err != nil {
		t.Errorf("rules for everything: %v", err)
	}
	err := chiauth.CheckRules(r, auth.Rules{"GET /orders": auth.AnyToken(), "GET /v1": auth.AnyToken(), "PUT /orders": auth.AnyToken()})
	for _, want := range []string{"no rule names POST /orders", "no rule names /all", "no rule names GET /v1/", "no rule names /files/*", `no route uses rule "GET /v1"`, `no route uses rule "PUT /orders"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant an error with %q", err, want)
		}
	}
	if err := chiauth.CheckRules(r, auth.Rules{}); err == nil {
		t.Error("no rules were accepted")
	}
}

func TestEnforce(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var h handlers
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(issuer.Guard(nil), auth.Rules{
		"GET /orders": auth.Scopes("read"), "GET /v1/": auth.Scopes("read"), "/files/*": auth.Scopes("read"), "GET /slash": auth.Scopes("a"), "GET /slash/": auth.Scopes("b"),
	}, r))
	r.Get("/orders", h.named("orders"))
	r.Post("/orders", h.named("unnamed"))
	r.Route("/v1", func(r chi.Router) { r.Get("/", h.named("v1")) })
	r.Mount("/files", h.named("files"))
	r.Get("/slash", h.named("slash"))
	r.Get("/slash/", h.named("slash/"))
	reader := issuer.Token("read")
	for _, tt := range []struct {
		method, target, token string
		want                  int
	}{
		{"GET", "/orders", reader, 200},
		{"GET", "/orders", "", 401},
		{"GET", "/v1", reader, 200},
		{"GET", "/v1/", reader, 200},
		{"GET", "/v1", "", 401},
		{"GET", "/files", reader, 200},
		{"PUT", "/files/a/b", reader, 200},
		{"PUT", "/files/a/b", "", 401},
		{"POST", "/orders", reader, 403},
		{"PUT", "/orders", "", 405},
		{"GET", "/other", "", 404},
		{"GET", "//orders", reader, 404},
		{"GET", "/orders/", reader, 404},
		{"GET", "/slash/", issuer.Token("b"), 403},
		{"GET", "/slash/", issuer.Token("a b"), 200},
		{"GET", "/slash", issuer.Token("a"), 200},
	} {
		w := send(r, tt.method, tt.target, tt.token, nil)
		if w.Code != tt.want {
			t.Errorf("%s %s with token %v: %d, want %d", tt.method, tt.target, tt.token != "", w.Code, tt.want)
		}
		if tt.want == 405 && !strings.Contains(fmt.Sprint(w.Header()["Allow"]), "GET") {
			t.Errorf("405 with Allow %q", w.Header()["Allow"])
		}
	}
}

func TestMisconfigured(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var h handlers
	for _, tt := range []struct {
		name  string
		build func(a *chiauth.Router, r chi.Router)
		want  string
	}{
		{"no guard", func(_ *chiauth.Router, r chi.Router) { chiauth.NewRouter(nil, r) }, "Guard"},
		{"no router", func(*chiauth.Router, chi.Router) { chiauth.NewRouter(guard, nil) }, "chi.Router"},
		{"the zero requirement", func(a *chiauth.Router, _ chi.Router) { a.Get("/x", auth.Requirement{}, h.named("x")) }, "GET /x"},
		{"the zero requirement mounted", func(a *chiauth.Router, _ chi.Router) { a.Mount("/x", auth.Requirement{}, h.named("x")) }, "/x"},
		{"a route twice", func(a *chiauth.Router, _ chi.Router) {
			a.Get("/x", auth.AnyToken(), h.named("x"))
			a.Get("/x", auth.Public(), h.named("x"))
		}, `"GET /x" is registered twice`},
		{"a route for all methods twice", func(a *chiauth.Router, _ chi.Router) {
			a.Handle("/x", auth.AnyToken(), h.named("x"))
			a.Handle("/x", auth.Public(), h.named("x"))
		}, "registered twice"},
		{"a table without guard", func(_ *chiauth.Router, r chi.Router) { chiauth.Enforce(nil, auth.Rules{"/": auth.Public()}, r) }, "Guard"},
		{"a table without rules", func(_ *chiauth.Router, r chi.Router) { chiauth.Enforce(guard, nil, r) }, "empty"},
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

// TestCORS is the recipe: CORS outside the guard, so that a preflight, which never has a token, passes.
func TestCORS(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	cors := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
			w.Header().Add("Vary", "Origin")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				w.Header().Set("Access-Control-Allow-Headers", "Authorization")
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	r := chi.NewRouter()
	r.Use(cors)
	var h handlers
	chiauth.NewRouter(issuer.Guard(nil), r).Get("/orders", auth.AnyToken(), h.named("orders"))
	if w := send(r, "OPTIONS", "/orders", "", http.Header{"Access-Control-Request-Method": {"GET"}}); w.Code != 204 {
		t.Errorf("preflight: %d", w.Code)
	}
	w := send(r, "GET", "/orders", "", nil)
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Access-Control-Expose-Headers") != "WWW-Authenticate" {
		t.Errorf("refusal: %d %v", w.Code, w.Header())
	}
}

func TestTheResponseWriterKeepsItsFeatures(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	r := chi.NewRouter()
	chiauth.NewRouter(issuer.Guard(nil), r).Get("/", auth.AnyToken(), func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("no ReadFrom")
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		io.WriteString(conn, "hijacked\n")
		conn.Close()
	})
	server := httptest.NewServer(r)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", issuer.Token("read"))
	all, _ := io.ReadAll(bufio.NewReader(conn))
	if !strings.HasSuffix(string(all), "hijacked\n") {
		t.Errorf("got %q", all)
	}
}

func ExampleRouter() {
	guard := auth.NewGuard(nobody{}, nil)
	r := chi.NewRouter()
	orders := chiauth.NewRouter(guard, r)
	orders.Get("/healthz", auth.Public(), func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	orders.Route("/orders", func(orders *chiauth.Router) {
		orders.Get("/", auth.Scopes("read:orders"), http.NotFound)
		orders.Post("/", auth.Scopes("write:orders"), http.NotFound)
	})
	if err := chiauth.Check(r); err != nil {
		fmt.Println(err)
	}
	for _, target := range []string{"/healthz", "/orders/", "/other"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, target, w.Header()["Www-Authenticate"])
	}
	// Output:
	// 200 /healthz []
	// 401 /orders/ [Bearer realm="api"]
	// 404 /other []
}

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignature}
}

func ExampleCheck() {
	r := chi.NewRouter()
	chiauth.NewRouter(auth.NewGuard(nobody{}, nil), r).Get("/orders", auth.Scopes("read:orders"), http.NotFound)
	r.Get("/debug", http.NotFound)
	fmt.Println(chiauth.Check(r))
	// Output:
	// chiauth: no guard covers GET /debug
}

func ExampleEnforce() {
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders")}
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(auth.NewGuard(nobody{}, nil), rules, r))
	r.Get("/orders", http.NotFound)
	r.Get("/debug", http.NotFound)
	fmt.Println(chiauth.CheckRules(r, rules))
	// Output:
	// chiauth: no rule names GET /debug: it is refused to everyone
}
