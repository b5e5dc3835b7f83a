package authtest_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A token that meets a rule with more than scopes.
func ExampleIssuer_ClaimsFor() {
	t := new(exampleT)
	defer t.end()
	issuer := authtest.NewIssuer(t, nil)
	need := auth.AllOf(auth.Scopes("read:orders"), auth.Role("admin"), auth.ACR("urn:example:mfa"))
	h := issuer.Guard(nil).Enforce(need)(http.NotFoundHandler())
	fmt.Println(call(h, issuer.Token("read:orders")), call(h, issuer.Token("read:orders", issuer.ClaimsFor(need))))
	// Output: 401 404
}

// What a rule is to refuse.
func ExampleClaims_Short() {
	claims := authtest.Claims{"roles": []string{"admin"}, "acr": "urn:example:mfa", "sub": "alice"}
	for _, what := range slices.Sorted(maps.Keys(claims.Short())) {
		fmt.Println(what)
	}
	// Output:
	// of another subject
	// with another acr
	// without the claim acr
	// without the claim roles
}
