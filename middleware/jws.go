package auth

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/bearward/bearward/jwks"
)

// signatures checks signatures through jwx, one prepared verifier per allowed algorithm; those of PSS see verifyPSS. It is immutable.
type signatures [algorithms]jws.Verifier

func newSignatures(allowed []Algorithm) (*signatures, error) {
	s := new(signatures)
	for _, a := range allowed {
		v, err := jws.NewVerifier(jwa.SignatureAlgorithm(a.String()))
		if err != nil {
			return nil, fmt.Errorf("auth: Config.Algorithms: %s: %w", a, err)
		}
		s[a] = v
	}
	return s, nil
}

// verify reports whether signature is k's, under a, over the exact bytes of input. The caller has seen that k fits a.
func (s *signatures) verify(a Algorithm, k *jwks.Key, input, signature []byte) bool {
	if c := a.curve(); c != nil && len(signature) != 2*((c.Params().BitSize+7)/8) { // RFC 7518 §3.4; a DER form is refused, as jwx does too
		return false
	}
	if a.isPSS() { // check: pss-salt
		return verifyPSS(a, k.Public.(*rsa.PublicKey), input, signature)
	}
	return s[a].Verify(input, signature, publicOnly{k.Public}) == nil // check: signature
}

// verifyPSS asks crypto/rsa itself, since jwx takes a salt of any length: RFC 7518 §3.5 makes it as long as the hash.
func verifyPSS(a Algorithm, k *rsa.PublicKey, input, signature []byte) bool {
	var h crypto.Hash
	var digest []byte
	switch a {
	case PS256:
		sum := sha256.Sum256(input)
		h, digest = crypto.SHA256, sum[:]
	case PS384:
		sum := sha512.Sum384(input)
		h, digest = crypto.SHA384, sum[:]
	default:
		sum := sha512.Sum512(input)
		h, digest = crypto.SHA512, sum[:]
	}
	return rsa.VerifyPSS(k, h, digest, signature, pssOptions) == nil // check: signature-pss
}

var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

// publicOnly carries a public key to jwx as a crypto.Signer, the form that it takes without reflection. It cannot sign.
type publicOnly struct{ public crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.public }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("auth: a public key cannot sign")
}
