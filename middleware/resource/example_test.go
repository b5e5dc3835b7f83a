package resource_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/resource"
)

// An API whose challenges lead clients to what it needs.
func Example() {
	const api = "https://api.example.com/orders"
	metadata, err := resource.URL(api)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := auth.New("https://issuer.example", api, &auth.GuardOptions{ResourceMetadata: metadata})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders"), "POST /orders": auth.Scopes("write:orders")}
	document, err := resource.New(guard, resource.Metadata{Name: "Orders"}, rules)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(document.Pattern(), document)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-protected-resource/orders", nil))
	fmt.Println(document.URL())
	fmt.Print(w.Body)
	// Output:
	// https://api.example.com/.well-known/oauth-protected-resource/orders
	// {"authorization_servers":["https://issuer.example"],"bearer_methods_supported":["header"],"resource":"https://api.example.com/orders","resource_name":"Orders","scopes_supported":["read:orders","write:orders"]}
}

// Where every request is asked for a token, the document goes around the guard.
func ExampleDocument_Handler() {
	guard, err := auth.New("https://issuer.example", "https://api.example.com", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	document, err := resource.New(guard, resource.Metadata{}, auth.Rules{"/": auth.AnyToken()})
	if err != nil {
		log.Fatal(err)
	}
	h := document.Handler(guard.Enforce(auth.AnyToken())(http.NotFoundHandler()))
	for _, path := range []string{document.Pattern(), "/orders"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code)
	}
	// Output:
	// /.well-known/oauth-protected-resource 200
	// /orders 401
}

// Where clients find the document of a resource with a path.
func ExampleURL() {
	fmt.Println(resource.URL("https://api.example.com/orders"))
	fmt.Println(resource.URL("https://api.example.com/#orders"))
	// Output:
	// https://api.example.com/.well-known/oauth-protected-resource/orders <nil>
	//  resource: "https://api.example.com/#orders" has a fragment (RFC 8707 §2)
}
