package authtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// A ProofDefect is one thing wrong with a DPoP proof that is good otherwise: a [Change] for
// [Prover.Proof]. Its text is its name, for subtests.
type ProofDefect string

// What can be wrong with a proof (RFC 9449 §4.3). Those of "iat" are none where the API asks for
// nonces.
const (
	ProofTooLong          ProofDefect = "ProofTooLong"          // over 8 KiB
	ProofRandomText       ProofDefect = "ProofRandomText"       // no JWT
	ProofList             ProofDefect = "ProofList"             // two proofs with a comma between
	ProofEmpty            ProofDefect = "ProofEmpty"            // an empty field
	ProofTwoParts         ProofDefect = "ProofTwoParts"         // the signature and its dot are gone
	ProofPadded           ProofDefect = "ProofPadded"           // base64 with "="
	ProofNoType           ProofDefect = "ProofNoType"           // no "typ"
	ProofWrongType        ProofDefect = "ProofWrongType"        // "typ" JWT
	ProofAlgNone          ProofDefect = "ProofAlgNone"          // "none"
	ProofSymmetric        ProofDefect = "ProofSymmetric"        // HS256 with the public key as the secret
	ProofOtherAlgorithm   ProofDefect = "ProofOtherAlgorithm"   // an algorithm that is not the key's
	ProofCritical         ProofDefect = "ProofCritical"         // a critical extension
	ProofDuplicateHeader  ProofDefect = "ProofDuplicateHeader"  // "alg" twice
	ProofNoKey            ProofDefect = "ProofNoKey"            // no "jwk"
	ProofPrivateKey       ProofDefect = "ProofPrivateKey"       // "jwk" has a private part
	ProofSymmetricKey     ProofDefect = "ProofSymmetricKey"     // "jwk" is a secret
	ProofPaddedKey        ProofDefect = "ProofPaddedKey"        // a member of "jwk" with "="
	ProofAnotherKey       ProofDefect = "ProofAnotherKey"       // a good proof of another key
	ProofNoID             ProofDefect = "ProofNoID"             // no "jti"
	ProofEmptyID          ProofDefect = "ProofEmptyID"          // an empty "jti"
	ProofLongID           ProofDefect = "ProofLongID"           // a "jti" of 257 bytes
	ProofNumericID        ProofDefect = "ProofNumericID"        // a number for "jti"
	ProofNoMethod         ProofDefect = "ProofNoMethod"         // no "htm"
	ProofWrongMethod      ProofDefect = "ProofWrongMethod"      // "htm" of another request
	ProofMethodLowerCase  ProofDefect = "ProofMethodLowerCase"  // "htm" in lower case
	ProofNoURI            ProofDefect = "ProofNoURI"            // no "htu"
	ProofWrongHost        ProofDefect = "ProofWrongHost"        // "htu" of another host
	ProofWrongScheme      ProofDefect = "ProofWrongScheme"      // "htu" of another scheme
	ProofWrongPath        ProofDefect = "ProofWrongPath"        // "htu" of another path
	ProofPathUpperCase    ProofDefect = "ProofPathUpperCase"    // "htu" with a path in upper case
	ProofRelativeURI      ProofDefect = "ProofRelativeURI"      // a path alone for "htu"
	ProofNoTokenHash      ProofDefect = "ProofNoTokenHash"      // no "ath"
	ProofWrongTokenHash   ProofDefect = "ProofWrongTokenHash"   // "ath" of another token
	ProofNoIssuedAt       ProofDefect = "ProofNoIssuedAt"       // no "iat"
	ProofIssuedAtText     ProofDefect = "ProofIssuedAtText"     // "iat" in quotes
	ProofOld              ProofDefect = "ProofOld"              // "iat" an hour ago
	ProofAhead            ProofDefect = "ProofAhead"            // "iat" in an hour
	ProofEnded            ProofDefect = "ProofEnded"            // "exp" an hour ago
	ProofNotYet           ProofDefect = "ProofNotYet"           // "nbf" in an hour
	ProofDuplicateClaim   ProofDefect = "ProofDuplicateClaim"   // "htm" twice
	ProofClaimsArray      ProofDefect = "ProofClaimsArray"      // the claims are in an array
	ProofBadSignature     ProofDefect = "ProofBadSignature"     // one bit of the signature is flipped
	ProofUnsignedKey      ProofDefect = "ProofUnsignedKey"      // our key in the header, signed with another
	ProofSignatureOfToken ProofDefect = "ProofSignatureOfToken" // claims changed after signing
)

// A proofSpec says how a ProofDefect is made, and what comes of it.
type proofSpec struct {
	defect ProofDefect
	reason auth.Reason
	at     issuer.Stage
	make   func(*issuer.Draft) error
}

func proofClaim(d ProofDefect, reason auth.Reason, name string, value any) proofSpec {
	return proofSpec{d, reason, issuer.OnMembers, func(t *issuer.Draft) error { return Claims{name: value}.apply(t) }}
}

func proofTime(d ProofDefect, reason auth.Reason, name string, from time.Duration) proofSpec {
	return proofSpec{d, reason, issuer.OnMembers, func(t *issuer.Draft) error {
		return Claims{name: time.Now().Add(from).Unix()}.apply(t)
	}}
}

func proofHeader(d ProofDefect, name string, value any) proofSpec {
	return proofSpec{d, auth.ReasonProofInvalid, issuer.OnMembers, func(t *issuer.Draft) error { return Header{name: value}.apply(t) }}
}

func proofURI(d ProofDefect, change func(string) string) proofSpec {
	return proofSpec{d, auth.ReasonProofInvalid, issuer.OnMembers, func(t *issuer.Draft) error {
		uri, ok := t.Claims["htu"].(string)
		if !ok {
			return errors.New("the proof has no htu to change")
		}
		return Claims{"htu": change(uri)}.apply(t)
	}}
}

func proofText(d ProofDefect, change func(*issuer.Draft) string) proofSpec {
	return proofSpec{d, auth.ReasonProofInvalid, issuer.OnToken, func(t *issuer.Draft) error {
		t.Token = change(t)
		return nil
	}}
}

func proofKey(d ProofDefect, change func(jwk map[string]string)) proofSpec {
	return proofSpec{d, auth.ReasonProofInvalid, issuer.OnMembers, func(t *issuer.Draft) error {
		jwk := t.Key.PublicMembers()
		change(jwk)
		return Header{"jwk": jwk}.apply(t)
	}}
}

// path returns what stands behind the authority of uri.
func splitURI(uri string) (origin, path string) {
	scheme, rest, _ := strings.Cut(uri, "://")
	host, path, _ := strings.Cut(rest, "/")
	return scheme + "://" + host, "/" + path
}

const invalid = auth.ReasonProofInvalid

// proofSpecs are the defects, in the order of their constants.
var proofSpecs = [...]proofSpec{
	proofClaim(ProofTooLong, invalid, "padding", strings.Repeat("x", 8<<10)),
	proofText(ProofRandomText, func(*issuer.Draft) string { return "this-is-no-proof" }),
	proofText(ProofList, func(t *issuer.Draft) string { return t.Token + ", " + t.Token }),
	proofText(ProofEmpty, func(*issuer.Draft) string { return "" }),
	proofText(ProofTwoParts, func(t *issuer.Draft) string { return t.Input() }),
	proofText(ProofPadded, func(t *issuer.Draft) string { return t.Token + "=" }),
	proofHeader(ProofNoType, "typ", Absent),
	proofHeader(ProofWrongType, "typ", "JWT"),
	proofHeader(ProofAlgNone, "alg", "none"),
	{ProofSymmetric, invalid, issuer.OnEncoded, symmetricProof},
	{ProofOtherAlgorithm, invalid, issuer.OnMembers, otherAlgorithm},
	proofHeader(ProofCritical, "crit", []string{"exp"}),
	{ProofDuplicateHeader, invalid, issuer.OnJSON, func(t *issuer.Draft) error {
		t.HeaderJSON = []byte(member(string(t.HeaderJSON), `"typ":"dpop+jwt"`))
		return nil
	}},
	proofHeader(ProofNoKey, "jwk", Absent),
	proofKey(ProofPrivateKey, func(jwk map[string]string) { jwk["d"] = "AAAA" }),
	proofKey(ProofSymmetricKey, func(jwk map[string]string) { clear(jwk); jwk["kty"], jwk["k"] = "oct", "AAAA" }),
	proofKey(ProofPaddedKey, func(jwk map[string]string) {
		if jwk["kty"] == "RSA" {
			jwk["n"] += "="
		} else {
			jwk["x"] += "="
		}
	}),
	{ProofAnotherKey, auth.ReasonBindingNotProved, issuer.OnMembers, anotherKey},
	proofClaim(ProofNoID, invalid, "jti", Absent),
	proofClaim(ProofEmptyID, invalid, "jti", ""),
	proofClaim(ProofLongID, invalid, "jti", strings.Repeat("x", 257)),
	proofClaim(ProofNumericID, invalid, "jti", 1),
	proofClaim(ProofNoMethod, invalid, "htm", Absent),
	proofClaim(ProofWrongMethod, invalid, "htm", "PATCH"),
	{ProofMethodLowerCase, invalid, issuer.OnMembers, func(t *issuer.Draft) error {
		return Claims{"htm": strings.ToLower(fmt.Sprint(t.Claims["htm"]))}.apply(t)
	}},
	proofClaim(ProofNoURI, invalid, "htu", Absent),
	proofURI(ProofWrongHost, func(uri string) string { _, path := splitURI(uri); return "https://other.example" + path }),
	proofURI(ProofWrongScheme, func(uri string) string {
		if rest, ok := strings.CutPrefix(uri, "https:"); ok {
			return "http:" + rest
		}
		return "https" + strings.TrimPrefix(uri, "http")
	}),
	proofURI(ProofWrongPath, func(uri string) string { return uri + "x" }),
	proofURI(ProofPathUpperCase, func(uri string) string { origin, path := splitURI(uri); return origin + strings.ToUpper(path) + "X" }),
	proofURI(ProofRelativeURI, func(uri string) string { _, path := splitURI(uri); return path }),
	proofClaim(ProofNoTokenHash, invalid, "ath", Absent),
	proofClaim(ProofWrongTokenHash, invalid, "ath", strings.Repeat("A", 43)),
	proofClaim(ProofNoIssuedAt, invalid, "iat", Absent),
	{ProofIssuedAtText, invalid, issuer.OnMembers, func(t *issuer.Draft) error {
		return Claims{"iat": fmt.Sprint(t.Claims["iat"])}.apply(t)
	}},
	proofTime(ProofOld, auth.ReasonProofExpired, "iat", -time.Hour),
	proofTime(ProofAhead, auth.ReasonProofExpired, "iat", time.Hour),
	proofTime(ProofEnded, invalid, "exp", -time.Hour),
	proofTime(ProofNotYet, invalid, "nbf", time.Hour),
	{ProofDuplicateClaim, invalid, issuer.OnJSON, func(t *issuer.Draft) error {
		t.ClaimsJSON = []byte(member(string(t.ClaimsJSON), fmt.Sprintf(`"htm":%q`, t.Claims["htm"])))
		return nil
	}},
	{ProofClaimsArray, invalid, issuer.OnJSON, func(t *issuer.Draft) error {
		t.ClaimsJSON = []byte("[" + string(t.ClaimsJSON) + "]")
		return nil
	}},
	{ProofBadSignature, invalid, issuer.OnSigned, func(t *issuer.Draft) error { t.Signature[len(t.Signature)/3] ^= 1; return nil }},
	{ProofUnsignedKey, invalid, issuer.OnEncoded, func(t *issuer.Draft) error {
		key, err := anotherOf(t)
		t.Key = key
		return err
	}},
	{ProofSignatureOfToken, invalid, issuer.OnSigned, func(t *issuer.Draft) error {
		t.EncodedClaims = issuer.Encode([]byte(member(string(t.ClaimsJSON), `"x":1`)))
		return nil
	}},
}

// symmetricProof signs by HMAC with the public key's text (RFC 8725 §2.1).
func symmetricProof(t *issuer.Draft) error {
	t.EncodedHeader = issuer.Encode([]byte(strings.Replace(string(t.HeaderJSON), `"alg":"`+t.Algorithm+`"`, `"alg":"HS256"`, 1)))
	mac := hmac.New(sha256.New, []byte(fmt.Sprint(t.Key.PublicMembers())))
	mac.Write([]byte(t.Input()))
	t.Signature = mac.Sum(nil)
	return nil
}

// otherAlgorithm names an algorithm that is accepted, but of other keys.
func otherAlgorithm(t *issuer.Draft) error {
	other := auth.ES256
	if t.Algorithm == other.String() {
		other = auth.EdDSA
	}
	return Header{"alg": other.String()}.apply(t)
}

func anotherKey(t *issuer.Draft) error {
	key, err := anotherOf(t)
	if err != nil {
		return err
	}
	t.Key = key
	return Header{"jwk": key.PublicMembers()}.apply(t)
}

// anotherOf returns a key of the same algorithm that nobody holds.
func anotherOf(t *issuer.Draft) (*issuer.Key, error) {
	for _, a := range []auth.Algorithm{auth.RS256, auth.PS256, auth.ES256, auth.ES384, auth.ES512, auth.EdDSA} {
		if a.String() == t.Algorithm {
			key, err := keyPool.acquire(a)
			return &issuer.Key{Private: key}, err
		}
	}
	return nil, fmt.Errorf("no other key for %s", t.Algorithm)
}

func (d ProofDefect) change() issuer.Change {
	r := d.spec()
	if r == nil {
		return issuer.Change{Apply: func(*issuer.Draft) error {
			return fmt.Errorf("%q is not a ProofDefect; ProofDefects lists them", string(d))
		}}
	}
	return issuer.Change{At: r.at, Apply: r.make}
}

// ProofDefects returns every ProofDefect, for tables of tests.
func ProofDefects() []ProofDefect {
	all := make([]ProofDefect, len(proofSpecs))
	for i := range proofSpecs {
		all[i] = proofSpecs[i].defect
	}
	return all
}

// Reason returns why a Guard with a dpop.Binding of the defaults refuses a proof with the defect,
// and "" for a text that is no ProofDefect.
func (d ProofDefect) Reason() auth.Reason {
	if r := d.spec(); r != nil {
		return r.reason
	}
	return ""
}

func (d ProofDefect) spec() *proofSpec {
	i := slices.IndexFunc(proofSpecs[:], func(r proofSpec) bool { return r.defect == d })
	if i < 0 {
		return nil
	}
	return &proofSpecs[i]
}
