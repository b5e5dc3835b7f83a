package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Signatures checks signatures through jwx, one prepared verifier per allowed algorithm; those of
// PSS see verifyPSS. It is immutable, and safe for concurrent use.
type Signatures struct {
	allowed [Algorithms]jws.Verifier
}

// NewSignatures returns the Signatures of the allowed algorithms.
func NewSignatures(allowed ...Algorithm) (*Signatures, error) {
	s := new(Signatures)
	for _, a := range allowed {
		v, err := jws.NewVerifier(jwa.SignatureAlgorithm(a.String()))
		if err != nil {
			return nil, err
		}
		s.allowed[a] = v
	}
	return s, nil
}

// Verify reports whether signature is public's, under the allowed algorithm a, over the exact bytes
// of input. A key that does not fit a verifies nothing.
func (s *Signatures) Verify(a Algorithm, public crypto.PublicKey, input, signature []byte) bool {
	if !a.Known() || s.allowed[a] == nil || !a.Fits(public) {
		return false
	}
	if c := a.Curve(); c != nil && len(signature) != 2*((c.Params().BitSize+7)/8) { // RFC 7518 §3.4; a DER form is refused, as jwx does too
		return false
	}
	if algorithms[a].pss { // check: pss-salt
		return verifyPSS(algorithms[a].hash, public.(*rsa.PublicKey), input, signature)
	}
	return s.allowed[a].Verify(input, signature, signerOf(public)) == nil // check: signature
}

// verifyPSS asks crypto/rsa itself, since jwx takes a salt of any length: RFC 7518 §3.5 makes it as
// long as the hash.
func verifyPSS(hash crypto.Hash, k *rsa.PublicKey, input, signature []byte) bool {
	var digest []byte
	switch hash {
	case crypto.SHA256:
		sum := sha256.Sum256(input)
		digest = sum[:]
	case crypto.SHA384:
		sum := sha512.Sum384(input)
		digest = sum[:]
	default:
		sum := sha512.Sum512(input)
		digest = sum[:]
	}
	return rsa.VerifyPSS(k, hash, digest, signature, pssOptions) == nil // check: signature-pss
}

var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

// signerOf carries a public key to jwx as a crypto.Signer, the form that it takes without
// reflection. It cannot sign. The two kinds of keys that are pointers take no memory for that.
func signerOf(public crypto.PublicKey) crypto.Signer {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return (*publicRSA)(public)
	case *ecdsa.PublicKey:
		return (*publicEC)(public)
	}
	return publicOnly{public}
}

type (
	publicRSA  rsa.PublicKey
	publicEC   ecdsa.PublicKey
	publicOnly struct{ public crypto.PublicKey }
)

func (p *publicRSA) Public() crypto.PublicKey { return (*rsa.PublicKey)(p) }
func (p *publicEC) Public() crypto.PublicKey  { return (*ecdsa.PublicKey)(p) }
func (p publicOnly) Public() crypto.PublicKey { return p.public }

var errNoPrivateKey = errors.New("jose: a public key cannot sign")

func (*publicRSA) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errNoPrivateKey
}
func (*publicEC) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errNoPrivateKey
}
func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errNoPrivateKey
}
