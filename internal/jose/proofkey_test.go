package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

func proofKey(doc string) (ProofKey, error) {
	var r Reader
	header := []byte(`{"alg":"ES256","jwk":` + doc + `}`)
	h, err := r.Header(header)
	if err != nil {
		return ProofKey{}, err
	}
	return r.ProofKey(header, h.JWK)
}

// The examples of RFC 7638 §3.1, RFC 8037 Appendix A.3 and RFC 9449 §4.1.
func TestThumbprintsOfTheRFCs(t *testing.T) {
	for doc, want := range map[string]string{
		`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`:                                                "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		`{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
	} {
		k, err := proofKey(doc)
		if got := base64.RawURLEncoding.EncodeToString(k.Thumbprint[:]); err != nil || got != want {
			t.Errorf("%s: %v, %v", want, got, err)
		}
	}
}

func TestProofKeysOfEveryKind(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, err := jwk.FromRaw(private.Public())
		if err != nil {
			t.Fatal(err)
		}
		doc, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		want, err := key.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		got, err := proofKey(string(doc))
		if err != nil || !private.PublicKey.Equal(got.Public) || string(got.Thumbprint[:]) != string(want) {
			t.Errorf("%s: %v", curve.Params().Name, err)
		}
	}
}

func TestProofKeysHaveOneSpelling(t *testing.T) {
	const x, y = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
	ec := func(crv, x, y, more string) string {
		return fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q%s}`, crv, x, y, more)
	}
	if _, err := proofKey(ec("P-256", x, y, `,"use":"sig","ext":true`)); err != nil {
		t.Fatalf("a good key: %v", err)
	}
	small := base64.RawURLEncoding.EncodeToString(new(big.Int).SetBit(big.NewInt(1), 1023, 1).Bytes())
	modulus := base64.RawURLEncoding.EncodeToString(new(big.Int).SetBit(big.NewInt(1), 2047, 1).Bytes())
	even := base64.RawURLEncoding.EncodeToString(new(big.Int).SetBit(big.NewInt(0), 2047, 1).Bytes())
	huge := base64.RawURLEncoding.EncodeToString(new(big.Int).SetBit(big.NewInt(1), 8192, 1).Bytes())
	zero := base64.RawURLEncoding.EncodeToString(append([]byte{0}, new(big.Int).SetBit(big.NewInt(1), 2047, 1).Bytes()...))
	rsa := func(n, e string) string { return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, n, e) }
	if _, err := proofKey(rsa(modulus, "AQAB")); err != nil {
		t.Fatalf("an RSA key: %v", err)
	}
	for name, doc := range map[string]string{
		"no object":                    `"EC"`,
		"no type":                      `{"crv":"P-256","x":"` + x + `","y":"` + y + `"}`,
		"a type of another case":       strings.Replace(ec("P-256", x, y, ""), `"EC"`, `"ec"`, 1),
		"a symmetric key":              `{"kty":"oct","k":"AAAA"}`,
		"a private part":               ec("P-256", x, y, `,"d":"AAAA"`),
		"a private part that is null":  ec("P-256", x, y, `,"d":null`),
		"a doubled member":             ec("P-256", x, y, `,"x":"`+x+`"`),
		"a point off the curve":        ec("P-256", x, x, ""),
		"a point at infinity":          ec("P-256", strings.Repeat("A", 43), strings.Repeat("A", 43), ""),
		"another curve":                ec("P-384", x, y, ""),
		"an unknown curve":             ec("secp256k1", x, y, ""),
		"padding":                      ec("P-256", x+"=", y, ""),
		"standard base64":              ec("P-256", strings.ReplaceAll(x, "-", "+"), y, ""),
		"bits beyond the last byte":    ec("P-256", x[:42]+"t", y, ""),
		"a line break at the end":      ec("P-256", x+"\n", y, ""),
		"a line break in between":      ec("P-256", x[:42]+"\r"+x[42:], y, ""),
		"a short coordinate":           ec("P-256", x[:42], y, ""),
		"a coordinate with a zero":     ec("P-256", "AA"+x, y, ""),
		"a coordinate that is no text": `{"kty":"EC","crv":"P-256","x":1,"y":"` + y + `"}`,
		"no y":                         ec("P-256", x, "", ""),
		"a short Ed25519 key":          `{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`,
		"Ed448":                        `{"kty":"OKP","crv":"Ed448","x":"` + x + `"}`,
		"X25519":                       `{"kty":"OKP","crv":"X25519","x":"` + x + `"}`,
		"a short modulus":              rsa(small, "AQAB"),
		"a long modulus":               rsa(huge, "AQAB"),
		"an even modulus":              rsa(even, "AQAB"),
		"a modulus with a zero":        rsa(zero, "AQAB"),
		"an exponent of one":           rsa(modulus, "AQ"),
		"an even exponent":             rsa(modulus, "AQAA"),
		"an exponent with a zero":      rsa(modulus, "AAEAAQ"),
		"an exponent that is too long": rsa(modulus, "AQAAAAE"),
		"an exponent beyond 31 bits":   rsa(modulus, "gAAAAQ"),
		"no exponent":                  rsa(modulus, ""),
	} {
		if k, err := proofKey(doc); err == nil {
			t.Errorf("%s: %v", name, k)
		}
	}
}

func TestProofKeyIsAnObject(t *testing.T) {
	var r Reader
	doc := `["kty"]`
	if _, err := r.ProofKey([]byte(doc), Value{'[', 0, len(doc)}); err == nil {
		t.Error("an array")
	}
	if _, err := r.ProofKey([]byte(doc), Value{}); err == nil {
		t.Error("nothing")
	}
}
