package jwks

import (
	"bytes"
	"crypto/ed25519"
	"math/big"
	"slices"

	"github.com/bearward/bearward/internal/jose"
)

// maxRSAExponent is the greatest that crypto/rsa takes.
const maxRSAExponent = 1<<31 - 1

// A jwk holds the members of one published key that matter here, each of its right type. All else
// is left out: certificates, URLs and private parts go no further.
type jwk struct {
	kid, kty, use, alg, crv string
	n, e, x, y              []byte
	ops                     []string
	private                 bool // published with its private part
}

// jwkMembers are the members that decide what a key is, and so may stand in it once.
var jwkMembers = []string{"kid", "kty", "use", "alg", "crv", "key_ops", "n", "e", "x", "y"}

// readKey reads one element of a set.
func readKey(value jose.Published) (jwk, SkipReason) {
	var k jwk
	var reason SkipReason
	err := value.Members(jwkMembers, func(name string, value jose.Published) error {
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

// set takes one member. What is empty is as if absent.
func (k *jwk) set(name string, value jose.Published) SkipReason {
	if value.IsEmpty() { // check: empty-member
		return ""
	}
	ok := true
	switch name {
	case "kid":
		k.kid, ok = value.Text()
		if !ok || len(k.kid) > jose.MaxKeyID { // check: kid
			k.kid = ""
			return SkipKeyID
		}
	case "kty":
		k.kty, ok = value.Text()
	case "use":
		k.use, ok = value.Text()
	case "alg":
		k.alg, ok = value.Text()
	case "crv":
		k.crv, ok = value.Text()
	case "key_ops":
		k.ops, ok = value.Texts()
	case "n":
		k.n, ok = value.Octets()
	case "e":
		k.e, ok = value.Octets()
	case "x":
		k.x, ok = value.Octets()
	case "y":
		k.y, ok = value.Octets()
	case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
		k.private = true
	}
	if !ok {
		return SkipMalformed
	}
	return ""
}

// coordinate returns b at exactly size bytes: some encoders leave out leading zeros, and some add
// one for a sign (RFC 7518 §6.2.1.2 wants neither). One that does not fit stays as it is, and is no
// point's.
func coordinate(b []byte, size int) []byte {
	b = bytes.TrimLeft(b, "\x00")
	full := make([]byte, max(size, len(b)))
	copy(full[len(full)-len(b):], b)
	return full
}

// check tells why k is not used, or the algorithm that it is bound to: its own, its curve's, or
// none for an RSA key without "alg".
func (k *jwk) check() (alg string, reason SkipReason) {
	switch {
	case k.kty == "oct": // check: symmetric
		return "", SkipSymmetric
	case k.kty == "":
		return "", SkipMalformed
	case k.kty != "RSA" && k.kty != "EC" && k.kty != "OKP":
		return "", SkipKeyType
	case k.use != "" && k.use != "sig": // check: use
		return "", SkipUse
	case k.ops != nil && !slices.Contains(k.ops, "verify"): // check: key-ops
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

func (k *jwk) checkRSA() (string, SkipReason) {
	if k.alg != "" && !jose.AlgorithmNamed(k.alg).IsRSA() { // check: rsa-alg
		return "", SkipAlgorithm
	}
	n, e := new(big.Int).SetBytes(k.n), new(big.Int).SetBytes(k.e)
	switch {
	case len(k.n) == 0 || len(k.e) == 0:
		return "", SkipMalformed
	case n.BitLen() < jose.MinRSABits: // check: rsa-short
		return "", SkipRSASize
	case n.BitLen() > jose.MaxRSABits: // check: rsa-long
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

// checkEC knows the one algorithm of each curve (RFC 7518 §3.4).
func (k *jwk) checkEC() (string, SkipReason) {
	alg := jose.AlgorithmOfCurve(k.crv)
	if alg.Curve() == nil {
		return "", SkipCurve
	}
	switch {
	case k.alg != "" && k.alg != alg.String(): // check: ec-alg
		return "", SkipAlgorithm
	case len(k.x) == 0 || len(k.y) == 0:
		return "", SkipMalformed
	}
	return alg.String(), ""
}

// checkOKP takes Ed25519 under both names of its algorithm (RFC 8037 §3.1, RFC 9864 §2.2), and
// neither Ed448 nor the curves of key agreement.
func (k *jwk) checkOKP() (string, SkipReason) {
	switch {
	case jose.AlgorithmOfCurve(k.crv) != jose.EdDSA: // check: okp-curve
		return "", SkipCurve
	case k.alg != "" && jose.AlgorithmNamed(k.alg) != jose.EdDSA: // check: okp-alg
		return "", SkipAlgorithm
	case len(k.x) == 0:
		return "", SkipMalformed
	case len(k.x) != ed25519.PublicKeySize: // check: ed25519-length
		return "", SkipEdKeySize // crypto/ed25519 panics on it
	}
	return jose.EdDSA.String(), ""
}
