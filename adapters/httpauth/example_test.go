package httpauth_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignatureInvalid}
}

func ExampleMux() {
	mux := httpauth.NewMux(must(auth.NewGuard(nobody{}, nil)))
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
	mux := httpauth.NewMux(must(auth.NewGuard(nobody{}, nil)))
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

// What stands behind a proxy gets neither the caller's token nor an identity that the caller made
// up.
func ExampleMux_proxy() {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q, authorization %q", r.Header["X-User"], r.Header["Authorization"])
	}))
	defer upstream.Close()
	target, err := url.Parse(upstream.URL)
	if err != nil {
		panic(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Del("Authorization")
		r.Out.Header.Del("X-User") // also without a Principal
		if p, ok := auth.PrincipalFrom(r.In.Context()); ok {
			r.Out.Header.Set("X-User", p.Subject())
		}
	}}
	mux := httpauth.NewMux(must(auth.NewGuard(everybody{}, nil)))
	mux.Handle("GET /orders", auth.Scopes("read:orders"), proxy)

	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer xyz")
	r.Header.Set("X-User", "admin")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 200 user ["alice"], authorization []
}

// everybody takes every token for one of alice's.
type everybody struct{}

func (everybody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return auth.NewPrincipal([]byte(`{"sub":"alice","scope":"read:orders"}`))
}
