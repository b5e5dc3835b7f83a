package main_test

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestLiveRules swaps the rules of running servers of every adapter, and their checks at start know
// the rules as any others.
func TestLiveRules(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	reader := bearer(issuer.Token("read:orders"))
	before := auth.Rules{"GET /orders": auth.Scopes("admin:all")}
	after := auth.Rules{"GET /orders": auth.Scopes("read:orders")}
	public := auth.Rules{"GET /orders": auth.Public()}

	for name, build := range map[string]func(auth.Rules) http.Handler{
		"nethttp": func(rules auth.Rules) http.Handler {
			mux := httpauth.NewMux(guard)
			mux.HandleFunc("GET /orders", rules["GET /orders"], hello)
			return mux
		},
		"chi": func(rules auth.Rules) http.Handler {
			r := chi.NewRouter()
			chiauth.NewRouter(guard, r).Get("/orders", rules["GET /orders"], hello)
			return r
		},
		"chi-table": func(rules auth.Rules) http.Handler {
			r := chi.NewRouter()
			r.Use(chiauth.Enforce(guard, rules, r))
			r.Get("/orders", hello)
			if err := chiauth.CheckRules(r, rules); err != nil {
				t.Error(err)
			}
			return r
		},
		"echo": func(rules auth.Rules) http.Handler {
			e := echo.New()
			e.GET("/orders", echoHello, echoauth.Enforce(guard, rules["GET /orders"]))
			return e
		},
		"echo-table": func(rules auth.Rules) http.Handler {
			e := echo.New()
			e.Use(echoauth.EnforceRules(guard, rules))
			e.GET("/orders", echoHello)
			if err := echoauth.Check(e, rules); err != nil {
				t.Error(err)
			}
			return e
		},
	} {
		t.Run(name, func(t *testing.T) {
			live, err := auth.NewLiveRules(before)
			if err != nil {
				t.Fatal(err)
			}
			ask := overHTTP(t, build(live.Rules()))
			want := func(status int, authorization []string) {
				t.Helper()
				if a := ask(t, request{need: "orders", authorization: authorization}); a.status != status {
					t.Errorf("status %d, want %d", a.status, status)
				}
			}
			want(403, reader)
			for rules, status := range map[*auth.Rules]int{&after: 401, &public: 200} {
				if err := live.Swap(*rules); err != nil {
					t.Fatal(err)
				}
				want(200, reader)
				want(status, nil)
			}
			if err := live.Swap(before); err != nil {
				t.Fatal(err)
			}
			want(403, reader)
		})
	}
	t.Run("grpc", func(t *testing.T) {
		live, err := auth.NewLiveRules(auth.Rules{"/" + rpctest.Service + "/*": auth.Scopes("admin:all")})
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer(grpcauth.ServerOptions(guard, live.Rules())...)
		rpctest.Register(server, &rpctest.Talk{})
		if err := grpcauth.Check(server, live.Rules()); err != nil {
			t.Error(err)
		}
		conn := serve(t, server)
		ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": reader})
		for _, method := range rpctest.Methods {
			if _, _, err := rpctest.Call(ctx, conn, method, "x"); status.Code(err) != codes.PermissionDenied {
				t.Errorf("%s before: %v", method, err)
			}
		}
		if err := live.Swap(auth.Rules{"/" + rpctest.Service + "/*": auth.Scopes("read:orders")}); err != nil {
			t.Fatal(err)
		}
		for _, method := range rpctest.Methods {
			if _, _, err := rpctest.Call(ctx, conn, method, "x"); err != nil {
				t.Errorf("%s after: %v", method, err)
			}
		}
	})
}
