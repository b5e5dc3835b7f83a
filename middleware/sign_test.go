package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// signingKey signs tokens with nothing but the standard library, so that these tests share no code
// with what they test.
type signingKey struct {
	alg     string
	kid     string
	private crypto.Signer
}

func newSigningKey(t testing.TB, alg, kid string) *signingKey {
	t.Helper()
	k := &signingKey{alg: alg, kid: kid}
	var err error
	switch alg {
	case "RS256", "PS256":
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil || k.private == nil {
		t.Fatalf("no key for %s: %v", alg, err)
	}
	return k
}

func (k *signingKey) public() *jwks.Key {
	return &jwks.Key{ID: k.kid, Algorithm: k.alg, Public: k.private.Public()}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// sign returns the compact form of any header and payload.
func (k *signingKey) sign(t testing.TB, header, payload string) string {
	t.Helper()
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	digest := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch key := k.private.(type) {
	case *rsa.PrivateKey:
		if k.alg == "PS256" {
			sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		}
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, key, digest[:])
		sig, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), e
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, []byte(input))
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(sig)
}

func (k *signingKey) header() string {
	return fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, k.alg, k.kid)
}

const (
	testIssuer   = "https://issuer.example"
	testAudience = "https://api.example"
)

// claims returns a good RFC 9068 payload, each pair of edits a text to replace and its replacement.
func claims(edits ...string) string {
	now := time.Now().Unix()
	s := fmt.Sprintf(`{"iss":%q,"sub":"alice","aud":%q,"exp":%d,"iat":%d,"jti":"id-1","client_id":"app","scope":"read:orders"}`,
		testIssuer, testAudience, now+300, now)
	return strings.NewReplacer(edits...).Replace(s)
}

// largeClaims returns a payload of 22 claims, as a real issuer would send.
func largeClaims() string {
	return strings.TrimSuffix(claims(), "}") + `,"auth_time":1700000000,"acr":"urn:example:loa:2","amr":["pwd","otp"],` +
		`"roles":["reader","writer","auditor"],"groups":["a8f1","b7e2","c6d3"],"tenant":"tenant-0001","sid":"f3a1c2d4e5",` +
		`"email":"alice@example.com","email_verified":true,"name":"Alice Example","preferred_username":"alice","locale":"en-GB",` +
		`"org":{"id":"org-77","name":"Example Org"},"plan":"enterprise","ver":"2.0","azp":"app","entitlements":["orders","reports"]}`
}
