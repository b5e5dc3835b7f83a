package auth

import (
	"context"
	"errors"

	"github.com/bearward/bearward/jwks"
)

// maxCandidates bounds how many keys of one key ID are tried for one token.
const maxCandidates = 3

// heldBy returns the function that asks source for what it can tell without I/O, nil when there is none. It goes by the type itself: a
// Source that embeds a Cache, and has Keys of its own, would be passed over.
func heldBy(source jwks.Source) func(kid string) ([]*jwks.Key, error) {
	switch s := source.(type) {
	case *jwks.Cache:
		return s.Held
	case jwks.Static:
		return s.Held
	}
	return nil
}

// held returns the candidates of h when they can be told without I/O, and neither keys nor an error when not.
func (v *Verifier) held(h header) ([]*jwks.Key, *Error) {
	// "" means every key to a Source.
	if h.hasKid && h.kid == "" { // check: kid-empty
		return nil, &Error{Reason: ReasonKeyUnknown}
	}
	if v.heldKeys == nil {
		return nil, nil
	}
	keys, err := v.heldKeys(h.kid)
	switch {
	case err == nil:
		return v.fit(keys, h)
	case errors.Is(err, jwks.ErrUnknownKey):
		return nil, v.keyFault(err)
	}
	return nil, nil
}

// fetched returns the candidates of h, which may be waited for.
func (v *Verifier) fetched(ctx context.Context, h header) ([]*jwks.Key, *Error) {
	keys, err := v.keys.Keys(ctx, h.kid)
	if err != nil {
		return nil, v.keyFault(err)
	}
	return v.fit(keys, h)
}

// fit returns those of keys that h may mean: one at least, and at most maxCandidates.
func (v *Verifier) fit(keys []*jwks.Key, h header) ([]*jwks.Key, *Error) {
	if len(keys) == 1 && v.usable(keys[0], h) {
		return keys, nil
	}
	var fit []*jwks.Key
	for _, k := range keys {
		if v.usable(k, h) {
			fit = append(fit, k)
		}
	}
	if len(fit) == 0 || !h.hasKid && len(fit) > 1 { // check: kid-less-ambiguous
		return nil, &Error{Reason: ReasonKeyUnknown}
	}
	// check: candidates-tried
	return fit[:min(len(fit), maxCandidates)], nil
}

// keyFault tells a key that the issuer does not have from one that could not be looked for.
func (v *Verifier) keyFault(err error) *Error {
	if errors.Is(err, jwks.ErrUnknownKey) { // check: key-unknown
		return &Error{Reason: ReasonKeyUnknown, Err: err}
	}
	// check: key-unavailable
	return &Error{Reason: ReasonUnavailable, Err: err}
}

// usable reports whether k may verify a token of header h: its ID, its one algorithm, its type, curve and size.
func (v *Verifier) usable(k *jwks.Key, h header) bool {
	if k == nil || h.hasKid && k.ID != h.kid { // check: key-id
		return false
	}
	if bound(k, v.rsaDefault) != h.alg { // check: key-algorithm
		return false
	}
	return h.alg.fits(k)
}

// signer returns the candidate that signed the token, or nil.
func (v *Verifier) signer(s *scratch, alg Algorithm, candidates []*jwks.Key, parts compact) *jwks.Key {
	s.input = append(s.input[:0], parts.input...)
	for _, k := range candidates {
		if v.signatures.verify(alg, k, s.input, s.signature) {
			return k
		}
	}
	return nil
}
