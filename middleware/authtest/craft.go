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

	auth "github.com/bearward/bearward/middleware"
)

// text returns n letters.
func text(n int) string { return strings.Repeat("x", n) }

// nested returns n arrays inside each other.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// member adds a member to the text of an object.
func member(object, more string) string { return strings.TrimSuffix(object, "}") + "," + more + "}" }

// headerText bends the JSON text of the header.
func headerText(d Defect, how func(string) string) bend {
	return bend{defect: d, reason: auth.ReasonTokenMalformed, at: onJSON, make: func(t *draft) error {
		t.headerJSON = []byte(how(string(t.headerJSON)))
		return nil
	}}
}

// claimsText bends the JSON text of the claims.
func claimsText(d Defect, how func(string) string) bend {
	return bend{defect: d, reason: auth.ReasonTokenMalformed, at: onJSON, make: func(t *draft) error {
		t.claimsJSON = []byte(how(string(t.claimsJSON)))
		return nil
	}}
}

// token bends the finished text.
func token(d Defect, how func(*draft) string) bend {
	return bend{defect: d, reason: auth.ReasonTokenMalformed, at: onToken, make: func(t *draft) error {
		t.token = how(t)
		return nil
	}}
}

// jsonSerialization is a token in the flattened form. A Verifier finds it malformed; a Guard does not get as far, since a comma ends
// the token68 of the Authorization header.
var jsonSerialization = bend{defect: JSONSerialization, reason: auth.ReasonInvalidRequest, at: onToken, make: func(t *draft) error {
	flattened, err := json.Marshal(map[string]string{
		"protected": t.encodedHeader, "payload": t.encodedClaims, "signature": encode(t.signature),
	})
	t.token = string(flattened)
	return err
}}

// standardBase64 signs over claims in the other alphabet. A run of question marks holds a "/" there wherever it begins.
func standardBase64(t *draft) error {
	t.encodedClaims = base64.RawStdEncoding.EncodeToString([]byte(member(string(t.claimsJSON), `"x":"????????"`)))
	return nil
}

// nonCanonicalBase64 signs over claims whose last character has a bit too many. Spaces give the claims a length that leaves bits over.
func nonCanonicalBase64(t *draft) error {
	for len(t.claimsJSON)%3 != 1 {
		t.claimsJSON = append(t.claimsJSON, ' ')
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	canonical := encode(t.claimsJSON)
	last := strings.IndexByte(alphabet, canonical[len(canonical)-1])
	t.encodedClaims = canonical[:len(canonical)-1] + alphabet[last|1:last|1+1]
	return nil
}

// unsecured makes an unsecured JWS of the claims.
func unsecured(t *draft) error {
	h, err := json.Marshal(map[string]string{"typ": "at+jwt", "alg": "none"})
	t.token = encode(h) + "." + t.encodedClaims + "."
	return err
}

// hmacWithPublicKey signs with the public key's PEM as the secret: what a verifier would accept that takes the algorithm from the token.
func hmacWithPublicKey(t *draft) error {
	t.header["alg"] = "HS256"
	var err error
	if t.headerJSON, err = json.Marshal(t.header); err != nil {
		return err
	}
	t.encodedHeader = encode(t.headerJSON)
	der, err := x509.MarshalPKIXPublicKey(t.key.private.Public())
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(t.input()))
	t.signature = mac.Sum(nil)
	return nil
}

func lowerCaseAlgorithm(t *draft) error {
	t.header["alg"] = strings.ToLower(t.alg)
	return nil
}

func expire(t *draft) error {
	now := time.Now()
	return Claims{"iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(-time.Hour).Unix()}.apply(t)
}

var errOneKey = errors.New("a token without kid is good while only one key is published: call Publish first")

func noKid(t *draft) error {
	if len(t.issuer.keys.list()) < 2 {
		return errOneKey
	}
	return Header{"kid": Absent}.apply(t)
}

// wrongAlgorithm names, for RSA, the other scheme and signs by it. An EC or Ed25519 key can sign by its own algorithm alone, whatever the
// header says.
func wrongAlgorithm(t *draft) error {
	other := auth.RS256.String()
	if t.alg == other {
		other = auth.PS256.String()
	}
	if kind(t.issuer.keys.alg) == "RSA" {
		t.alg = other
	}
	return Header{"alg": other}.apply(t)
}

func tamper(t *draft) error {
	scope, _ := t.claims["scope"].(string)
	t.claims["scope"] = strings.TrimSpace(scope + " admin:all")
	more, err := json.Marshal(t.claims)
	t.encodedClaims = encode(more)
	return err
}

func isECDSA(a auth.Algorithm) bool { return a == auth.ES256 || a == auth.ES384 || a == auth.ES512 }

func derSignature(t *draft) (err error) {
	half := len(t.signature) / 2
	r, s := new(big.Int).SetBytes(t.signature[:half]), new(big.Int).SetBytes(t.signature[half:])
	t.signature, err = asn1.Marshal(struct{ R, S *big.Int }{r, s})
	return err
}

func idToken(t *draft) error {
	return errors.Join(
		Header{"typ": "JWT"}.apply(t),
		Claims{"nonce": "n-0S6_WzA2Mj", "auth_time": t.claims["iat"]}.apply(t),
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
