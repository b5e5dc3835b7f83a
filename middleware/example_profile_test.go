package auth_test

import (
	"fmt"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// A Guard that is not what FAPI 2.0 asks for is not made, and its error names all that is missing.
func ExampleProfile() {
	_, err := auth.New("https://issuer.example", "https://api.example", &auth.GuardOptions{Profile: auth.FAPI2})
	fmt.Println(strings.ReplaceAll(err.Error(), ": ", ":\n"))
	// Output:
	// auth:
	// GuardOptions.Profile is FAPI2, which does not allow this (FAPI 2.0 Security Profile §5.3.4, §5.4.1):
	// Bindings is empty; RequireBound is false; Revoked is nil, and the verifier does not say that it checks revocation
}
