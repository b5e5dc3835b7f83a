package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// raw checks nothing but the signature: the floor under every verification.
func raw(b testing.TB, k *signingKey, token string) func() {
	dot := strings.LastIndexByte(token, '.')
	input := []byte(token[:dot])
	sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		b.Fatal(err)
	}
	good := func(ok bool) {
		if !ok {
			b.Fatal("the signature is not good")
		}
	}
	switch pub := k.private.Public().(type) {
	case *rsa.PublicKey:
		if k.alg == "PS256" {
			return func() {
				digest := sha256.Sum256(input)
				good(rsa.VerifyPSS(pub, crypto.SHA256, digest[:], sig, nil) == nil)
			}
		}
		return func() {
			digest := sha256.Sum256(input)
			good(rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig) == nil)
		}
	case *ecdsa.PublicKey:
		return func() {
			digest := sha256.Sum256(input)
			good(ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])))
		}
	case ed25519.PublicKey:
		return func() { good(ed25519.Verify(pub, input, sig)) }
	}
	b.Fatalf("no raw check of %s", k.alg)
	return nil
}

func newVerifier(t testing.TB, k *signingKey, more func(*auth.Config)) *auth.Verifier {
	t.Helper()
	config := auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}}
	if more != nil {
		more(&config)
	}
	v, err := auth.NewVerifier(jwks.Static{k.public()}, config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		k := newSigningKey(b, alg, "key-2026-11")
		token := k.sign(b, k.header(), largeClaims())
		check := raw(b, k, token)
		cold := newVerifier(b, k, func(c *auth.Config) { c.CacheSize = -1 })
		warm := newVerifier(b, k, nil)
		b.Run(fmt.Sprintf("%s/raw", alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check()
			}
		})
		for name, v := range map[string]*auth.Verifier{"cold": cold, "warm": warm} {
			b.Run(fmt.Sprintf("%s/%s", alg, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.VerifyToken(b.Context(), token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	k := newSigningKey(b, "RS256", "key-2026-11")
	token := k.sign(b, k.header(), largeClaims())
	g := must(auth.NewGuard(newVerifier(b, k, nil), nil))
	h := g.Require("read:orders")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkGarbage(b *testing.B) {
	k := newSigningKey(b, "RS256", "key-2026-11")
	v := newVerifier(b, k, nil)
	other := newSigningKey(b, "RS256", "key-2026-11")
	for name, token := range map[string]string{
		"random text":     strings.Repeat("x", 1600),
		"unknown kid":     k.sign(b, strings.Replace(k.header(), "key-2026-11", "other", 1), largeClaims()),
		"wrong signature": other.sign(b, k.header(), largeClaims()),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.VerifyToken(b.Context(), token); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
