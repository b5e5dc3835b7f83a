package auth_test

import (
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// What is looked at before keys are fetched may stand anywhere in the claims, also across the place
// up to which they are decoded first.
func TestClaimsAreLookedAtWhereverTheyStand(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	for n := range 700 {
		pad := `{"pad":"` + strings.Repeat("x", n) + `",`
		payload := func(edits ...string) string { // iss and aud come last
			return strings.NewReplacer(edits...).Replace(strings.Replace(claims("{", pad, `"iss":`, `"x":`, `"aud":`, `"y":`), "}",
				`,"iss":"https://issuer.example","aud":"https://api.example"}`, 1))
		}
		s := &source{Static: jwks.Static{k.public()}}
		v := must(auth.NewVerifier(s, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}}))
		if err := verify(t, v, k.sign(t, k.header(), payload())); err != nil {
			t.Fatalf("%d bytes before the claims: %v", n, err)
		}
		asked := s.asked
		for text, reason := range map[string]auth.Reason{
			`"aud":"https://api.example"`:    auth.ReasonAudienceMismatch,
			`"iss":"https://issuer.example"`: auth.ReasonIssuerNotTrusted,
		} {
			other := strings.Replace(text, ".example", ".example/x", 1)
			if got := reasonOf(verify(t, v, k.sign(t, k.header(), payload(text, other)))); got != reason {
				t.Fatalf("%d bytes before %s: %v", n, other, got)
			}
		}
		if s.asked != asked {
			t.Fatalf("%d bytes before the claims: keys were asked for", n)
		}
	}
}
