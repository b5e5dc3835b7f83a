package main_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// library are the rules of an application whose handlers answer differently, as handlers do.
var library = auth.Rules{
	"GET /books":          auth.Scopes("read:books"),
	"POST /books":         auth.AnyToken(),
	"DELETE /books/{id}":  auth.Scopes("admin:all"),
	"GET /api/loans/{id}": auth.Scopes("read:loans"),
	"GET /catalogue":      auth.Optional(),
	"GET /healthz":        auth.Public(),
}

// book answers with the rule's name: who calls does not matter to it.
func book(rule string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{%q:true}\n", rule)
	})
}

// A router is one of the adapters: it registers a handler for a pattern in net/http's form.
type router struct {
	name string
	// pattern returns a pattern as the router writes it.
	pattern func(string) string
	// build returns the application. Raw routes, by pattern and possibly without a method, are past
	// the guard.
	build func(g *auth.Guard, rules auth.Rules, handlers, raw map[string]http.Handler, notFound http.Handler) http.Handler
}

func same(s string) string { return s }

var routers = []router{
	{"nethttp", same, func(g *auth.Guard, rules auth.Rules, handlers, raw map[string]http.Handler, notFound http.Handler) http.Handler {
		mux := http.NewServeMux()
		for rule, need := range rules {
			if raw[rule] == nil {
				mux.Handle(rule, g.Enforce(need)(handlers[rule]))
			}
		}
		for pattern, h := range raw {
			mux.Handle(pattern, h)
		}
		if notFound != nil {
			mux.Handle("/", notFound)
		}
		return mux
	}},
	{"httpauth", same, func(g *auth.Guard, rules auth.Rules, handlers, raw map[string]http.Handler, notFound http.Handler) http.Handler {
		mux := httpauth.NewMux(g)
		for rule, need := range rules {
			if raw[rule] == nil {
				mux.Handle(rule, need, handlers[rule])
			}
		}
		for pattern, h := range raw {
			mux.Handle(pattern, auth.Public(), h)
		}
		if notFound != nil {
			mux.Handle("/", auth.Public(), notFound)
		}
		return mux
	}},
	{"chi", func(s string) string { return strings.ReplaceAll(s, "/{$}", "/") }, func(g *auth.Guard, rules auth.Rules, handlers, raw map[string]http.Handler, notFound http.Handler) http.Handler {
		r := chi.NewRouter()
		for rule, need := range rules {
			if method, pattern, _ := strings.Cut(rule, " "); raw[rule] == nil {
				chiauth.NewRouter(g, r).Method(method, pattern, need, handlers[rule])
			}
		}
		for key, h := range raw {
			if method, pattern, ok := strings.Cut(key, " "); ok {
				r.Method(method, pattern, h)
			} else if strings.HasSuffix(key, "/") {
				r.Handle(key+"*", h)
			} else {
				r.Handle(key, h)
			}
		}
		if notFound != nil {
			r.NotFound(notFound.ServeHTTP)
		}
		return r
	}},
	{"echo", func(s string) string { return strings.NewReplacer("/{$}", "/", "{id}", ":id").Replace(s) }, func(g *auth.Guard, rules auth.Rules, handlers, raw map[string]http.Handler, notFound http.Handler) http.Handler {
		e := echo.New()
		for rule, need := range rules {
			if method, pattern, _ := strings.Cut(rule, " "); raw[rule] == nil {
				e.Add(method, pattern, echo.WrapHandler(handlers[rule]), echoauth.Enforce(g, need))
			}
		}
		for key, h := range raw {
			if method, pattern, ok := strings.Cut(key, " "); ok {
				e.Add(method, pattern, echo.WrapHandler(h))
			} else if strings.HasSuffix(key, "/") {
				e.Any(key+"*", echo.WrapHandler(h))
			} else {
				e.Any(key, echo.WrapHandler(h))
			}
		}
		if notFound != nil {
			e.RouteNotFound("/*", echo.WrapHandler(notFound))
		}
		return e
	}},
}

// in returns what is keyed by patterns of net/http in the router's own form.
func in[V any](r router, m map[string]V) map[string]V {
	out := map[string]V{}
	for k, v := range m {
		out[r.pattern(k)] = v
	}
	return out
}

// application builds the library over a router. Raw and its patterns are in net/http's form.
func (r router) application(g *auth.Guard, raw map[string]http.Handler, notFound http.Handler) (http.Handler, auth.Rules) {
	handlers := map[string]http.Handler{}
	for rule := range library {
		handlers[rule] = book(rule)
	}
	rules := auth.Rules(in(r, library))
	return r.build(g, rules, in(r, handlers), in(r, raw), notFound), rules
}

// A planted hole is in front of a router (around), or takes the place of one rule's route (route).
type planted struct {
	name, rule, row, says string
	around                func(g *auth.Guard, open, guarded http.Handler) http.Handler
	route                 func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler
	also                  string // a pattern that the route takes besides
}

func answered(f func(w http.ResponseWriter, r *http.Request)) http.Handler {
	return http.HandlerFunc(f)
}

// with returns a copy of r with another method and path.
func with(r *http.Request, method, path string) *http.Request {
	r = r.Clone(r.Context())
	r.Method = method
	r.URL.Path, r.URL.RawPath, r.RequestURI = path, "", path
	return r
}

func plantedHoles(t *testing.T, issuer *authtest.Issuer) []planted {
	anyType := issuer.Config()
	anyType.Types, anyType.InsecureAllowIDTokens = []string{"at+jwt", "JWT", ""}, true
	lax := must(auth.NewGuard(issuer.Verifier(anyType), nil))
	override := func(outer auth.Requirement, read func(*http.Request) string) func(*auth.Guard, http.Handler, http.Handler) http.Handler {
		return func(g *auth.Guard, open, guarded http.Handler) http.Handler {
			return answered(func(w http.ResponseWriter, r *http.Request) {
				if method := read(r); method != "" {
					g.Enforce(outer)(open).ServeHTTP(w, with(r, method, r.URL.Path))
					return
				}
				guarded.ServeHTTP(w, r)
			})
		}
	}
	return []planted{
		{name: "OPTIONS past the guard", rule: "GET /books", row: "O-11", says: "method OPTIONS", also: "OPTIONS /books",
			route: func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
				return answered(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodOptions {
						h.ServeHTTP(w, r)
						return
					}
					g.Enforce(need)(h).ServeHTTP(w, r)
				})
			}},
		{name: "two layers of encoding", rule: "GET /books", row: "O-11", says: "%25",
			around: func(_ *auth.Guard, open, guarded http.Handler) http.Handler {
				return answered(func(w http.ResponseWriter, r *http.Request) {
					if once, _ := url.PathUnescape(r.URL.Path); once != r.URL.Path { // a proxy inside decodes once more, behind the guard
						open.ServeHTTP(w, with(r, r.Method, path.Clean(once)))
						return
					}
					guarded.ServeHTTP(w, r)
				})
			}},
		{name: "two layers, of which the inner one reads the method again", rule: "DELETE /books/{id}", row: "O-11", says: "X-HTTP-Method-Override",
			around: override(auth.AnyToken(), func(r *http.Request) string { return r.Header.Get("X-HTTP-Method-Override") })},
		{name: "scopes of GET only", rule: "GET /books", row: "B-36", says: "method HEAD", also: "HEAD /books",
			route: func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
				return answered(func(w http.ResponseWriter, r *http.Request) {
					if r.Method != http.MethodGet {
						need = auth.AnyToken()
					}
					g.Enforce(need)(h).ServeHTTP(w, r)
				})
			}},
		{name: "_method in the query", rule: "DELETE /books/{id}", row: "O-11", says: "_method=DELETE in the query",
			around: override(auth.Public(), func(r *http.Request) string { return r.URL.Query().Get("_method") })},
		{name: "_method in a form", rule: "DELETE /books/{id}", row: "O-11", says: "_method=DELETE in a form",
			around: override(auth.Public(), func(r *http.Request) string {
				if r.Method != http.MethodPost {
					return ""
				}
				return r.PostFormValue("_method")
			})},
		{name: "X-Original-URL behind the guard", rule: "GET /books", row: "O-11", says: "X-Original-URL",
			around: func(_ *auth.Guard, open, guarded http.Handler) http.Handler {
				return answered(func(w http.ResponseWriter, r *http.Request) {
					if u := r.Header.Get("X-Original-URL"); u != "" && r.URL.Path == "/healthz" {
						open.ServeHTTP(w, with(r, r.Method, u))
						return
					}
					guarded.ServeHTTP(w, r)
				})
			}},
		{name: "a guard that authorizes by X-Rewrite-URL", rule: "GET /books", row: "O-11", says: "X-Rewrite-URL",
			around: func(_ *auth.Guard, open, guarded http.Handler) http.Handler {
				return answered(func(w http.ResponseWriter, r *http.Request) {
					if u := r.Header.Get("X-Rewrite-URL"); strings.HasPrefix(u, "/healthz") {
						open.ServeHTTP(w, r)
						return
					}
					guarded.ServeHTTP(w, r)
				})
			}},
		{name: "an identity header in place of a token", rule: "GET /books", row: "S-10", says: "X-Forwarded-User",
			around: func(_ *auth.Guard, open, guarded http.Handler) http.Handler {
				return answered(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("X-Forwarded-User") != "" {
						open.ServeHTTP(w, r)
						return
					}
					guarded.ServeHTTP(w, r)
				})
			}},
		{name: "an identity header past the guard", rule: "POST /books", row: "S-10", says: "X-User-Id",
			route: func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
				return g.Enforce(need)(answered(func(w http.ResponseWriter, r *http.Request) {
					if id := r.Header.Get("X-User-Id"); id != "" {
						io.WriteString(w, "a book of "+id)
						return
					}
					h.ServeHTTP(w, r)
				}))
			}},
		{name: "ID tokens and any typ", rule: "GET /books", row: "AT-43", says: "IDToken",
			route: func(_ *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
				return lax.Enforce(need)(h)
			}},
		{name: "an adapter of one's own without Vary", rule: "GET /catalogue", row: "O-08", says: "Vary: Authorization",
			route: func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
				return answered(func(w http.ResponseWriter, r *http.Request) {
					ctx, err := g.Authorize(r.Context(), auth.RequestCredentials(nil, r, ""), need)
					if err != nil {
						g.Refuse(w, r, err)
						return
					}
					h.ServeHTTP(w, r.WithContext(ctx))
				})
			}},
	}
}

// openBooks is the library without a guard.
func (r router) openBooks(g *auth.Guard) http.Handler {
	raw := map[string]http.Handler{}
	for rule := range library {
		raw[rule] = book(rule)
	}
	h, _ := r.application(g, raw, nil)
	return h
}

// Each of the holes that the first AssertGuarded passed, and their neighbours, is found over every
// router: by its row, at its rule, and with the part of the request that is the hole.
func TestAssertGuardedFindsWhatGoesAroundTheGuard(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256}) // is quicker
	for _, r := range routers {
		t.Run(r.name, func(t *testing.T) {
			for _, hole := range plantedHoles(t, issuer) {
				t.Run(hole.name, func(t *testing.T) {
					g := issuer.Guard(nil)
					raw := map[string]http.Handler{}
					if hole.route != nil {
						raw[hole.rule] = hole.route(g, library[hole.rule], book(hole.rule))
					}
					if hole.also != "" {
						raw[hole.also] = raw[hole.rule]
					}
					h, rules := r.application(g, raw, nil)
					if hole.around != nil {
						h = hole.around(g, r.openBooks(g), h)
					}
					said := &recorder{TB: t}
					authtest.AssertGuarded(said, issuer, h, rules, nil)
					rule := r.pattern(hole.rule)
					if !slices.ContainsFunc(said.errors, func(s string) bool {
						return strings.HasPrefix(s, rule+": ") && strings.Contains(s, "("+hole.row+")") && strings.Contains(s, hole.says)
					}) {
						t.Errorf("no failure of %s names %s and %q:\n%s", rule, hole.row, hole.says, strings.Join(said.errors, "\n"))
					}
					if hole.route != nil {
						for _, s := range said.errors {
							if !strings.HasPrefix(s, rule+": ") {
								t.Errorf("a failure of a route that is whole: %s", s)
							}
						}
					}
				})
			}
		})
	}
}

// Scopes that are asked for GET alone, under a rule for every method.
func TestAssertGuardedAsksScopesOfEveryMethod(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	g := issuer.Guard(nil)
	need := auth.Scopes("read:books")
	mux := http.NewServeMux()
	mux.Handle("/books", answered(func(w http.ResponseWriter, r *http.Request) {
		need := need
		if r.Method == http.MethodPatch {
			need = auth.AnyToken()
		}
		g.Enforce(need)(book(r.Method)).ServeHTTP(w, r)
	}))
	said := &recorder{TB: t}
	authtest.AssertGuarded(said, issuer, mux, auth.Rules{"/books": need}, nil)
	if !slices.ContainsFunc(said.errors, func(s string) bool {
		return strings.HasPrefix(s, "/books: RFC 6750 §3.1 (B-25): PATCH with a good token with scopes []: got 200")
	}) {
		t.Errorf("said %q", said.errors)
	}
}

// What right APIs have besides their guarded routes causes no failure, over every router: pages at
// "/" and "/api/", handlers for what is not found, fallbacks of single-page applications, CORS.
func TestAssertGuardedRaisesNoFalseAlarm(t *testing.T) {
	var visits atomic.Int64
	page := answered(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<h1>Library</h1><p>%s", r.URL.Path)
	})
	everNew := answered(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<script nonce=%d></script>", visits.Add(1))
	})
	json := answered(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"visit":%d}`, visits.Add(1))
	})
	cors := func(next http.Handler) http.Handler {
		return answered(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodOptions {
				w.Header().Set("Access-Control-Allow-Methods", "GET")
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	for _, api := range []struct {
		name     string
		raw      map[string]http.Handler
		notFound http.Handler
		around   func(http.Handler) http.Handler
	}{
		{name: "nothing besides"},
		{name: "a page at / alone", raw: map[string]http.Handler{"GET /{$}": page}},
		{name: "a page at /api/ and all below", raw: map[string]http.Handler{"/api/": page}},
		{name: "a page at /api/ that is another each time", raw: map[string]http.Handler{"/api/": everNew}},
		{name: "a NotFound handler with 200", notFound: page},
		{name: "a NotFound handler with 200 that is another each time", notFound: everNew},
		{name: "a NotFound handler with JSON that is another each time", notFound: json},
		{name: "a NotFound handler with 404", notFound: answered(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			io.WriteString(w, "{}")
		})},
		{name: "a NotFound handler that falls over", notFound: answered(func(http.ResponseWriter, *http.Request) { panic("nothing here") })},
		{name: "a fallback beside a page at /api/", raw: map[string]http.Handler{"/api/": json}, notFound: everNew},
		{name: "CORS that answers every OPTIONS", around: cors},
		{name: "OPTIONS of one route without a token", raw: map[string]http.Handler{"OPTIONS /books": answered(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", "GET, POST, OPTIONS")
			w.WriteHeader(http.StatusNoContent)
		})}},
	} {
		for _, r := range routers {
			t.Run(api.name+" over "+r.name, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
				h, rules := r.application(issuer.Guard(nil), api.raw, api.notFound)
				if api.around != nil {
					h = api.around(h)
				}
				authtest.AssertGuarded(t, issuer, h, rules, nil)
			})
		}
	}
}

// An optional operation answers differently with a token: caches must know, or not store the
// answer.
func TestAssertGuardedWantsVary(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	g := issuer.Guard(nil)
	for _, c := range []struct {
		name              string
		anonymous, signed http.Header
		want              []string // which answers fail
	}{
		{"on both", http.Header{"Vary": {"Authorization"}}, http.Header{"Vary": {"Authorization"}}, nil},
		{"in another case, with others", http.Header{"Vary": {"Accept, authorization"}}, http.Header{"Vary": {"Accept", "AUTHORIZATION"}}, nil},
		{"everything", http.Header{"Vary": {"*"}}, http.Header{"Vary": {"*"}}, nil},
		{"not stored, or private", http.Header{"Cache-Control": {"max-age=0, no-store"}}, http.Header{"Cache-Control": {"Private"}}, nil},
		{"on the anonymous answer alone", http.Header{"Vary": {"Authorization"}}, nil, []string{"with a good token"}},
		{"on the authorized answer alone", nil, http.Header{"Vary": {"Authorization"}}, []string{"without a token"}},
		{"another field", http.Header{"Vary": {"Accept"}}, http.Header{"Vary": {"X-Authorization"}}, []string{"without a token", "with a good token"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := answered(func(w http.ResponseWriter, r *http.Request) {
				ctx, err := g.Authorize(r.Context(), auth.RequestCredentials(w, r, "GET /books"), auth.Optional())
				if err != nil {
					g.Refuse(w, r, err)
					return
				}
				header := c.anonymous
				if p, ok := auth.PrincipalFrom(ctx); ok && p.Subject() != "" {
					header = c.signed
				}
				w.Header().Del("Vary") // as a handler does that sets its own
				maps.Copy(w.Header(), header)
				io.WriteString(w, "[]")
			})
			said := &recorder{TB: t}
			authtest.AssertGuarded(said, issuer, h, auth.Rules{"GET /books": auth.Optional()}, nil)
			if len(said.errors) != len(c.want) {
				t.Errorf("said %q, want %d failures", said.errors, len(c.want))
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(said.errors, func(s string) bool {
					return strings.HasPrefix(s, "GET /books: Bearward (O-08): an optional operation, "+want+`: got 200 without "Vary: Authorization"`)
				}) {
					t.Errorf("said %q, want a failure %s", said.errors, want)
				}
			}
		})
	}
}

// A rule that is only reported on accepts every request, as it should: the others are asked all the
// same.
func TestAssertGuardedSkipsWhatIsOnlyReportedOn(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	mux := httpauth.NewMux(issuer.Guard(&auth.GuardOptions{OnDecision: func(context.Context, auth.Decision) {}}))
	mux.Handle("GET /books", auth.Scopes("read:books").ReportOnly(), book("books"))
	mux.Handle("GET /loans", auth.Scopes("read:loans"), book("loans"))
	authtest.AssertGuarded(t, issuer, mux, mux.Rules(), nil)

	rules := mux.Rules()
	rules["GET /books"] = auth.Scopes("read:books") // what the table for review says
	said := &recorder{TB: t}
	authtest.AssertGuarded(said, issuer, mux, rules, nil)
	if len(said.errors) != 1 || !strings.HasPrefix(said.errors[0], "GET /books: RFC 6750 §3 (B-13): no token: got 200, want 401") {
		t.Errorf("said %q", said.errors)
	}
}
