// Package seam lets the test bench ask the parts of a verifier that users reach only together: other people's test vectors are JWSs, keys
// and signatures, not access tokens. The middleware package fills it in; nothing that is shipped reads it.
package seam

import (
	"context"

	"github.com/bearward/bearward/jwks"
)

// VerifyJWS does what a auth.Verifier does up to the signature, with every type accepted: it splits a compact JWS, reads its header, finds
// the key in keys, and returns the payload. The error is a *auth.Error.
var VerifyJWS func(ctx context.Context, keys jwks.Source, raw string) (payload []byte, err error)

// VerifySignature reports whether k may be used under the algorithm of that name, and signature is its over the bytes of input.
var VerifySignature func(alg string, k *jwks.Key, input, signature []byte) bool
