package dpop_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/mtls"
)

// An API that accepts tokens that are bound to a key or to a client certificate, beside plain ones.
func Example_readme() {
	issuer, audience := "https://issuer.example", "https://api.example.com"
	// region: bound
	keys, err := dpop.New([]string{"https://api.example.com"}, dpop.NewMemory(0), nil) // RFC 9449
	if err != nil {
		log.Fatal(err)
	}
	certificates, err := mtls.New(nil) // RFC 8705
	if err != nil {
		log.Fatal(err)
	}
	guard, err := auth.New(issuer, audience, &auth.GuardOptions{Bindings: []auth.Binding{keys, certificates}})
	if err != nil {
		log.Fatal(err)
	}
	// endregion
	defer guard.Close()

	w := httptest.NewRecorder()
	guard.Require("read:orders")(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
	for _, challenge := range w.Header()["Www-Authenticate"] {
		fmt.Println(challenge)
	}
	// Output:
	// DPoP realm="api", algs="ES256 EdDSA Ed25519 PS256 RS256"
	// Bearer realm="api"
}
