package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
)

// An Algorithm is a JWS signature algorithm. "none" and the HMAC family cannot be expressed: a
// resource server holds nothing but public keys (RFC 8725 §3.1, §3.2). The zero Algorithm is none.
type Algorithm uint8

// The algorithms (RFC 7518 §3.1, RFC 8037 §3.1). EdDSA means Ed25519, under both its names: "EdDSA"
// and "Ed25519" (RFC 9864 §2.2).
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

// Bounds of published keys. Those of an RSA modulus are in bits: the lower one is RFC 7518 §3.3's,
// the upper one bounds the work that a key can cause. That of a key ID is in bytes.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
	MaxKeyID   = 256
)

// MaxCandidates is how many keys are tried for one token. Rotation in place needs two for a while;
// each costs a signature check.
const MaxCandidates = 3

// A keyKind is the JWK type of an algorithm's keys (RFC 7518 §6.1, RFC 8037 §2).
type keyKind uint8

const (
	kindRSA keyKind = iota + 1
	kindEC
	kindOKP
)

// algorithms is the one table of what an algorithm is.
var algorithms = [...]struct {
	name  string
	kind  keyKind
	hash  crypto.Hash    // of an RSA algorithm
	pss   bool           // RSASSA-PSS (RFC 7518 §3.5)
	curve elliptic.Curve // of an ECDSA algorithm, which has one (RFC 7518 §3.4)
	crv   string         // the curve's name in a JWK
}{
	RS256: {name: "RS256", kind: kindRSA, hash: crypto.SHA256},
	RS384: {name: "RS384", kind: kindRSA, hash: crypto.SHA384},
	RS512: {name: "RS512", kind: kindRSA, hash: crypto.SHA512},
	PS256: {name: "PS256", kind: kindRSA, hash: crypto.SHA256, pss: true},
	PS384: {name: "PS384", kind: kindRSA, hash: crypto.SHA384, pss: true},
	PS512: {name: "PS512", kind: kindRSA, hash: crypto.SHA512, pss: true},
	ES256: {name: "ES256", kind: kindEC, curve: elliptic.P256(), crv: "P-256"},
	ES384: {name: "ES384", kind: kindEC, curve: elliptic.P384(), crv: "P-384"},
	ES512: {name: "ES512", kind: kindEC, curve: elliptic.P521(), crv: "P-521"},
	EdDSA: {name: "EdDSA", kind: kindOKP, crv: "Ed25519"},
}

// Algorithms is one more than the greatest Algorithm: the length of an array that they index.
const Algorithms = int(EdDSA) + 1

// FAPI2 returns the algorithms that the FAPI 2.0 Security Profile allows (§5.4.1).
func FAPI2() []Algorithm { return []Algorithm{PS256, ES256, EdDSA} }

// Ed25519Name is the second name of EdDSA (RFC 9864 §2.2).
const Ed25519Name = "Ed25519"

// Known reports whether a is one of the constants.
func (a Algorithm) Known() bool { return a >= RS256 && a <= EdDSA }

// String returns the name that a token's "alg" carries.
func (a Algorithm) String() string {
	if !a.Known() {
		return fmt.Sprintf("Algorithm(%d)", uint8(a))
	}
	return algorithms[a].name
}

// AlgorithmNamed returns the algorithm of that exact name, and 0 for any other. The comparison is
// case-sensitive (RFC 7515 §4.1.1).
func AlgorithmNamed(name string) Algorithm {
	if name == Ed25519Name {
		return EdDSA
	}
	for a := RS256; a <= EdDSA; a++ {
		if algorithms[a].name == name {
			return a
		}
	}
	return 0
}

// AlgorithmOfCurve returns the one algorithm of the curve that a JWK's "crv" names, and 0 for any
// other curve.
func AlgorithmOfCurve(crv string) Algorithm {
	for a := ES256; a <= EdDSA; a++ {
		if algorithms[a].crv == crv {
			return a
		}
	}
	return 0
}

// IsRSA reports whether a key of a is an RSA key. Many algorithms fit an RSA key; every other key
// has one alone.
func (a Algorithm) IsRSA() bool { return a.Known() && algorithms[a].kind == kindRSA }

// Curve returns the one curve of an ECDSA algorithm, and nil for the others.
func (a Algorithm) Curve() elliptic.Curve {
	if !a.Known() {
		return nil
	}
	return algorithms[a].curve
}

// AlgorithmOf returns the one algorithm that public verifies, or 0 for an RSA key, which could
// verify several, and for no key.
func AlgorithmOf(public crypto.PublicKey) Algorithm {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		for a := ES256; a <= ES512; a++ {
			if public != nil && algorithms[a].curve == public.Curve {
				return a
			}
		}
	case ed25519.PublicKey:
		return EdDSA
	}
	return 0
}

// Fits reports whether the key's type, curve and size are those of a.
func (a Algorithm) Fits(public crypto.PublicKey) bool {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public == nil || public.N == nil || !a.IsRSA() { // check: key-type-rsa
			return false
		}
		bits := public.N.BitLen()
		return bits >= MinRSABits && bits <= MaxRSABits // check: rsa-bits
	case *ecdsa.PublicKey:
		//lint:ignore SA1019 it is only asked whether there is a point: without one, verification panics
		return public != nil && public.X != nil && public.Y != nil && public.Curve != nil && public.Curve == a.Curve() // check: ec-curve
	case ed25519.PublicKey:
		return a == EdDSA && len(public) == ed25519.PublicKeySize // check: ed25519-length
	}
	return false
}
