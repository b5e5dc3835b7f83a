package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// A ProofKey is the public key that a proof of possession carries in its header (RFC 9449 §4.2).
type ProofKey struct {
	Public     crypto.PublicKey
	Thumbprint [sha256.Size]byte // RFC 7638
}

// ErrProofKey is any fault of a proof's key. It says no more, since the key is the caller's.
var ErrProofKey = errors.New("not a public key in its one spelling")

// ErrPrivateKey is an ErrProofKey with a private or symmetric part.
var ErrPrivateKey = fmt.Errorf("%w: it is not public", ErrProofKey)

// maxProofKeyText bounds a member of a proof's key: the modulus of MaxRSABits, in base64url.
const maxProofKeyText = (MaxRSABits/8*4 + 2) / 3

// ProofKey reads the JWK v of doc, a header that a caller sent and Header read. Every member has
// one spelling, base64url of the exact length, since the thumbprint is a hash of the text (RFC 7638
// §3.3); the liberal reading of what an issuer publishes is not for callers.
func (r *Reader) ProofKey(doc []byte, v Value) (ProofKey, error) {
	if v.Kind != '{' {
		return ProofKey{}, ErrProofKey
	}
	text := string(doc)
	var k proofMembers
	err := r.members(doc, v, func(name []byte, v Value) error {
		var err error
		switch string(name) {
		case "kty":
			k.kty, err = Text(text, v)
		case "crv":
			k.crv, err = Text(text, v)
		case "x":
			k.x, err = Text(text, v)
		case "y":
			k.y, err = Text(text, v)
		case "n":
			k.n, err = Text(text, v)
		case "e":
			k.e, err = Text(text, v)
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
			// check: proof-key-private
			return ErrPrivateKey
		}
		return err
	})
	if errors.Is(err, ErrPrivateKey) {
		return ProofKey{}, ErrPrivateKey
	}
	if err != nil {
		return ProofKey{}, ErrProofKey
	}
	return k.key()
}

// proofMembers are the members of a key that its thumbprint is made of.
type proofMembers struct{ kty, crv, x, y, n, e string }

func (k *proofMembers) key() (ProofKey, error) {
	switch k.kty {
	case "EC":
		return k.ec()
	case "OKP":
		return k.okp()
	case "RSA":
		return k.rsa()
	}
	return ProofKey{}, ErrProofKey
}

func (k *proofMembers) ec() (ProofKey, error) {
	curve := AlgorithmOfCurve(k.crv).Curve()
	if curve == nil {
		return ProofKey{}, ErrProofKey
	}
	size := (curve.Params().BitSize + 7) / 8
	point := make([]byte, 1, 1+2*size+2) // DecodeBase64 needs two more
	point[0] = 4                         // uncompressed
	for _, part := range [...]string{k.x, k.y} {
		var ok bool
		if point, ok = appendOctets(point, part, size); !ok {
			return ProofKey{}, ErrProofKey
		}
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil { // check: proof-key-point
		return ProofKey{}, ErrProofKey
	}
	return ProofKey{public, thumbprint(`{"crv":"`, k.crv, `","kty":"EC","x":"`, k.x, `","y":"`, k.y, `"}`)}, nil
}

func (k *proofMembers) okp() (ProofKey, error) {
	x, ok := appendOctets(nil, k.x, ed25519.PublicKeySize)
	if k.crv != "Ed25519" || !ok {
		return ProofKey{}, ErrProofKey
	}
	return ProofKey{ed25519.PublicKey(x), thumbprint(`{"crv":"Ed25519","kty":"OKP","x":"`, k.x, `"}`)}, nil
}

func (k *proofMembers) rsa() (ProofKey, error) {
	n, ok := appendOctets(nil, k.n, -1)
	e, ok2 := appendOctets(nil, k.e, -1)
	if !ok || !ok2 || len(e) > 4 {
		return ProofKey{}, ErrProofKey
	}
	exponent := 0
	for _, b := range e {
		exponent = exponent<<8 | int(b)
	}
	modulus := new(big.Int).SetBytes(n)
	bits := modulus.BitLen()
	if bits < MinRSABits || bits > MaxRSABits || modulus.Bit(0) == 0 { // check: proof-key-modulus
		return ProofKey{}, ErrProofKey
	}
	if exponent < 3 || exponent%2 == 0 || exponent > 1<<31-1 { // check: proof-key-exponent
		return ProofKey{}, ErrProofKey
	}
	return ProofKey{&rsa.PublicKey{N: modulus, E: exponent}, thumbprint(`{"e":"`, k.e, `","kty":"RSA","n":"`, k.n, `"}`)}, nil
}

// appendOctets appends what a member encodes to dst: exactly size bytes, or with -1 a number
// without leading zeros.
func appendOctets(dst []byte, text string, size int) ([]byte, bool) {
	if text == "" || len(text) > maxProofKeyText {
		return nil, false
	}
	if strings.ContainsAny(text, "\r\n") { // check: proof-key-line-break
		return nil, false // encoding/base64 passes over these
	}
	b, err := DecodeBase64(dst, text)
	if err != nil {
		return nil, false
	}
	if size < 0 && b[len(dst)] == 0 { // check: proof-key-leading-zero
		return nil, false
	}
	if size >= 0 && len(b) != len(dst)+size { // check: proof-key-length
		return nil, false
	}
	return b, true
}

// thumbprint returns the hash of the key's canonical JSON (RFC 7638 §3).
func thumbprint(parts ...string) [sha256.Size]byte {
	doc := make([]byte, 0, 1500)
	for _, p := range parts {
		doc = append(doc, p...)
	}
	return sha256.Sum256(doc)
}
