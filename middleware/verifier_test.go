package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// source counts how often it is asked, and answers with what it is given.
type source struct {
	jwks.Static
	err   error
	asked int
}

func (s *source) Keys(ctx context.Context, kid string) ([]*jwks.Key, error) {
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	return s.Static.Keys(ctx, kid)
}

func verify(t *testing.T, v auth.TokenVerifier, token string) error {
	t.Helper()
	defer noPanic(t)
	_, err := v.VerifyToken(t.Context(), token)
	return err
}

func TestClaims(t *testing.T) {
	synctest.Test(t, testClaims) // so that no second passes between a token and its edits
}

func testClaims(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	now := time.Now().Unix()
	exp := fmt.Sprintf(`"exp":%d`, now+300)
	iat := fmt.Sprintf(`"iat":%d`, now)
	tests := []struct {
		name  string
		edits []string
		want  auth.Reason
	}{
		{"a good token", nil, ""},
		{"an audience among others", []string{`"aud":"https://api.example"`, `"aud":["x","https://api.example"]`}, ""},
		{"an unknown claim", []string{`"jti"`, `"x":{"y":[1]},"jti"`}, ""},
		{"a fractional exp", []string{exp, fmt.Sprintf(`"exp":%d.5`, now+300)}, ""},
		{"no scope", []string{`,"scope":"read:orders"`, ``}, ""},
		{"an empty scope", []string{`"read:orders"`, `""`}, ""},
		{"an issuer with a trailing slash", []string{testIssuer, testIssuer + "/"}, auth.ReasonIssuerNotTrusted},
		{"an issuer in upper case", []string{testIssuer, "HTTPS://issuer.example"}, auth.ReasonIssuerNotTrusted},
		{"an issuer with the default port", []string{testIssuer, testIssuer + ":443"}, auth.ReasonIssuerNotTrusted},
		{"no issuer", []string{`"iss":"https://issuer.example",`, ``}, auth.ReasonIssuerNotTrusted},
		{"an issuer that is a number", []string{`"https://issuer.example"`, `1`}, auth.ReasonIssuerNotTrusted},
		{"another audience", []string{`"https://api.example"`, `"https://other.example"`}, auth.ReasonAudienceMismatch},
		{"an audience that begins like ours", []string{`"https://api.example"`, `"https://api.example/v1"`}, auth.ReasonAudienceMismatch},
		{"an audience in another case", []string{`"https://api.example"`, `"https://API.example"`}, auth.ReasonAudienceMismatch},
		{"a wildcard audience", []string{`"https://api.example"`, `"*"`}, auth.ReasonAudienceMismatch},
		{"no audience", []string{`"aud":"https://api.example",`, ``}, auth.ReasonAudienceMismatch},
		{"an empty audience", []string{`"https://api.example"`, `""`}, auth.ReasonAudienceMismatch},
		{"an empty audience array", []string{`"https://api.example"`, `[]`}, auth.ReasonAudienceMismatch},
		{"an audience array with a number", []string{`"https://api.example"`, `["https://api.example",1]`}, auth.ReasonAudienceMismatch},
		{"no exp", []string{exp + ",", ``}, auth.ReasonClaimInvalid},
		{"exp zero", []string{exp, `"exp":0`}, auth.ReasonClaimInvalid},
		{"exp negative", []string{exp, `"exp":-1`}, auth.ReasonClaimInvalid},
		{"exp a string", []string{exp, fmt.Sprintf(`"exp":"%d"`, now+300)}, auth.ReasonClaimInvalid},
		{"exp null", []string{exp, `"exp":null`}, auth.ReasonClaimInvalid},
		{"exp true", []string{exp, `"exp":true`}, auth.ReasonClaimInvalid},
		{"exp an object", []string{exp, `"exp":{}`}, auth.ReasonClaimInvalid},
		{"exp beyond int64", []string{exp, `"exp":9223372036854775808`}, auth.ReasonClaimInvalid},
		{"exp beyond float64", []string{exp, `"exp":1e400`}, auth.ReasonClaimInvalid},
		{"exp passed", []string{exp, fmt.Sprintf(`"exp":%d`, now-31)}, auth.ReasonTokenExpired},
		{"exp passed within the leeway", []string{exp, fmt.Sprintf(`"exp":%d`, now-20)}, ""},
		{"EXP beside an exp that passed", []string{exp, fmt.Sprintf(`"EXP":%d,"exp":%d`, now+300, now-100)}, auth.ReasonTokenExpired},
		{"EXP alone", []string{exp, fmt.Sprintf(`"EXP":%d`, now+300)}, auth.ReasonClaimInvalid},
		{"two exp", []string{exp, exp + "," + exp}, auth.ReasonTokenMalformed},
		{"nbf to come", []string{`"jti"`, fmt.Sprintf(`"nbf":%d,"jti"`, now+60)}, auth.ReasonTokenNotYetValid},
		{"nbf to come within the leeway", []string{`"jti"`, fmt.Sprintf(`"nbf":%d,"jti"`, now+20)}, ""},
		{"nbf a string", []string{`"jti"`, `"nbf":"0","jti"`}, auth.ReasonClaimInvalid},
		{"iat to come", []string{iat, fmt.Sprintf(`"iat":%d`, now+60)}, auth.ReasonTokenIssuedInFuture},
		{"no iat", []string{iat + ",", ``}, auth.ReasonClaimInvalid},
		{"iat a string", []string{iat, `"iat":"now"`}, auth.ReasonClaimInvalid},
		{"no sub", []string{`"sub":"alice",`, ``}, auth.ReasonClaimInvalid},
		{"an empty sub", []string{`"alice"`, `""`}, auth.ReasonClaimInvalid},
		{"sub a number", []string{`"alice"`, `1`}, auth.ReasonClaimInvalid},
		{"no client_id", []string{`"client_id":"app",`, ``}, auth.ReasonClaimInvalid},
		{"an empty client_id", []string{`"app"`, `""`}, auth.ReasonClaimInvalid},
		{"an empty jti", []string{`"id-1"`, `""`}, auth.ReasonClaimInvalid},
		{"no jti", []string{`"jti":"id-1",`, ``}, auth.ReasonClaimInvalid},
		{"scope an array", []string{`"read:orders"`, `["read:orders"]`}, auth.ReasonClaimInvalid},
		{"scope an object", []string{`"read:orders"`, `{}`}, auth.ReasonClaimInvalid},
		{"scope with a quote", []string{`"read:orders"`, `"read:\"orders"`}, auth.ReasonClaimInvalid},
		{"scope with a line break", []string{`"read:orders"`, `"read\norders"`}, auth.ReasonClaimInvalid},
		{"auth_time a string", []string{`"jti"`, `"auth_time":"0","jti"`}, auth.ReasonClaimInvalid},
		{"acr a number", []string{`"jti"`, `"acr":1,"jti"`}, auth.ReasonClaimInvalid},
		{"amr a string", []string{`"jti"`, `"amr":"pwd","jti"`}, auth.ReasonClaimInvalid},
		{"amr with a number", []string{`"jti"`, `"amr":["pwd",1],"jti"`}, auth.ReasonClaimInvalid},
		{"trailing data", []string{`"scope":"read:orders"}`, `"scope":"read:orders"}{}`}, auth.ReasonTokenMalformed},
	}
	v := newVerifier(t, k, nil)
	for _, tt := range tests {
		if got := reasonOf(verify(t, v, k.sign(t, k.header(), claims(tt.edits...)))); got != tt.want {
			t.Errorf("%s: reason %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestHeader(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	tests := []struct {
		name, header string
		want         auth.Reason
	}{
		{"the short type", `{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}`, ""},
		{"the long type", `{"alg":"EdDSA","typ":"application/at+jwt","kid":"k1"}`, ""},
		{"the type in upper case", `{"alg":"EdDSA","typ":"AT+JWT","kid":"k1"}`, ""},
		{"the algorithm by its newer name", `{"alg":"Ed25519","typ":"at+jwt","kid":"k1"}`, ""},
		{"no type", `{"alg":"EdDSA","kid":"k1"}`, auth.ReasonTokenTypeNotAccepted},
		{"an empty type", `{"alg":"EdDSA","typ":"","kid":"k1"}`, auth.ReasonTokenTypeNotAccepted},
		{"the type JWT", `{"alg":"EdDSA","typ":"JWT","kid":"k1"}`, auth.ReasonTokenTypeNotAccepted},
		{"the type of a DPoP proof", `{"alg":"EdDSA","typ":"dpop+jwt","kid":"k1"}`, auth.ReasonTokenTypeNotAccepted},
		{"another top-level type", `{"alg":"EdDSA","typ":"text/at+jwt","kid":"k1"}`, auth.ReasonTokenTypeNotAccepted},
		{"no signature algorithm", `{"alg":"none","typ":"at+jwt","kid":"k1"}`, auth.ReasonAlgorithmNotAllowed},
		{"none in another case", `{"alg":"nOnE","typ":"at+jwt","kid":"k1"}`, auth.ReasonAlgorithmNotAllowed},
		{"an HMAC", `{"alg":"HS256","typ":"at+jwt","kid":"k1"}`, auth.ReasonAlgorithmNotAllowed},
		{"the algorithm in another case", `{"alg":"eddsa","typ":"at+jwt","kid":"k1"}`, auth.ReasonAlgorithmNotAllowed},
		{"an algorithm of another key type", `{"alg":"RS256","typ":"at+jwt","kid":"k1"}`, auth.ReasonKeyUnknown},
		{"a critical extension", `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","crit":["x"],"x":1}`, auth.ReasonExtensionNotSupported},
		{"an empty crit", `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","crit":[]}`, auth.ReasonExtensionNotSupported},
		{"an unencoded payload", `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","b64":false,"crit":["b64"]}`, auth.ReasonExtensionNotSupported},
		{"a compressed payload", `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","zip":"DEF"}`, auth.ReasonExtensionNotSupported},
		{"keys in the header, which nobody uses", `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","jku":"https://evil.example","jwk":{}}`, ""},
		{"an unknown kid", `{"alg":"EdDSA","typ":"at+jwt","kid":"k2"}`, auth.ReasonKeyUnknown},
		{"an empty kid", `{"alg":"EdDSA","typ":"at+jwt","kid":""}`, auth.ReasonKeyUnknown},
		{"no kid, where one key fits", `{"alg":"EdDSA","typ":"at+jwt"}`, ""},
		{"a kid that is a number", `{"alg":"EdDSA","typ":"at+jwt","kid":1}`, auth.ReasonTokenMalformed},
		{"a header in two spellings", `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","KID":"k2"}`, auth.ReasonTokenMalformed},
		{"invalid UTF-8", "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"x\":\"\xff\"}", auth.ReasonTokenMalformed},
	}
	v := newVerifier(t, k, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := k.sign(t, tt.header, claims())
			for _, when := range []string{"at first", "again"} {
				if got := reasonOf(verify(t, v, token)); got != tt.want {
					t.Errorf("%s: reason %v, want %v", when, got, tt.want)
				}
			}
		})
	}
}

func TestSignature(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		k, unknown := newSigningKey(t, alg, "k1"), newSigningKey(t, alg, "k1")
		v := newVerifier(t, k, nil)
		good := k.sign(t, k.header(), claims())
		dot := strings.LastIndexByte(good, '.')
		sig, err := base64.RawURLEncoding.DecodeString(good[dot+1:])
		if err != nil {
			t.Fatal(err)
		}
		flipped := append([]byte(nil), sig...)
		flipped[len(flipped)/2] ^= 1
		tests := []struct {
			name, token string
			want        auth.Reason
		}{
			{"a good signature", good, ""},
			{"another key's signature", unknown.sign(t, k.header(), claims()), auth.ReasonSignatureInvalid},
			{"one bit changed", good[:dot+1] + encode(flipped), auth.ReasonSignatureInvalid},
			{"one byte short", good[:dot+1] + encode(sig[:len(sig)-1]), auth.ReasonSignatureInvalid},
			{"one byte long", good[:dot+1] + encode(append(sig, 0)), auth.ReasonSignatureInvalid},
			{"other claims under it", good[:strings.IndexByte(good, '.')+1] + encode([]byte(claims("alice", "mallory"))) + good[dot:], auth.ReasonSignatureInvalid},
			{"no signature", good[:dot+1], auth.ReasonTokenMalformed},
			{"padding", good + "=", auth.ReasonTokenMalformed},
		}
		for _, tt := range tests {
			if got := reasonOf(verify(t, v, tt.token)); got != tt.want {
				t.Errorf("%s: %s: reason %v, want %v", alg, tt.name, got, tt.want)
			}
		}
	}
}

func TestECDSASignatureForm(t *testing.T) {
	k := newSigningKey(t, "ES256", "k1")
	v := newVerifier(t, k, nil)
	good := k.sign(t, k.header(), claims())
	dot := strings.LastIndexByte(good, '.')
	sig, _ := base64.RawURLEncoding.DecodeString(good[dot+1:])
	n := elliptic.P256().Params().N
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	pair := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	zero := new(big.Int)
	for name, bent := range map[string][]byte{
		"DER":             der,
		"r zero":          pair(zero, s),
		"s zero":          pair(r, zero),
		"both zero":       pair(zero, zero),
		"r equals n":      pair(n, s),
		"s equals n":      pair(r, n),
		"a longer number": append(append(make([]byte, 16), pair(r, s)...), make([]byte, 16)...),
	} {
		if got := reasonOf(verify(t, v, good[:dot+1]+encode(bent))); got != auth.ReasonSignatureInvalid {
			t.Errorf("%s: reason %v, want %v", name, got, auth.ReasonSignatureInvalid)
		}
	}
}

// The salt of PSS is as long as the hash (RFC 7518 §3.5). Nothing else tells such a signature from
// a good one.
func TestPSSSalt(t *testing.T) {
	const alg, h = "PS256", crypto.SHA256 // bench/vectors asks the others
	k := newSigningKey(t, alg, "k1")
	v := newVerifier(t, k, nil)
	input := encode([]byte(k.header())) + "." + encode([]byte(claims()))
	d := h.New()
	d.Write([]byte(input))
	for _, salt := range []int{rsa.PSSSaltLengthEqualsHash, h.Size(), 1, 20, h.Size() - 1, h.Size() + 1} {
		sig, err := rsa.SignPSS(rand.Reader, k.private.(*rsa.PrivateKey), h, d.Sum(nil), &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		var want auth.Reason
		if salt != rsa.PSSSaltLengthEqualsHash && salt != h.Size() {
			want = auth.ReasonSignatureInvalid
		}
		if got := reasonOf(verify(t, v, input+"."+encode(sig))); got != want {
			t.Errorf("%s with a salt of %d: reason %v, want %v", alg, salt, got, want)
		}
	}
}

func TestKeysThatDoNotFit(t *testing.T) {
	rs := newSigningKey(t, "RS256", "k1")
	es := newSigningKey(t, "ES256", "k1")
	t.Setenv("GODEBUG", "rsa1024min=0") // the standard library would refuse such a key by itself
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	huge := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8192), E: 65537}
	tests := []struct {
		name    string
		private *signingKey
		key     *jwks.Key
		want    auth.Reason
	}{
		{"the signer's key", rs, rs.public(), ""},
		{"a key without alg", rs, &jwks.Key{ID: "k1", Public: rs.private.Public()}, ""},
		{"an EC key without alg", es, &jwks.Key{ID: "k1", Public: es.private.Public()}, ""},
		{"a key for another algorithm", rs, &jwks.Key{ID: "k1", Algorithm: "RS512", Public: rs.private.Public()}, auth.ReasonKeyUnknown},
		{"a key for an unknown algorithm", rs, &jwks.Key{ID: "k1", Algorithm: "HS256", Public: rs.private.Public()}, auth.ReasonKeyUnknown},
		{"a key of another type", rs, &jwks.Key{ID: "k1", Algorithm: "RS256", Public: es.private.Public()}, auth.ReasonKeyUnknown},
		{"an RSA key for ECDSA", es, &jwks.Key{ID: "k1", Algorithm: "ES256", Public: rs.private.Public()}, auth.ReasonKeyUnknown},
		{"a key of another curve", es, &jwks.Key{ID: "k1", Algorithm: "ES256", Public: p384.Public()}, auth.ReasonKeyUnknown},
		{"an EC key without point", es, &jwks.Key{ID: "k1", Algorithm: "ES256", Public: &ecdsa.PublicKey{Curve: elliptic.P256()}}, auth.ReasonKeyUnknown},
		{"a short RSA key", &signingKey{"RS256", "k1", small}, &jwks.Key{ID: "k1", Algorithm: "RS256", Public: small.Public()}, auth.ReasonKeyUnknown},
		{"a long RSA key", rs, &jwks.Key{ID: "k1", Algorithm: "RS256", Public: huge}, auth.ReasonKeyUnknown},
		{"a short Ed25519 key", newSigningKey(t, "EdDSA", "k1"), &jwks.Key{ID: "k1", Algorithm: "EdDSA", Public: shortEd25519}, auth.ReasonKeyUnknown},
		{"a byte slice", rs, &jwks.Key{ID: "k1", Algorithm: "RS256", Public: []byte("secret")}, auth.ReasonKeyUnknown},
		{"a nil key", rs, nil, auth.ReasonKeyUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := auth.NewVerifier(fixed{tt.key}, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
			if err != nil {
				t.Fatal(err)
			}
			if got := reasonOf(verify(t, v, tt.private.sign(t, tt.private.header(), claims()))); got != tt.want {
				t.Errorf("reason %v, want %v", got, tt.want)
			}
		})
	}
}

// shortEd25519 is one byte short of a key; it makes crypto/ed25519 panic.
var shortEd25519 = make(ed25519.PublicKey, ed25519.PublicKeySize-1)

// fixed answers every look-up with the same keys.
type fixed []*jwks.Key

func (f fixed) Keys(context.Context, string) ([]*jwks.Key, error) { return f, nil }

func TestAnRSAKeyHasOneAlgorithm(t *testing.T) {
	rs := newSigningKey(t, "RS256", "k1")
	ps := &signingKey{"PS256", "k1", rs.private}
	keys := jwks.Static{{ID: "k1", Public: rs.private.Public()}}
	for _, first := range []auth.Algorithm{auth.RS256, auth.PS256} {
		v, err := auth.NewVerifier(keys, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience},
			Algorithms: []auth.Algorithm{auth.ES256, first, auth.PS256, auth.RS256}})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []*signingKey{rs, ps} {
			want := auth.ReasonKeyUnknown
			if k.alg == first.String() {
				want = ""
			}
			if got := reasonOf(verify(t, v, k.sign(t, k.header(), claims()))); got != want {
				t.Errorf("%s with %v first: reason %v, want %v", k.alg, first, got, want)
			}
		}
	}
}

func TestSeveralKeysOfOneID(t *testing.T) {
	var signers []*signingKey
	var keys jwks.Static
	for range 5 {
		k := newSigningKey(t, "EdDSA", "k1")
		signers, keys = append(signers, k), append(keys, k.public())
	}
	other := newSigningKey(t, "ES256", "k1")
	keys = append(jwks.Static{other.public()}, keys...)
	v, err := auth.NewVerifier(keys, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range append(signers, other) {
		want := auth.Reason("")
		if i == 3 || i == 4 { // beyond the three that are tried
			want = auth.ReasonSignatureInvalid
		}
		if got := reasonOf(verify(t, v, k.sign(t, k.header(), claims()))); got != want {
			t.Errorf("key %d: reason %v, want %v", i, got, want)
		}
		nameless := k.sign(t, fmt.Sprintf(`{"alg":%q,"typ":"at+jwt"}`, k.alg), claims())
		want = auth.ReasonKeyUnknown
		if k == other {
			want = ""
		}
		if got := reasonOf(verify(t, v, nameless)); got != want {
			t.Errorf("key %d without kid: reason %v, want %v", i, got, want)
		}
	}
}

func TestATokenThatCanOnlyFailAsksForNoKey(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	src := &source{Static: jwks.Static{k.public()}}
	v, err := auth.NewVerifier(src, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
	if err != nil {
		t.Fatal(err)
	}
	hs := `{"alg":"HS256","typ":"at+jwt","kid":"k1"}`
	large := claims(`"jti"`, `"x":"`+strings.Repeat("x", 16<<10)+`","jti"`)
	for _, tt := range []struct {
		name, token string
		want        auth.Reason
	}{
		{"an algorithm that is not allowed", k.sign(t, hs, claims()), auth.ReasonAlgorithmNotAllowed},
		{"a type that is not accepted", k.sign(t, `{"alg":"EdDSA","typ":"JWT","kid":"k1"}`, claims()), auth.ReasonTokenTypeNotAccepted},
		{"another issuer", k.sign(t, k.header(), claims(testIssuer, "https://other.example")), auth.ReasonIssuerNotTrusted},
		{"another audience", k.sign(t, k.header(), claims(testAudience, "https://other.example")), auth.ReasonAudienceMismatch},
		{"expired", k.sign(t, k.header(), claims(fmt.Sprint(time.Now().Unix()+300), "1700000000")), auth.ReasonTokenExpired},
		{"a good token that is too large", k.sign(t, k.header(), large), auth.ReasonTokenTooLarge},
		{"random text", "not a token", auth.ReasonTokenMalformed},
		{"dots", strings.Repeat(".", 2000), auth.ReasonTokenMalformed},
	} {
		if got := reasonOf(verify(t, v, tt.token)); got != tt.want || src.asked != 0 {
			t.Errorf("%s: reason %v after %d look-ups, want %v after none", tt.name, got, src.asked, tt.want)
		}
	}
}

func TestEveryAlgorithmIsVerified(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		k := newSigningKey(t, alg, "k1")
		v := newVerifier(t, k, nil)
		token := k.sign(t, k.header(), claims())
		first, err := v.VerifyToken(t.Context(), token)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if again, err := v.VerifyToken(t.Context(), token); again != first {
			t.Errorf("%s: again: %p, %v; want the principal that was remembered", alg, again, err)
		}
		other := k.sign(t, k.header(), claims("alice", "mallory"))
		forged := token[:strings.LastIndexByte(token, '.')] + other[strings.LastIndexByte(other, '.'):]
		if got := reasonOf(verify(t, v, forged)); got != auth.ReasonSignatureInvalid {
			t.Errorf("%s: the signature of another token: reason %v, want %v", alg, got, auth.ReasonSignatureInvalid)
		}
	}
}

func TestARememberedTokenThatRanOutAsksForNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSigningKey(t, "EdDSA", "k1")
		src := &source{Static: jwks.Static{k.public()}}
		v, err := auth.NewVerifier(src, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
		if err != nil {
			t.Fatal(err)
		}
		token := k.sign(t, k.header(), claims())
		if err := verify(t, v, token); err != nil {
			t.Fatal(err)
		}
		src.asked, src.err = 0, jwks.ErrUnavailable
		time.Sleep(time.Hour) // the bubble's time
		forged := token[:len(token)-2] + "AA"
		for _, token := range []string{token, forged} {
			if got := reasonOf(verify(t, v, token)); got != auth.ReasonTokenExpired || src.asked != 0 {
				t.Errorf("reason %v after %d look-ups, want %v after none", got, src.asked, auth.ReasonTokenExpired)
			}
		}
	})
}

// What only looks like our token must not tell whether its claims would have passed, nor have them
// read.
func TestAForgedTokenIsRefusedForItsSignature(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	v := newVerifier(t, k, nil)
	for name, payload := range map[string]string{
		"good claims":      claims(),
		"another issuer":   claims(testIssuer, "https://other.example"),
		"another audience": claims(testAudience, "https://other.example"),
		"expired":          claims(fmt.Sprint(time.Now().Unix()+300), "1700000000"),
		"no claims":        "[]",
	} {
		token := k.sign(t, k.header(), payload)
		if err := verify(t, v, token); payload == claims() && err != nil {
			t.Fatal(err)
		}
		forged := token[:strings.LastIndexByte(token, '.')] + "." + encode(make([]byte, 64))
		if got := reasonOf(verify(t, v, forged)); got != auth.ReasonSignatureInvalid {
			t.Errorf("%s: reason %v, want %v", name, got, auth.ReasonSignatureInvalid)
		}
	}
}

// strictVerifier is a Verifier that accepts nothing.
type strictVerifier struct{ *auth.Verifier }

func (strictVerifier) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonClaimsRefused}
}

func TestATokenVerifierThatEmbedsAnotherIsAsked(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	g := must(auth.NewGuard(strictVerifier{newVerifier(t, k, nil)}, nil))
	token := k.sign(t, k.header(), claims())
	_, err := g.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, auth.AnyToken())
	if got := reasonOf(err); got != auth.ReasonClaimsRefused {
		t.Errorf("reason %v, want %v", got, auth.ReasonClaimsRefused)
	}
}

// A Source may embed another and answer for itself.
func TestASourceThatEmbedsAnotherIsAsked(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	src := &source{Static: jwks.Static{k.public()}, err: jwks.ErrUnknownKey}
	v, err := auth.NewVerifier(src, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
	if err != nil {
		t.Fatal(err)
	}
	if got := reasonOf(verify(t, v, k.sign(t, k.header(), claims()))); got != auth.ReasonKeyUnknown || src.asked != 1 {
		t.Errorf("reason %v after %d look-ups, want %v after one", got, src.asked, auth.ReasonKeyUnknown)
	}
}

func TestAnUnknownKeyIsFetchedForNoTokenThatCanOnlyFail(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	v := issuer.Verifier(auth.Config{})
	if err := verify(t, v, issuer.Token("read")); err != nil {
		t.Fatal(err)
	}
	unknown := newSigningKey(t, "EdDSA", "no-such-key")
	token := func(iss, aud string, exp int64) string {
		return unknown.sign(t, unknown.header(), fmt.Sprintf(
			`{"iss":%q,"aud":%q,"exp":%d,"iat":1,"sub":"a","jti":"1","client_id":"b"}`, iss, aud, exp))
	}
	expiry := time.Now().Unix() + 300
	good := token(issuer.URL, issuer.Audience, expiry)
	malformed := func(times string) string {
		return unknown.sign(t, unknown.header(), fmt.Sprintf(`{"iss":%q,"aud":%q,`, issuer.URL, issuer.Audience)+fmt.Sprintf(times, strconv.FormatInt(expiry, 10))+`}`)
	}
	before := issuer.Fetches()
	for _, tt := range []struct {
		name, token string
		want        auth.Reason
		fetches     int
	}{
		{"another issuer", token("https://other.example", issuer.Audience, expiry), auth.ReasonIssuerNotTrusted, 0},
		{"another audience", token(issuer.URL, "https://other.example", expiry), auth.ReasonAudienceMismatch, 0},
		{"expired", token(issuer.URL, issuer.Audience, 1700000000), auth.ReasonTokenExpired, 0},
		{"exp is text", malformed(`"exp":%q`), auth.ReasonClaimInvalid, 0},
		{"iat is text", malformed(`"iat":%q,"exp":%[1]s`), auth.ReasonClaimInvalid, 0},
		{"a malformed signature", good[:strings.LastIndexByte(good, '.')] + ".x", auth.ReasonTokenMalformed, 0},
		{"nothing else wrong", good, auth.ReasonKeyUnknown, 1},
		{"once more", good, auth.ReasonKeyUnknown, 2},
		{"no permit left", good, auth.ReasonKeyUnknown, 2},
	} {
		if got := reasonOf(verify(t, v, tt.token)); got != tt.want || issuer.Fetches()-before != tt.fetches {
			t.Errorf("%s: reason %v after %d fetches, want %v after %d", tt.name, got, issuer.Fetches()-before, tt.want, tt.fetches)
		}
	}
}

func TestKeysThatCannotBeHad(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	src := &source{err: fmt.Errorf("wrapped: %w", jwks.ErrUnavailable)}
	v, err := auth.NewVerifier(src, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
	if err != nil {
		t.Fatal(err)
	}
	token := k.sign(t, k.header(), claims())
	if got := reasonOf(verify(t, v, token)); got != auth.ReasonUnavailable {
		t.Errorf("reason %v, want %v", got, auth.ReasonUnavailable)
	}
	src.err = context.DeadlineExceeded
	err = verify(t, v, token)
	if got := reasonOf(err); got != auth.ReasonUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("reason %v of %v, want %v", got, err, auth.ReasonUnavailable)
	}
	src.err = fmt.Errorf("wrapped: %w", jwks.ErrUnknownKey)
	if got := reasonOf(verify(t, v, token)); got != auth.ReasonKeyUnknown {
		t.Errorf("reason %v, want %v", got, auth.ReasonKeyUnknown)
	}
}

func TestTimeBoundaries(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	nbf := func(after time.Duration) []string {
		return []string{`"jti"`, fmt.Sprintf(`"nbf":%d,"jti"`, time.Now().Add(after).Unix())}
	}
	tests := []struct {
		name  string
		more  func(*auth.Config)
		edits func() []string
		at    time.Duration
		want  auth.Reason
	}{
		{"just before exp and leeway", nil, nil, 330*time.Second - 1, ""},
		{"at exp and leeway", nil, nil, 330 * time.Second, auth.ReasonTokenExpired},
		{"just before exp without leeway", func(c *auth.Config) { c.Leeway = -1 }, nil, 300*time.Second - 1, ""},
		{"at exp without leeway", func(c *auth.Config) { c.Leeway = -1 }, nil, 300 * time.Second, auth.ReasonTokenExpired},
		{"just before nbf less the leeway", nil, func() []string { return nbf(time.Minute) }, 30*time.Second - 1, auth.ReasonTokenNotYetValid},
		{"at nbf less the leeway", nil, func() []string { return nbf(time.Minute) }, 30 * time.Second, ""},
		{"just before the greatest age and leeway", func(c *auth.Config) { c.MaxAge = time.Minute }, nil, 90*time.Second - 1, ""},
		{"at the greatest age and leeway", func(c *auth.Config) { c.MaxAge = time.Minute }, nil, 90 * time.Second, auth.ReasonTokenTooOld},
		{"a life at the bound", func(c *auth.Config) { c.MaxLifetime = 300 * time.Second }, nil, 0, ""},
		{"a life over the bound", func(c *auth.Config) { c.MaxLifetime = 299 * time.Second }, nil, 0, auth.ReasonTokenTooOld},
	}
	for _, tt := range tests {
		for _, cached := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, remembered %v", tt.name, cached), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					v := newVerifier(t, k, tt.more)
					var edits []string
					if tt.edits != nil {
						edits = tt.edits()
					}
					token := k.sign(t, k.header(), claims(edits...))
					if cached {
						_ = verify(t, v, token)
					}
					time.Sleep(tt.at) // the bubble's time
					if got := reasonOf(verify(t, v, token)); got != tt.want {
						t.Errorf("reason %v, want %v", got, tt.want)
					}
				})
			})
		}
	}
}

// A token is remembered, and then the clock is set back to before it was issued. In a bubble, time
// begins long ago.
func TestARememberedTokenWhenTheClockIsSetBack(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	v := newVerifier(t, k, nil)
	var token string
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		token = k.sign(t, k.header(), claims())
		if err := verify(t, v, token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := verify(t, v, token); err != nil {
			t.Error(err)
		}
	})
	for before, want := range map[time.Duration]auth.Reason{time.Hour: auth.ReasonTokenIssuedInFuture, 31 * time.Second: auth.ReasonTokenIssuedInFuture, 30 * time.Second: ""} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Hour - before)
			if got := reasonOf(verify(t, v, token)); got != want {
				t.Errorf("%v before it was issued: reason %q, want %q", before, got, want)
			}
		})
	}
}

func TestRememberedTokens(t *testing.T) {
	old, next := newSigningKey(t, "EdDSA", "k1"), newSigningKey(t, "EdDSA", "k1")
	src := &source{Static: jwks.Static{old.public()}}
	checked := 0
	v, err := auth.NewVerifier(src, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience},
		Checks: []func(*auth.Principal) error{func(*auth.Principal) error { checked++; return nil }}})
	if err != nil {
		t.Fatal(err)
	}
	token := old.sign(t, old.header(), claims())
	first, err := v.VerifyToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := v.VerifyToken(t.Context(), token); err != nil || again != first || checked != 1 {
		t.Fatalf("again: %p after %d checks, %v; want the same principal, checked once", again, checked, err)
	}
	if src.asked != 2 {
		t.Errorf("the source was asked %d times, want each time", src.asked)
	}

	src.err, src.asked = jwks.ErrUnavailable, 0
	if got := reasonOf(verify(t, v, token)); got != auth.ReasonUnavailable || src.asked != 1 {
		t.Errorf("keys beyond max-stale: reason %v after %d look-ups, want %v after one", got, src.asked, auth.ReasonUnavailable)
	}
	src.err = nil
	src.Static = jwks.Static{next.public()}
	if got := reasonOf(verify(t, v, token)); got != auth.ReasonSignatureInvalid {
		t.Errorf("key changed in place: reason %v, want %v", got, auth.ReasonSignatureInvalid)
	}
	src.Static = nil
	if got := reasonOf(verify(t, v, token)); got != auth.ReasonKeyUnknown {
		t.Errorf("key withdrawn: reason %v, want %v", got, auth.ReasonKeyUnknown)
	}
}
