package authtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// text returns n letters.
func text(n int) string { return strings.Repeat("x", n) }

// nested returns n arrays inside each other.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// member adds a member to the text of an object.
func member(object, more string) string { return strings.TrimSuffix(object, "}") + "," + more + "}" }

// headerText is the spec of a defect that changes the JSON text of the header.
func headerText(d Defect, how func(string) string) defectSpec {
	return defectSpec{defect: d, reason: auth.ReasonTokenMalformed, at: issuer.OnJSON, make: func(t *issuer.Draft) error {
		t.HeaderJSON = []byte(how(string(t.HeaderJSON)))
		return nil
	}}
}

// claimsText is the spec of a defect that changes the JSON text of the claims.
func claimsText(d Defect, how func(string) string) defectSpec {
	return defectSpec{defect: d, reason: auth.ReasonTokenMalformed, at: issuer.OnJSON, make: func(t *issuer.Draft) error {
		t.ClaimsJSON = []byte(how(string(t.ClaimsJSON)))
		return nil
	}}
}

// token is the spec of a defect that changes the finished text.
func token(d Defect, how func(*issuer.Draft) string) defectSpec {
	return defectSpec{defect: d, reason: auth.ReasonTokenMalformed, at: issuer.OnToken, make: func(t *issuer.Draft) error {
		t.Token = how(t)
		return nil
	}}
}

// jsonSerialization is a token in the flattened form. A Verifier finds it malformed; a Guard does
// not get as far, since a comma ends the token68 of the Authorization header.
var jsonSerialization = defectSpec{defect: JSONSerialization, reason: auth.ReasonInvalidRequest, at: issuer.OnToken, make: func(t *issuer.Draft) error {
	flattened, err := json.Marshal(map[string]string{
		"protected": t.EncodedHeader, "payload": t.EncodedClaims, "signature": issuer.Encode(t.Signature),
	})
	t.Token = string(flattened)
	return err
}}

// standardBase64 signs over claims in the other alphabet. A run of question marks holds a "/" there
// wherever it begins.
func standardBase64(t *issuer.Draft) error {
	t.EncodedClaims = base64.RawStdEncoding.EncodeToString([]byte(member(string(t.ClaimsJSON), `"x":"????????"`)))
	return nil
}

// nonCanonicalBase64 signs over claims whose last character has a bit too many. Spaces give the
// claims a length that leaves bits over.
func nonCanonicalBase64(t *issuer.Draft) error {
	for len(t.ClaimsJSON)%3 != 1 {
		t.ClaimsJSON = append(t.ClaimsJSON, ' ')
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	canonical := issuer.Encode(t.ClaimsJSON)
	last := strings.IndexByte(alphabet, canonical[len(canonical)-1])
	t.EncodedClaims = canonical[:len(canonical)-1] + alphabet[last|1:last|1+1]
	return nil
}

// unsecured makes an unsecured JWS of the claims.
func unsecured(t *issuer.Draft) error {
	h, err := json.Marshal(map[string]string{"typ": "at+jwt", "alg": "none"})
	t.Token = issuer.Encode(h) + "." + t.EncodedClaims + "."
	return err
}

// hmacWithPublicKey signs with the public key's PEM as the secret: what a verifier would accept
// that takes the algorithm from the token.
func hmacWithPublicKey(t *issuer.Draft) error {
	t.Header["alg"] = "HS256"
	var err error
	if t.HeaderJSON, err = json.Marshal(t.Header); err != nil {
		return err
	}
	t.EncodedHeader = issuer.Encode(t.HeaderJSON)
	der, err := x509.MarshalPKIXPublicKey(t.Key.Private.Public())
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(t.Input()))
	t.Signature = mac.Sum(nil)
	return nil
}

func lowerCaseAlgorithm(t *issuer.Draft) error {
	t.Header["alg"] = strings.ToLower(t.Algorithm)
	return nil
}

func expire(t *issuer.Draft) error {
	now := time.Now()
	return Claims{"iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(-time.Hour).Unix()}.apply(t)
}

// signUnpublished signs with the key that is never published.
func signUnpublished(t *issuer.Draft) (err error) {
	t.Key, err = t.Issuer.Unpublished()
	return err
}

// noKid names no key, and an algorithm that no published one is for: with its own algorithm, it
// would be tried with every key of it.
func noKid(t *issuer.Draft) error {
	if err := wrongAlgorithm(t); err != nil {
		return err
	}
	return Header{"kid": Absent}.apply(t)
}

// wrongAlgorithm names, for RSA, the other scheme and signs by it. An EC or Ed25519 key can sign by
// its own algorithm alone, whatever the header says.
func wrongAlgorithm(t *issuer.Draft) error {
	other := auth.RS256.String()
	if t.Algorithm == other {
		other = auth.PS256.String()
	}
	if kind(t.Issuer.Algorithm()) == "RSA" {
		t.Algorithm = other
	}
	return Header{"alg": other}.apply(t)
}

func tamper(t *issuer.Draft) error {
	scope, _ := t.Claims["scope"].(string)
	t.Claims["scope"] = strings.TrimSpace(scope + " admin:all")
	more, err := json.Marshal(t.Claims)
	t.EncodedClaims = issuer.Encode(more)
	return err
}

func isECDSA(a auth.Algorithm) bool { return a == auth.ES256 || a == auth.ES384 || a == auth.ES512 }

func derSignature(t *issuer.Draft) (err error) {
	half := len(t.Signature) / 2
	r, s := new(big.Int).SetBytes(t.Signature[:half]), new(big.Int).SetBytes(t.Signature[half:])
	t.Signature, err = asn1.Marshal(struct{ R, S *big.Int }{r, s})
	return err
}

func idToken(t *issuer.Draft) error {
	return errors.Join(
		Header{"typ": "JWT"}.apply(t),
		Claims{"nonce": "n-0S6_WzA2Mj", "auth_time": t.Claims["iat"]}.apply(t),
	)
}

var errSuspended = errors.New("suspended")

func notSuspended(c *struct {
	Suspended bool `json:"suspended"`
}) error {
	if c.Suspended {
		return errSuspended
	}
	return nil
}
