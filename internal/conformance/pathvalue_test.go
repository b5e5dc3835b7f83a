package main_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A pathRouter makes a server with the routes "/u/{id}", "/t/{tenant}/u/{id}" and "/n/{id}/d/{id}",
// the last two below a router of their own where there are such. Its handlers write the id that
// their router gives them.
type pathRouter func(guard *auth.Guard, req auth.Requirement) http.Handler

var pathRouters = map[string]pathRouter{
	"nethttp": func(guard *auth.Guard, req auth.Requirement) http.Handler {
		mux := httpauth.NewMux(guard)
		mux.HandleFunc("GET /u/{id}", req, writeID(requestID))
		mux.HandleFunc("GET /t/{tenant}/u/{id}", req, writeID(requestID))
		mux.HandleFunc("GET /n/{outer}/d/{id}", req, writeID(requestID))
		return mux
	},
	"nethttp-plain": func(guard *auth.Guard, req auth.Requirement) http.Handler {
		below, mux := http.NewServeMux(), http.NewServeMux()
		below.Handle("GET /n/{outer}/d/{id}", guard.Enforce(req)(writeID(requestID)))
		below.Handle("GET /t/{tenant}/u/{id}", guard.Enforce(req)(writeID(requestID)))
		mux.Handle("GET /u/{id}", guard.Enforce(req)(writeID(requestID)))
		mux.Handle("GET /n/{id}/d/", below)
		mux.Handle("GET /t/", below)
		return mux
	},
	"chi": func(guard *auth.Guard, req auth.Requirement) http.Handler {
		r := chi.NewRouter()
		api := chiauth.NewRouter(guard, r)
		api.Get("/u/{id}", req, writeID(chiID))
		api.Route("/t/{tenant}", func(r *chiauth.Router) { r.Get("/u/{id}", req, writeID(chiID)) })
		below := chi.NewRouter()
		chiauth.NewRouter(guard, below).Get("/d/{id}", req, writeID(chiID))
		r.Mount("/n/{id}", below)
		return r
	},
	"chi-decoded": func(guard *auth.Guard, req auth.Requirement) http.Handler { // as some programs have it
		r := chi.NewRouter()
		api := chiauth.NewRouter(guard, r).With(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for i := range chi.RouteContext(r.Context()).URLParams.Values {
					chi.RouteContext(r.Context()).URLParams.Values[i] += "-decoded"
				}
				next.ServeHTTP(w, r)
			})
		})
		api.Get("/u/{id}", req, writeID(chiID))
		api.Get("/t/{tenant}/u/{id}", req, writeID(chiID))
		api.Get("/n/{outer}/d/{id}", req, writeID(chiID))
		return r
	},
	"chi-table": chiPathTable,
	"chi-table-mounted": func(guard *auth.Guard, req auth.Requirement) http.Handler {
		r := chi.NewRouter()
		r.Route("/t/{tenant}", func(r chi.Router) {
			r.Use(chiauth.Enforce(guard, auth.Rules{"/u/{id}": req}, r))
			r.Get("/u/{id}", writeID(chiID))
		})
		r.Mount("/", chiPathTable(guard, req))
		return r
	},
	"echo": func(guard *auth.Guard, req auth.Requirement) http.Handler {
		e := echo.New()
		api := echoauth.NewRouter(guard, e)
		api.GET("/u/:id", req, echoID)
		api.Group("/t/:tenant").GET("/u/:id", req, echoID)
		api.Group("/n/:outer").GET("/d/:id", req, echoID)
		return e
	},
	"echo-group": func(guard *auth.Guard, req auth.Requirement) http.Handler {
		e := echo.New()
		g := e.Group("", echoauth.Enforce(guard, req))
		for _, path := range []string{"/u/:id", "/t/:tenant/u/:id", "/n/:outer/d/:id"} {
			g.GET(path, echoID)
		}
		return e
	},
	"echo-table": func(guard *auth.Guard, req auth.Requirement) http.Handler {
		e := echo.New()
		e.Use(echoauth.EnforceRules(guard, auth.Rules{"/u/:id": req, "/t/:tenant/u/:id": req, "/n/:outer/d/:id": req}))
		for _, path := range []string{"/u/:id", "/t/:tenant/u/:id", "/n/:outer/d/:id"} {
			e.GET(path, echoID)
		}
		return e
	},
}

func chiPathTable(guard *auth.Guard, req auth.Requirement) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.GetHead, chiauth.Enforce(guard, auth.Rules{"/u/{id}": req, "/t/{tenant}/u/{id}": req, "/n/{id}/d/{id}": req}, r))
	r.Get("/u/{id}", writeID(chiID))
	r.Route("/t/{tenant}", func(r chi.Router) { r.Get("/u/{id}", writeID(chiID)) })
	r.Route("/n/{id}", func(r chi.Router) { r.Get("/d/{id}", writeID(chiID)) })
	return r
}

func requestID(r *http.Request) string { return r.PathValue("id") }

func chiID(r *http.Request) string { return chi.URLParam(r, "id") }

func writeID(id func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v := auth.PathValue(r.Context(), "id"); v != "" {
			w.WriteHeader(http.StatusTeapot) // it is for checks
		}
		io.WriteString(w, id(r))
	}
}

func echoID(c echo.Context) error {
	if v := auth.PathValue(c.Request().Context(), "id"); v != "" {
		return c.NoContent(http.StatusTeapot)
	}
	return c.String(200, c.Param("id"))
}

// TestPathValue compares what a check finds in the path with what the handler gets from its router,
// byte by byte.
func TestPathValue(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	token := bearer(issuer.Token("read:orders"))
	paths := []string{
		"u/alice", "u/auth0%7C1", "u/a%2Fb", "u/a%20b", "u/a+b", "u/%252F", "u/%E2%82%AC", "u/%e2%82%ac", "u/..%2F..", "u/a;b", "u/a%3Fb", "u/%2B", "u/a:b",
		"t/acme/u/alice", "t/ac%2Fme/u/a%2Fb", "t/u/u/u", "n/bob/d/alice", "n/b%2Fob/d/a%7Cb",
	}
	for name, router := range pathRouters {
		t.Run("W-09/"+name, func(t *testing.T) {
			var found, tenant, none string
			req := auth.Scopes("read:orders").With(func(ctx context.Context, _ *auth.Principal) error {
				found, tenant, none = auth.PathValue(ctx, "id"), auth.PathValue(ctx, "tenant"), auth.PathValue(ctx, "nothing")
				return nil
			})
			for _, need := range []auth.Requirement{req, auth.AnyOf(auth.Scopes("admin:all"), auth.AllOf(auth.AnyToken(), req)), live(t, req)} {
				ask := overHTTP(t, router(guard, need))
				for _, path := range paths {
					found, tenant, none = "unasked", "", ""
					a := ask(t, request{need: path, authorization: token})
					if a.status != 200 || a.body == "" || found != a.body || none != "" {
						t.Errorf("%s: %d, the check found %q and the handler %q; of no parameter %q", path, a.status, found, a.body, none)
					}
					if path == "t/acme/u/alice" && tenant != "acme" && name != "chi-decoded" {
						t.Errorf("%s: the tenant is %q", path, tenant)
					}
				}
			}
		})
	}
	for _, method := range rpctest.Methods {
		found := "unasked"
		ask := setup{guard: guard, needs: map[string]auth.Requirement{"orders": auth.AnyToken().With(func(ctx context.Context, _ *auth.Principal) error {
			found = auth.PathValue(ctx, "id")
			return nil
		})}}.overRPC(t, grpcServer, method)
		if a := ask(t, request{need: "orders", authorization: token}); a.status != 200 || found != "" {
			t.Errorf("%s: %d, the check found %q, want nothing", method, a.status, found)
		}
	}
}

// What a check leaves behind finds nothing any more: its request's place is another's by then.
func TestPathValueEndsWithTheCheck(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard, token := issuer.Guard(nil), bearer(issuer.Token("read:orders"))
	for name, router := range pathRouters {
		t.Run("W-09/"+name, func(t *testing.T) {
			var kept []context.Context
			for _, outcome := range []error{nil, errors.New("no")} {
				ask := overHTTP(t, router(guard, auth.AnyToken().With(func(ctx context.Context, _ *auth.Principal) error {
					if auth.PathValue(ctx, "id") == "" {
						t.Error("no value in a check")
					}
					kept = append(kept, ctx)
					return outcome
				})))
				for _, path := range []string{"u/alice", "u/bob", "t/acme/u/eve", "n/bob/d/alice"} {
					ask(t, request{need: path, authorization: token})
					for _, ctx := range kept {
						if got := auth.PathValue(ctx, "id"); got != "" {
							t.Errorf("after %s, a check that has returned finds %q", path, got)
						}
					}
				}
			}
		})
	}
}

// TestPathValuePrintsNothing prints the context of a check, by every verb and marshaller.
func TestPathValuePrintsNothing(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard, token := issuer.Guard(nil), issuer.Token("read:orders")
	for name, router := range pathRouters {
		t.Run("W-16/"+name, func(t *testing.T) {
			asked := false
			ask := overHTTP(t, router(guard, auth.AnyToken().With(func(ctx context.Context, _ *auth.Principal) error {
				asked = true
				for what, v := range contextsOf(ctx) {
					checkPrinted(t, what, v, allVerbs, strings.Split(token, ".")...)
				}
				return nil
			})))
			if a := ask(t, request{need: "u/alice", authorization: bearer(token)}); a.status != 200 || !asked {
				t.Errorf("%d, the check was asked: %v", a.status, asked)
			}
		})
	}
}

// live returns req as a rule that may be swapped.
func live(t *testing.T, req auth.Requirement) auth.Requirement {
	t.Helper()
	rules, err := auth.NewLiveRules(auth.Rules{"GET /": auth.Scopes("other")})
	if err != nil {
		t.Fatal(err)
	}
	rule := rules.Rules()["GET /"]
	if err := rules.Swap(auth.Rules{"GET /": req}); err != nil {
		t.Fatal(err)
	}
	return rule
}

// TestPathValueDecides has a rule that opens to every caller a path of their own alone.
func TestPathValueDecides(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	own := auth.AnyToken().With(func(ctx context.Context, p *auth.Principal) error {
		if id := auth.PathValue(ctx, "id"); id == "" || id != p.Subject() {
			return errors.New("another user's")
		}
		return nil
	})
	for name, router := range pathRouters {
		if name == "chi-decoded" {
			continue
		}
		ask := overHTTP(t, router(guard, own))
		t.Run("W-09/"+name, func(t *testing.T) {
			for path, want := range map[string]int{
				"u/alice": 200, "u/bob": 403, "u/Alice": 403, "u/alice%00": 403, "u/alice%20": 403, "u/%E2%80%8Balice": 403, "u/bob%2Falice": 403,
				"t/alice/u/bob": 403, "t/bob/u/alice": 200, "n/alice/d/bob": 403, "n/bob/d/alice": 200, "u/bob?id=alice": 403,
			} {
				if a := ask(t, request{need: path, authorization: bearer(issuer.Token("read:orders"))}); a.status != want {
					t.Errorf("%s: %d, want %d", path, a.status, want)
				}
			}
		})
	}
}
