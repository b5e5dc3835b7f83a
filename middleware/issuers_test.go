package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// Tenants whose keys are the same have the same headers, too: a token is looked up once for all of
// them, and not in the cache of each.
func TestIssuersRememberTokensOnce(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	token := func(issuer string) string {
		input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"at+jwt","kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString(
			fmt.Appendf(nil, `{"iss":%q,"sub":"alice","aud":"a","exp":%d,"iat":1,"jti":"1","client_id":"app"}`, issuer, time.Now().Unix()+60))
		return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(input)))
	}
	var vs []*Verifier
	for tenant, size := range map[string]int{"https://1.example": 0, "https://2.example": 16, "https://uncached.example": -1} {
		v, err := NewVerifier(jwks.Static{{ID: "k", Algorithm: "EdDSA", Public: public}}, Config{Issuer: tenant, Audiences: []string{"a"}, CacheSize: size})
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, v)
	}
	is, err := NewIssuers(vs...)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		raw := token(v.Issuer())
		for range 2 {
			if p, err := is.VerifyToken(t.Context(), raw); err != nil || p.Issuer() != v.Issuer() {
				t.Fatalf("%s: %v", v.Issuer(), err)
			}
		}
		known := is.tokens.Find(is.tokens.Tag(raw))
		if cached := known != nil && known.Value.verifier == v; cached != (v.config.CacheSize > 0) {
			t.Errorf("%s: remembered by its Verifier: %v", v.Issuer(), cached)
		}
		if v.tokens != nil && v.tokens.Find(v.tokens.Tag(raw)) != nil {
			t.Errorf("%s: it is in the Verifier's own cache as well", v.Issuer())
		}
	}
}
