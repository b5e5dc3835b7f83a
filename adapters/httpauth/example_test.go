package httpauth_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignature}
}

func ExampleMux() {
	mux := httpauth.NewMux(auth.NewGuard(nobody{}, nil))
	mux.HandleFunc("GET /healthz", auth.Public(), func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	mux.Handle("GET /orders", auth.Scopes("read:orders"), http.NotFoundHandler())
	for _, target := range []string{"/healthz", "/orders", "/other"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, target, w.Header()["Www-Authenticate"])
	}
	// Output:
	// 200 /healthz []
	// 401 /orders [Bearer realm="api"]
	// 404 /other []
}

// Who may call what, as a table.
func ExampleMux_Rules() {
	mux := httpauth.NewMux(auth.NewGuard(nobody{}, nil))
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), http.NotFound)
	mux.HandleFunc("DELETE /orders/{id}", auth.AnyScope("write:orders", "admin:all"), http.NotFound)
	mux.HandleFunc("GET /healthz", auth.Public(), http.NotFound)
	rules := mux.Rules()
	for _, pattern := range slices.Sorted(maps.Keys(rules)) {
		fmt.Printf("%-20s %v\n", pattern, rules[pattern])
	}
	// Output:
	// DELETE /orders/{id}  write:orders or admin:all
	// GET /healthz         public
	// GET /orders          read:orders
}
