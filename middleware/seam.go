package auth

import (
	"context"

	"github.com/bearward/bearward/internal/seam"
	"github.com/bearward/bearward/jwks"
)

// What the test bench asks of a Verifier's parts. The strings are as good as any: no claim is read.
func init() {
	verifier := func(keys jwks.Source) (*Verifier, error) {
		return NewVerifier(keys, Config{Issuer: "https://issuer.example", Audiences: []string{"vectors"}, CacheSize: -1})
	}
	seam.VerifyJWS = func(ctx context.Context, keys jwks.Source, raw string) ([]byte, error) {
		v, err := verifier(keys)
		if err != nil {
			return nil, err
		}
		payload, refused := v.verifyJWS(ctx, raw)
		if refused != nil {
			return nil, refused
		}
		return payload, nil
	}
	seam.VerifySignature = func(alg string, k *jwks.Key, input, signature []byte) bool {
		v, err := verifier(jwks.Static{k})
		if err != nil {
			return false
		}
		a := algorithmNamed(alg)
		return a != 0 && v.usable(k, header{alg: a, kid: k.ID, hasKid: true}) && v.signatures.verify(a, k, input, signature)
	}
}

// verifyJWS is judge without the claims.
func (v *Verifier) verifyJWS(ctx context.Context, raw string) ([]byte, *Error) {
	s := new(scratch)
	parts, err := v.split(raw)
	if err != nil {
		return nil, err
	}
	if doc, err := decodeBase64(nil, parts.header); err == nil {
		if h, err := s.claims.readHeader(doc); err == nil {
			v.config.Types = []string{mediaType(h.typ)}
		}
	}
	head, err := v.header(s, parts)
	if err != nil {
		return nil, err
	}
	payload, bad := decodeBase64(nil, parts.payload)
	if bad != nil {
		return nil, errMalformedToken
	}
	if s.signature, bad = decodeBase64(s.signature, parts.signature); bad != nil {
		return nil, errMalformedToken
	}
	candidates, err := v.held(head)
	if err == nil && candidates == nil {
		candidates, err = v.fetched(ctx, head)
	}
	if err != nil {
		return nil, err
	}
	if v.signer(s, head.alg, candidates, parts) == nil {
		return nil, &Error{Reason: ReasonSignatureInvalid}
	}
	return payload, nil
}
