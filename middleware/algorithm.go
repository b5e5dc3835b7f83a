package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"

	"github.com/bearward/bearward/jwks"
)

// An Algorithm is a JWS signature algorithm that a [Verifier] can accept. "none" and the HMAC family cannot be expressed: a
// resource server holds nothing but public keys (RFC 8725 §3.1, §3.2).
type Algorithm uint8

// The algorithms (RFC 7518 §3.1, RFC 8037 §3.1). EdDSA means Ed25519, under both its names: "EdDSA" and "Ed25519" (RFC 9864 §2.2).
const (
	RS256 Algorithm = iota + 1
	RS384
	RS512
	PS256
	PS384
	PS512
	ES256
	ES384
	ES512
	EdDSA
)

const algorithms = int(EdDSA) + 1

// Bounds of an RSA modulus, in bits: the lower one is RFC 7518 §3.3's, the upper one bounds the work that a key can cause.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// String returns the name that a token's "alg" carries.
func (a Algorithm) String() string {
	switch a {
	case RS256:
		return "RS256"
	case RS384:
		return "RS384"
	case RS512:
		return "RS512"
	case PS256:
		return "PS256"
	case PS384:
		return "PS384"
	case PS512:
		return "PS512"
	case ES256:
		return "ES256"
	case ES384:
		return "ES384"
	case ES512:
		return "ES512"
	case EdDSA:
		return "EdDSA"
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// algorithmNamed returns the algorithm of that exact name, and 0 for any other. The comparison is case-sensitive (RFC 7515 §4.1.1).
func algorithmNamed(name string) Algorithm {
	switch name {
	case "RS256":
		return RS256
	case "RS384":
		return RS384
	case "RS512":
		return RS512
	case "PS256":
		return PS256
	case "PS384":
		return PS384
	case "PS512":
		return PS512
	case "ES256":
		return ES256
	case "ES384":
		return ES384
	case "ES512":
		return ES512
	case "EdDSA", "Ed25519":
		return EdDSA
	}
	return 0
}

func (a Algorithm) isRSA() bool { return a >= RS256 && a <= PS512 }

func (a Algorithm) isPSS() bool { return a >= PS256 && a <= PS512 }

// curve returns the one curve of an ECDSA algorithm (RFC 7518 §3.4), and nil for the others.
func (a Algorithm) curve() elliptic.Curve {
	switch a {
	case ES256:
		return elliptic.P256()
	case ES384:
		return elliptic.P384()
	case ES512:
		return elliptic.P521()
	}
	return nil
}

// bound returns the one algorithm that k verifies, or 0 when it verifies none. An RSA key published without "alg" is bound to
// rsaDefault, so that no key ever verifies under two algorithms (RFC 8725 §3.1).
func bound(k *jwks.Key, rsaDefault Algorithm) Algorithm {
	if k.Algorithm != "" {
		return algorithmNamed(k.Algorithm)
	}
	switch pub := k.Public.(type) {
	case *rsa.PublicKey:
		return rsaDefault
	case *ecdsa.PublicKey:
		for a := ES256; a <= ES512; a++ {
			if a.curve() == pub.Curve {
				return a
			}
		}
	case ed25519.PublicKey:
		return EdDSA
	}
	return 0
}

// fits reports whether the key's type, curve and size are those of a. Sources other than a Cache may hand out anything, so this is
// asked for every token.
func (a Algorithm) fits(k *jwks.Key) bool {
	switch pub := k.Public.(type) {
	case *rsa.PublicKey:
		if pub == nil || pub.N == nil || !a.isRSA() { // check: key-type-rsa
			return false
		}
		bits := pub.N.BitLen()
		return bits >= minRSABits && bits <= maxRSABits // check: rsa-bits
	case *ecdsa.PublicKey:
		//lint:ignore SA1019 it is only asked whether there is a point: without one, verification panics
		return pub != nil && pub.X != nil && pub.Y != nil && pub.Curve != nil && pub.Curve == a.curve() // check: ec-curve
	case ed25519.PublicKey:
		return a == EdDSA && len(pub) == ed25519.PublicKeySize // check: ed25519-length
	}
	return false
}
