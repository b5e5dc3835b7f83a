package provider_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
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

// One API for the users of two issuers.
func ExampleGuard() {
	// region: issuers
	guard, err := provider.Guard(nil,
		provider.Keycloak("https://sso.example/realms/shop", "orders-api"),
		provider.Auth0("tenant.eu.auth0.com", "https://api.example"))
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	// endregion
	for _, s := range guard.Status() {
		fmt.Println(s.Issuer, s.Keys.State)
	}
	// Output:
	// https://sso.example/realms/shop empty
	// https://tenant.eu.auth0.com/ empty
}

// An API whose issuer gives out opaque tokens.
func ExamplePreset_Introspector_opaque() {
	projectID := "163840776835432705"
	// region: opaque
	client := introspect.Basic("orders-api", introspect.SecretFile("/run/secrets/orders-api"))
	tokens, err := provider.ZITADEL("https://tenant.zitadel.cloud", projectID).Introspector(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := auth.NewGuard(tokens, nil)
	// endregion
	defer tokens.Close()
	fmt.Println(guard.Ready(), err)
	// Output: <nil> <nil>
}
