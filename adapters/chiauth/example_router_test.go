package chiauth_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
)

// A file server, or another handler with routes of its own, is guarded as a whole.
func ExampleRouter_Mount() {
	r := chi.NewRouter()
	files := chiauth.NewRouter(must(auth.NewGuard(nobody{}, nil)), r)
	files.Mount("/reports", auth.Scopes("read:reports"), http.StripPrefix("/reports", http.FileServer(http.Dir("."))))
	files.Mount("/public", auth.Public(), http.NotFoundHandler())
	for _, target := range []string{"/reports/2026.pdf", "/public/logo.svg"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, target)
	}
	// Output:
	// 401 /reports/2026.pdf
	// 404 /public/logo.svg
}

// Middlewares stand in front of the guard: whatever they make of the path, the rule is that of the
// handler which is reached.
func ExampleRouter_Use() {
	r := chi.NewRouter()
	api := chiauth.NewRouter(must(auth.NewGuard(nobody{}, nil)), r)
	api.Use(chimiddleware.StripSlashes)
	api.Group(func(api *chiauth.Router) {
		api.Use(chimiddleware.NoCache)
		api.Get("/orders", auth.Scopes("read:orders"), http.NotFound)
	})
	api.With(chimiddleware.SetHeader("Deprecation", "@1767225600")).Get("/v0/orders", auth.Scopes("read:orders"), http.NotFound)
	for _, target := range []string{"/orders/", "/v0/orders"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, w.Header()["Deprecation"], target)
	}
	// Output:
	// 401 [] /orders/
	// 401 [@1767225600] /v0/orders
}

// Each way to add a route takes its rule.
func ExampleRouter_Handle() {
	ok := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }
	chi.RegisterMethod("QUERY")
	r := chi.NewRouter()
	api := chiauth.NewRouter(must(auth.NewGuard(nobody{}, nil)), r)
	api.Handle("GET /orders", auth.Scopes("read:orders"), http.HandlerFunc(ok))
	api.HandleFunc("/anything", auth.AnyToken(), ok) // every method
	api.Method("POST", "/orders", auth.Scopes("write:orders"), http.HandlerFunc(ok))
	api.MethodFunc("QUERY", "/orders", auth.Scopes("read:orders"), ok)
	api.Head("/orders", auth.Scopes("read:orders"), ok)
	api.Options("/orders", auth.Public(), ok)
	api.Put("/orders/{id}", auth.Scopes("write:orders"), ok)
	api.Patch("/orders/{id}", auth.Scopes("write:orders"), ok)
	api.Delete("/orders/{id}", auth.Scopes("write:orders", "admin:all"), ok)
	fmt.Println(chiauth.Check(r))
	for _, method := range []string{"GET", "HEAD", "QUERY", "DELETE"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, "/orders", nil))
		fmt.Println(method, w.Code)
	}
	// Output:
	// <nil>
	// GET 401
	// HEAD 401
	// QUERY 401
	// DELETE 405
}
