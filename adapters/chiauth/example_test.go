package chiauth_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
)

func ExampleRouter() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
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
	return nil, &auth.Error{Reason: auth.ReasonSignatureInvalid}
}

func ExampleCheck() {
	r := chi.NewRouter()
	chiauth.NewRouter(must(auth.NewGuard(nobody{}, nil)), r).Get("/orders", auth.Scopes("read:orders"), http.NotFound)
	r.Get("/debug", http.NotFound)
	fmt.Println(chiauth.Check(r))
	// Output:
	// chiauth: no guard covers GET /debug
}

func ExampleEnforce() {
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders")}
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(must(auth.NewGuard(nobody{}, nil)), rules, r))
	r.Get("/orders", http.NotFound)
	r.Get("/debug", http.NotFound)
	fmt.Println(chiauth.CheckRules(r, rules))
	// Output:
	// chiauth: no rule for GET /debug: every request is denied
}

// The rules say who may call what; CheckRules finds what they forgot.
func ExampleCheckRules() {
	rules := auth.Rules{"GET /v1": auth.Scopes("read:orders"), "/files/*": auth.Public()}
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(must(auth.NewGuard(nobody{}, nil)), rules, r))
	r.Route("/v1", func(r chi.Router) { r.Get("/", http.NotFound) })
	r.Mount("/files", http.FileServer(http.Dir(".")))
	fmt.Println(chiauth.CheckRules(r, rules))
	// Output:
	// chiauth: no rule for GET /v1/: every request is denied
	// chiauth: no route uses rule "GET /v1"
}
