package authtest_test

import (
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

var algorithms = []auth.Algorithm{
	auth.RS256, auth.RS384, auth.RS512, auth.PS256, auth.PS384, auth.PS512, auth.ES256, auth.ES384, auth.ES512, auth.EdDSA,
}

// Every defect of every algorithm's tokens is refused for its own Reason, and a good token is accepted by the same Guard: nothing else
// is wrong with it.
func TestDefectsHaveTheirReason(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(alg.String(), func(t *testing.T) {
			issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: alg})
			guard := issuer.Guard(nil)
			judge := func(token string) auth.Reason {
				c := auth.Credentials{Authorization: []string{"Bearer " + token}}
				if _, err := guard.Authorize(t.Context(), c, auth.Scopes("read:orders")); err != nil {
					return auth.AsError(err).Reason
				}
				return 0
			}
			if got := judge(issuer.Token("read:orders")); got != 0 {
				t.Fatalf("a good token: %v", got)
			}
			for _, d := range issuer.Defects() {
				if got := judge(issuer.Token("read:orders", d)); got != d.Reason() {
					t.Errorf("%s: %v, want %v", d, got, d.Reason())
				}
			}
		})
	}
}
