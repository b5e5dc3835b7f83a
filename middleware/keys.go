package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/jwks"
)

// cacheLookup returns the function that asks source for what it can tell without I/O, nil when
// there is none. It goes by the type itself: a Source that embeds a Cache, and has Keys of its own,
// would be passed over.
func cacheLookup(source jwks.Source) func(kid string) ([]*jwks.Key, error) {
	switch s := source.(type) {
	case *jwks.Cache:
		return s.Held
	case jwks.Static:
		return s.Held
	}
	return nil
}

// cachedKeys returns the candidates of h when they can be told without I/O, and neither keys nor an
// error when not.
func (v *Verifier) cachedKeys(h jose.Header) ([]*jwks.Key, *Error) {
	// "" means every key to a Source.
	if h.HasKeyID && h.KeyID == "" { // check: kid-empty
		return nil, &Error{Reason: ReasonKeyUnknown, about: emptyKeyID}
	}
	if v.cacheLookup == nil {
		return nil, nil
	}
	keys, err := v.cacheLookup(h.KeyID)
	switch {
	case err == nil:
		return v.candidates(keys, h)
	case errors.Is(err, jwks.ErrUnknownKey):
		return nil, v.keyFault(err)
	}
	return nil, nil
}

// fetchKeys returns the candidates of h, which may be waited for.
func (v *Verifier) fetchKeys(ctx context.Context, h jose.Header) ([]*jwks.Key, *Error) {
	keys, err := v.keys.Keys(ctx, h.KeyID)
	if err != nil {
		return nil, v.keyFault(err)
	}
	return v.candidates(keys, h)
}

// candidates returns those of keys that h may mean: one at least, and at most jose.MaxCandidates. A
// token that names no key may mean any that its algorithm fits; where these are more, nobody can
// tell which, and all of them would cost too much.
func (v *Verifier) candidates(keys []*jwks.Key, h jose.Header) ([]*jwks.Key, *Error) {
	if len(keys) == 1 && v.matches(keys[0], h) {
		return keys, nil
	}
	var matching []*jwks.Key
	for _, k := range keys {
		if v.matches(k, h) {
			matching = append(matching, k)
		}
	}
	if len(matching) == 0 {
		v.tellKeys() // the issuer may have put a key of another algorithm in its place
		return nil, &Error{Reason: ReasonKeyUnknown, about: v.noneMatches(keys, h)}
	}
	if !h.HasKeyID && len(matching) > jose.MaxCandidates { // check: kid-less-ambiguous
		return nil, &Error{Reason: ReasonKeyUnknown, about: manyWithoutKeyID}
	}
	// check: candidates-tried
	return matching[:min(len(matching), jose.MaxCandidates)], nil
}

// What operators are told of a token without a key.
var (
	emptyKeyID       = &detail{claim: "kid", expected: "the ID of a published key", note: "kid is empty"}
	unpublishedKeyID = &detail{claim: "kid", expected: "the ID of a published key", note: "no key of that kid is published"}
	noMatchingKey    = &detail{claim: "kid", expected: "the ID of a published key", note: "no kid, and no published key is for the token's alg"}
	newerThanKeys    = &detail{claim: "kid", expected: "the ID of a published key", note: "no key of that kid was published when the keys were last fetched, which was before the token was issued"}
	manyWithoutKeyID = &detail{claim: "kid", expected: "the ID of a published key", note: "no kid, and more than 3 published keys are for the token's alg"}
)

// noneMatches tells why no one of keys, which is what was found for h, may verify its token.
func (v *Verifier) noneMatches(keys []*jwks.Key, h jose.Header) *detail {
	if !h.HasKeyID {
		return noMatchingKey
	}
	for _, k := range keys {
		if k == nil || k.ID != h.KeyID {
			continue
		}
		published := bound(k, v.rsaDefault).String()
		note := fmt.Sprintf("published for %s, the token says %s", published, h.Algorithm)
		switch {
		case published == h.Algorithm.String():
			note = "published for " + published + ", whose keys have another type, curve or size"
		case k.Algorithm == "":
			note = fmt.Sprintf("published without alg, which stands for %s (the first RSA algorithm of Config.Algorithms), the token says %s", published, h.Algorithm)
		}
		return &detail{claim: "alg", expected: published, seen: h.Algorithm.String(), note: note}
	}
	return unpublishedKeyID
}

// notYetKnown looks at a token whose key is unknown, and returns refused, which says so, or that
// the key may have been published since the keys cached were asked for: then the token is good, for
// all that can be told, and its sender should try again. Anybody can write such an iat, so it is
// heard only after iss, aud and exp, and without leeway.
func (v *Verifier) notYetKnown(s *scratch, parts jose.Compact, refused *Error, now time.Time) *Error {
	lookup, ok := errors.AsType[*jwks.LookupError](refused.Err)
	if !ok || refused.Reason != ReasonKeyUnknown || lookup.AskedAt.IsZero() {
		return refused
	}
	if v.checkBeforeFetch(s, parts, now) != nil { // check: not-yet-known-condemned
		return refused
	}
	iat, err := v.skimDate(s, skimIat)
	if err != nil || iat.Time().Before(lookup.AskedAt) { // check: not-yet-known-old
		return refused
	}
	if iat.Time().After(now) { // check: not-yet-known-future
		return refused
	}
	return &Error{Reason: ReasonKeyNotYetKnown, Err: refused.Err, about: newerThanKeys}
}

// keyFault tells a key that the issuer does not have from one that could not be looked for.
func (v *Verifier) keyFault(err error) *Error {
	if errors.Is(err, jwks.ErrUnknownKey) { // check: key-unknown
		return &Error{Reason: ReasonKeyUnknown, Err: err, about: unpublishedKeyID}
	}
	// check: key-unavailable
	return &Error{Reason: ReasonUnavailable, Err: err}
}

// matches reports whether k may verify a token of header h: its ID, its one algorithm, its type,
// curve and size.
func (v *Verifier) matches(k *jwks.Key, h jose.Header) bool {
	if k == nil || h.HasKeyID && k.ID != h.KeyID { // check: key-id
		return false
	}
	if bound(k, v.rsaDefault) != h.Algorithm { // check: key-algorithm
		return false
	}
	return h.Algorithm.Fits(k.Public)
}

// verifyingKey returns the candidate that signed the token, or nil.
func (v *Verifier) verifyingKey(s *scratch, alg jose.Algorithm, candidates []*jwks.Key, parts jose.Compact) *jwks.Key {
	s.input = append(s.input[:0], parts.Input...)
	for _, k := range candidates {
		if v.signatures.Verify(alg, k.Public, s.input, s.signature) {
			return k
		}
	}
	return nil
}
