package provider_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

func listOrders(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.PrincipalFrom(r.Context())
	fmt.Fprintf(w, "orders of %s\n", caller.Subject())
}

// One route of an API whose users log in at Keycloak.
func ExampleKeycloak() {
	mux := http.NewServeMux()
	audience := "orders-api"
	// region: route
	guard, err := provider.Keycloak("https://sso.example/realms/shop", audience).Guard(nil)
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("GET /orders", guard.Require("read:orders")(http.HandlerFunc(listOrders)))
	// endregion
	defer guard.Close()

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer realm="api"
}
