package jwks

import (
	"crypto/elliptic"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a published key.
const (
	maxKeyID       = 256 // bytes of a "kid"
	minRSABits     = 2048
	maxRSABits     = 8192 // a larger modulus makes each verification a burden
	maxRSAExponent = 1<<31 - 1
	edKeySize      = 32 // bytes (RFC 8037 §2)
)

// A jwk holds the members of one published key that matter here, each of its right type. All else is left out: certificates, URLs and
// private parts go no further.
type jwk struct {
	kid, kty, use, alg, crv string
	n, e, x, y              []byte
	ops                     []string
	hasUse                  bool
	hasOps                  bool
	private                 bool // published with its private part
}

// readKey reads one element of a set.
func readKey(value jsontext.Value) (jwk, SkipReason) {
	var k jwk
	var reason SkipReason
	err := members(value, func(name string, value jsontext.Value) error {
		if r := k.set(name, value); reason == "" {
			reason = r
		}
		return nil
	})
	if err != nil {
		reason = SkipMalformed
	}
	return k, reason
}

// set takes one member.
func (k *jwk) set(name string, value jsontext.Value) SkipReason {
	ok := true
	switch name {
	case "kid":
		k.kid, ok = text(value)
		if !ok || k.kid == "" || len(k.kid) > maxKeyID { // check: kid
			k.kid = ""
			return SkipKeyID
		}
	case "kty":
		k.kty, ok = text(value)
	case "use":
		k.use, ok = text(value)
		k.hasUse = true
	case "alg":
		k.alg, ok = text(value)
	case "crv":
		k.crv, ok = text(value)
	case "key_ops":
		k.ops, ok = texts(value)
		k.hasOps = true
	case "n":
		k.n, ok = octets(value)
	case "e":
		k.e, ok = octets(value)
	case "x":
		k.x, ok = octets(value)
	case "y":
		k.y, ok = octets(value)
	case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
		k.private = true
	}
	if !ok {
		return SkipMalformed
	}
	return ""
}

// octets decodes base64url without padding, strictly (RFC 7515 §2).
func octets(value jsontext.Value) ([]byte, bool) {
	s, ok := text(value)
	if !ok || s == "" {
		return nil, false
	}
	if strings.ContainsAny(s, "\r\n") { // check: base64-newline
		return nil, false // encoding/base64 passes over these, in its strict form too
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// check tells why k is not used, or the algorithm that it is bound to: its own, its curve's, or none for an RSA key without "alg".
func (k *jwk) check() (alg string, reason SkipReason) {
	switch {
	case k.kty == "oct": // check: symmetric
		return "", SkipSymmetric
	case k.kty == "":
		return "", SkipMalformed
	case k.kty != "RSA" && k.kty != "EC" && k.kty != "OKP":
		return "", SkipKeyType
	case k.hasUse && k.use != "sig": // check: use
		return "", SkipUse
	case k.hasOps && !slices.Contains(k.ops, "verify"): // check: key-ops
		return "", SkipKeyOps
	}
	switch k.kty {
	case "RSA":
		return k.checkRSA()
	case "EC":
		return k.checkEC()
	default:
		return k.checkOKP()
	}
}

// rsaAlgorithms are what an RSA key may say of itself; nothing, too.
var rsaAlgorithms = [...]string{"", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

func (k *jwk) checkRSA() (string, SkipReason) {
	if !slices.Contains(rsaAlgorithms[:], k.alg) { // check: rsa-alg
		return "", SkipAlgorithm
	}
	n, e := new(big.Int).SetBytes(k.n), new(big.Int).SetBytes(k.e)
	switch {
	case len(k.n) == 0 || len(k.e) == 0:
		return "", SkipMalformed
	case n.BitLen() < minRSABits: // check: rsa-short
		return "", SkipRSASize
	case n.BitLen() > maxRSABits: // check: rsa-long
		return "", SkipRSASize
	case n.Bit(0) == 0: // check: rsa-even-modulus
		return "", SkipMalformed // no product of two odd primes
	case !e.IsInt64() || e.Int64() > maxRSAExponent: // check: rsa-exponent-large
		return "", SkipRSAExponent
	case e.Bit(0) == 0 || e.Int64() < 3: // check: rsa-exponent-small
		return "", SkipRSAExponent // 1 makes every signature its own message
	case isROCA(n): // check: rsa-roca
		return "", SkipRSAWeak
	}
	return k.alg, ""
}

// curveNamed returns the curve of that name (RFC 7518 §6.2.1.1), and nil for any other.
func curveNamed(name string) elliptic.Curve {
	switch name {
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	}
	return nil
}

// checkEC knows the one algorithm of each curve (RFC 7518 §3.4).
func (k *jwk) checkEC() (string, SkipReason) {
	curve := curveNamed(k.crv)
	var alg string
	switch curve {
	case elliptic.P256():
		alg = "ES256"
	case elliptic.P384():
		alg = "ES384"
	case elliptic.P521():
		alg = "ES512"
	default:
		return "", SkipCurve
	}
	size := (curve.Params().BitSize + 7) / 8
	switch {
	case k.alg != "" && k.alg != alg: // check: ec-alg
		return "", SkipAlgorithm
	case len(k.x) == 0 || len(k.y) == 0:
		return "", SkipMalformed
	case len(k.x) != size || len(k.y) != size: // check: ec-coordinate
		return "", SkipPoint
	}
	return alg, ""
}

// checkOKP takes Ed25519 under both names of its algorithm (RFC 8037 §3.1, RFC 9864 §2.2), and neither Ed448 nor the curves of key agreement.
func (k *jwk) checkOKP() (string, SkipReason) {
	switch {
	case k.crv != "Ed25519": // check: okp-curve
		return "", SkipCurve
	case k.alg != "" && k.alg != "EdDSA" && k.alg != "Ed25519": // check: okp-alg
		return "", SkipAlgorithm
	case len(k.x) == 0:
		return "", SkipMalformed
	case len(k.x) != edKeySize: // check: ed25519-length
		return "", SkipEdKeySize // crypto/ed25519 panics on it
	}
	return "EdDSA", ""
}
