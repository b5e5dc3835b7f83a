package jose

import (
	"crypto"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Sign returns the signature of key over input in the form that alg prescribes (RFC 7518 §3).
func Sign(alg string, key crypto.Signer, input []byte) ([]byte, error) {
	s, err := jws.NewSigner(jwa.SignatureAlgorithm(alg))
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", alg, err)
	}
	signature, err := s.Sign(input, key)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", alg, err)
	}
	return signature, nil
}
