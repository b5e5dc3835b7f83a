package main_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A recorder takes the place of the test that an assertion would fail.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// shop are the rules of the sample application.
var shop = auth.Rules{
	"GET /orders":         auth.Scopes("read:orders"),
	"POST /orders":        auth.Scopes("write:orders"),
	"GET /orders/{id}":    auth.Scopes("read:orders", "read:details"),
	"DELETE /orders/{id}": auth.AnyOf(auth.Scopes("admin:all"), auth.Scopes("delete:orders", "write:orders")),
	"GET /me":             auth.AnyToken(),
	"GET /catalogue":      auth.Optional(),
	"GET /healthz":        auth.Public(),
}

// A hole is a mistake that somebody made in one route, or in front of all.
type hole struct {
	name  string
	rule  string // whose route is open, "" for what is in front of all
	row   string // that AssertGuarded must name
	wrong func(*auth.Guard, auth.Requirement, http.Handler) http.Handler
}

func holes(t *testing.T, issuer *authtest.Issuer) []hole {
	loose := issuer.Config()
	loose.Audiences = append(loose.Audiences, "https://other-api.example")
	v, err := auth.NewVerifier(issuer.Source(nil), loose)
	if err != nil {
		t.Fatal(err)
	}
	forAnother := must(auth.NewGuard(v, nil))
	plain := func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler { return g.Enforce(need)(h) }
	return []hole{
		{"a route past the guard", "GET /orders", "B-13", func(_ *auth.Guard, _ auth.Requirement, h http.Handler) http.Handler { return h }},
		{"another scope", "POST /orders", "B-25", func(g *auth.Guard, _ auth.Requirement, h http.Handler) http.Handler {
			return plain(g, auth.Scopes("read:orders"), h)
		}},
		{"one scope of two", "GET /orders/{id}", "B-25", func(g *auth.Guard, _ auth.Requirement, h http.Handler) http.Handler {
			return plain(g, auth.Scopes("read:orders"), h)
		}},
		{"any of the scopes", "GET /orders/{id}", "B-25", func(g *auth.Guard, _ auth.Requirement, h http.Handler) http.Handler {
			return plain(g, auth.AnyScope("read:orders", "read:details"), h)
		}},
		{"any scope of an alternative", "DELETE /orders/{id}", "B-25", func(g *auth.Guard, _ auth.Requirement, h http.Handler) http.Handler {
			return plain(g, auth.AnyScope("admin:all", "delete:orders", "write:orders"), h)
		}},
		{"optional", "GET /me", "B-13", func(g *auth.Guard, _ auth.Requirement, h http.Handler) http.Handler {
			return plain(g, auth.Optional(), h)
		}},
		{"public", "GET /me", "B-13", func(g *auth.Guard, _ auth.Requirement, h http.Handler) http.Handler {
			return plain(g, auth.Public(), h)
		}},
		{"a token in the query", "GET /orders", "B-11", func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if token := r.URL.Query().Get("access_token"); token != "" {
					r.Header.Set("Authorization", "Bearer "+token)
				}
				plain(g, need, h).ServeHTTP(w, r)
			})
		}},
		{"the first of two tokens", "GET /orders", "B-08", func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if v := r.Header["Authorization"]; len(v) > 1 {
					r.Header["Authorization"] = v[:1]
				}
				plain(g, need, h).ServeHTTP(w, r)
			})
		}},
		{"a verifier for another API", "GET /me", "AT-14", func(_ *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
			return plain(forAnother, need, h)
		}},
		{"a refusal without its challenge", "GET /orders", "B-13", func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				plain(g, need, h).ServeHTTP(bare{w}, r)
			})
		}},
		{"an outage answered with 401", "", "K-11", func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, err := g.Authorize(r.Context(), auth.RequestCredentials(w, r, ""), need)
				if err != nil && auth.AsError(err).Reason == auth.ReasonUnavailable {
					err = &auth.Error{Reason: auth.ReasonSignatureInvalid}
				}
				if err != nil {
					g.Refuse(w, r, err)
					return
				}
				h.ServeHTTP(w, r.WithContext(ctx))
			})
		}},
		{"a method that is taken from a header", "GET /orders", "O-11", func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-HTTP-Method-Override") == "DELETE" {
					h.ServeHTTP(w, r)
					return
				}
				plain(g, need, h).ServeHTTP(w, r)
			})
		}},
		{"a handler that is reached, and falls over without a Principal", "GET /orders", "O-11", func(g *auth.Guard, need auth.Requirement, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-HTTP-Method-Override") == "DELETE" {
					panic(http.ErrAbortHandler)
				}
				plain(g, need, h).ServeHTTP(w, r)
			})
		}},
	}
}

// bare drops the challenge from what is written.
type bare struct{ http.ResponseWriter }

func (b bare) WriteHeader(status int) {
	b.Header().Del("WWW-Authenticate")
	b.ResponseWriter.WriteHeader(status)
}

func bought(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}\n") }

// shops are the sample application over each adapter, with one rule's route, or all of them, made
// by wrong; with none they are whole.
var shops = map[string]func(g *auth.Guard, isWrong func(rule string) bool, wrong func(*auth.Guard, auth.Requirement, http.Handler) http.Handler) (http.Handler, auth.Rules){
	"nethttp": func(g *auth.Guard, isWrong func(string) bool, wrong func(*auth.Guard, auth.Requirement, http.Handler) http.Handler) (http.Handler, auth.Rules) {
		mux := httpauth.NewMux(g)
		for rule, need := range shop {
			if isWrong(rule) {
				mux.Handle(rule, auth.Public(), wrong(g, need, http.HandlerFunc(bought)))
			} else {
				mux.HandleFunc(rule, need, bought)
			}
		}
		return mux, shop
	},
	"chi": func(g *auth.Guard, isWrong func(string) bool, wrong func(*auth.Guard, auth.Requirement, http.Handler) http.Handler) (http.Handler, auth.Rules) {
		r := chi.NewRouter()
		for rule, need := range shop {
			method, pattern, _ := strings.Cut(rule, " ")
			if isWrong(rule) {
				r.Method(method, pattern, wrong(g, need, http.HandlerFunc(bought)))
			} else {
				chiauth.NewRouter(g, r).MethodFunc(method, pattern, need, bought)
			}
		}
		return r, shop
	},
	"echo": func(g *auth.Guard, isWrong func(string) bool, wrong func(*auth.Guard, auth.Requirement, http.Handler) http.Handler) (http.Handler, auth.Rules) {
		e := echo.New()
		rules := auth.Rules{}
		for rule, need := range shop {
			method, pattern, _ := strings.Cut(strings.NewReplacer("{id}", ":id").Replace(rule), " ")
			rules[method+" "+pattern] = need
			h := func(c echo.Context) error { return c.JSONBlob(200, []byte("{}")) }
			if isWrong(rule) {
				e.Add(method, pattern, func(c echo.Context) error {
					wrong(g, need, http.HandlerFunc(bought)).ServeHTTP(c.Response(), c.Request())
					return nil
				})
			} else {
				e.Add(method, pattern, h, echoauth.Enforce(g, need))
			}
		}
		return e, rules
	},
}

// TestAssertGuarded finds nothing in an application that is whole, and each of the holes by its
// rule and row, over every adapter.
func TestAssertGuarded(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for name, build := range shops {
		t.Run(name, func(t *testing.T) {
			h, rules := build(issuer.Guard(nil), func(string) bool { return false }, nil)
			authtest.AssertGuarded(t, issuer, h, rules, nil)

			found, planted := 0, holes(t, issuer)
			for _, hole := range planted {
				t.Run(hole.name, func(t *testing.T) {
					isWrong := func(rule string) bool {
						return hole.rule == rule || hole.rule == "" && rule != "GET /healthz" && rule != "GET /catalogue"
					}
					h, rules := build(issuer.Guard(nil), isWrong, hole.wrong)
					r := &recorder{TB: t}
					authtest.AssertGuarded(r, issuer, h, rules, nil)
					rule := strings.ReplaceAll(hole.rule, "{id}", map[bool]string{true: ":id", false: "{id}"}[name == "echo"])
					named := func(said string) bool {
						return strings.Contains(said, " ("+hole.row+"): ") && (rule == "" || strings.HasPrefix(said, rule+": "))
					}
					if slices.ContainsFunc(r.errors, named) {
						found++
					} else {
						t.Errorf("no failure names %s and %s:\n%s", hole.rule, hole.row, strings.Join(r.errors, "\n"))
					}
					for _, said := range r.errors {
						if rule != "" && !strings.HasPrefix(said, rule+": ") && !(name == "nethttp" && strings.Contains(said, "HEAD")) {
							t.Errorf("a failure of a route that is whole: %s", said)
						}
					}
				})
			}
			t.Logf("%d of %d planted holes found, each by its rule and row", found, len(planted))
		})
	}
}

// A rule for every method is asked by each of them: the guard may be at one only.
func TestAssertGuardedAsksEveryMethodOfARule(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	g := issuer.Guard(nil)
	rules := auth.Rules{"/orders": auth.AnyToken(), "DELETE /orders": auth.Scopes("admin")}
	for open, want := range map[string]string{"": "", "POST": "/orders: Bearward (O-11): method POST", "HEAD": "/orders: RFC 6750 §3 (B-36): method HEAD", "DELETE": "DELETE /orders: RFC 6750 §3 (B-13): no token"} {
		r := chi.NewRouter()
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			_, need, _ := rules.Find(method, "/orders")
			if method == open {
				need = auth.Public()
			}
			chiauth.NewRouter(g, r).MethodFunc(method, "/orders", need, bought)
		}
		said := &recorder{TB: t}
		authtest.AssertGuarded(said, issuer, r, rules, nil)
		found := slices.ContainsFunc(said.errors, func(s string) bool { return strings.HasPrefix(s, want) })
		if want == "" && len(said.errors) > 0 || want != "" && !found {
			t.Errorf("open to %q: said\n%s\nwant %q", open, strings.Join(said.errors, "\n"), want)
		}
	}
}
