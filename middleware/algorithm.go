package auth

import (
	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/jwks"
)

// An Algorithm is a JWS signature algorithm that a [Verifier] can accept. "none" and the HMAC
// family cannot be expressed: a resource server holds nothing but public keys (RFC 8725 §3.1,
// §3.2).
type Algorithm uint8

// The algorithms (RFC 7518 §3.1, RFC 8037 §3.1). EdDSA means Ed25519, under both its names: "EdDSA"
// and "Ed25519" (RFC 9864 §2.2).
const (
	RS256 = Algorithm(jose.RS256)
	RS384 = Algorithm(jose.RS384)
	RS512 = Algorithm(jose.RS512)
	PS256 = Algorithm(jose.PS256)
	PS384 = Algorithm(jose.PS384)
	PS512 = Algorithm(jose.PS512)
	ES256 = Algorithm(jose.ES256)
	ES384 = Algorithm(jose.ES384)
	ES512 = Algorithm(jose.ES512)
	EdDSA = Algorithm(jose.EdDSA)
)

// String returns the name that a token's "alg" carries.
func (a Algorithm) String() string { return jose.Algorithm(a).String() }

// bound returns the one algorithm that k verifies, or 0 when it verifies none. An RSA key published
// without "alg" is bound to rsaDefault, so that no key ever verifies under two algorithms (RFC 8725
// §3.1).
func bound(k *jwks.Key, rsaDefault jose.Algorithm) jose.Algorithm {
	if k.Algorithm != "" {
		return jose.AlgorithmNamed(k.Algorithm)
	}
	if a := jose.AlgorithmOf(k.Public); a != 0 {
		return a
	}
	return rsaDefault
}
