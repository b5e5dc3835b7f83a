package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"reflect"
	"testing"
	"time"
	"unsafe"

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

// TestW12_AForgedTokenIsHashedOnce counts the hashes of one forged token that any cache makes.
func TestW12_AForgedTokenIsHashedOnce(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var vs []*Verifier
	for n := range 300 {
		v, err := NewVerifier(jwks.Static{{ID: "k", Algorithm: "EdDSA", Public: public}}, Config{Issuer: fmt.Sprintf("https://issuer.example/%d", n), Audiences: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, v)
	}
	is, err := NewIssuers(vs...)
	if err != nil {
		t.Fatal(err)
	}
	hashes := 0
	for _, c := range append([]*tokenCache{is.tokens}, cachesOf(vs)...) {
		if c != nil {
			countHashes(c, &hashes)
		}
	}
	part := base64.RawURLEncoding.EncodeToString
	header := part([]byte(`{"alg":"EdDSA","typ":"at+jwt","kid":"k"}`))
	claims := func(n int) string {
		return part(fmt.Appendf(nil, `{"iss":"https://issuer.example/%d","sub":"alice","aud":"a","exp":%d,"iat":1,"jti":"1","client_id":"app"}`, n, time.Now().Unix()+60))
	}
	for name, raw := range map[string]string{
		"of the first tenant": header + "." + claims(0) + "." + part(make([]byte, 64)),
		"of the last tenant":  header + "." + claims(299) + "." + part(make([]byte, 64)),
		"of nobody's tenant":  header + "." + claims(300) + "." + part(make([]byte, 64)),
		"random text":         "x.y.z",
	} {
		hashes = 0
		if _, err := is.VerifyToken(t.Context(), raw); err == nil || hashes != 1 {
			t.Errorf("%s: %v after %d hashes, want a refusal after one", name, err, hashes)
		}
	}
}

func cachesOf(vs []*Verifier) []*tokenCache {
	var all []*tokenCache
	for _, v := range vs {
		all = append(all, v.tokens)
	}
	return all
}

// countHashes adds to n each hash that c makes.
func countHashes(c *tokenCache, n *int) {
	hash := (*func(dst, token []byte) []byte)(unsafe.Pointer(reflect.ValueOf(c).Elem().FieldByName("hash").UnsafeAddr()))
	of := *hash
	*hash = func(dst, token []byte) []byte { *n++; return of(dst, token) }
}
