package jwks

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
)

var (
	// ErrUnknownKey is returned by a Source that can tell that the issuer publishes no such key. A
	// token under that key ID is refused.
	ErrUnknownKey = errors.New("jwks: the issuer publishes no such key")

	// ErrUnavailable is returned by a Source that cannot tell, because no usable key set is
	// available. A token with that key is not judged.
	ErrUnavailable = errors.New("jwks: key not available")

	// ErrClosed means that the Cache was closed. It wraps ErrUnavailable.
	ErrClosed = fmt.Errorf("%w: the cache is closed", ErrUnavailable)
)

// A Source finds the public keys of one issuer. [Cache] and [Static] are such: write another only
// for keys that come some other way. Implementations must be safe for concurrent use.
//
// A Source belongs to one issuer. Give every issuer a Source of its own, so that a key of one can
// never verify a token of another (RFC 8725 §3.8).
type Source interface {
	// Keys returns the keys whose ID is kid, or every key when kid is empty. Its error wraps
	// ErrUnknownKey when the issuer publishes no such key, and ErrUnavailable when it cannot tell.
	// It never returns an empty slice with a nil error. The slice and the keys are shared between
	// callers: read only.
	Keys(ctx context.Context, kid string) ([]*Key, error)
}

// A Key is a public key that verifies an issuer's tokens. It is immutable once a Source has
// returned it.
//
// A Cache keeps a Key's pointer across refreshes while its ID, material, algorithm and use stay the
// same. So the pointer tells whether a key is still the one that verified an earlier token.
type Key struct {
	// ID is the "kid" (RFC 7517 §4.5), empty when the key has none.
	ID string
	// Algorithm is the JOSE name of the one algorithm that the key may verify. It is empty only for
	// an RSA key published without "alg": such a key is bound to one algorithm by the verifier that
	// uses it.
	Algorithm string
	// Public is a *rsa.PublicKey, a *ecdsa.PublicKey or an ed25519.PublicKey.
	Public crypto.PublicKey
}

// String names the key by its ID and algorithm, such as "2026-11 (EdDSA)".
func (k *Key) String() string {
	alg := k.Algorithm
	if alg == "" {
		alg = "RSA"
	}
	return fmt.Sprintf("%s (%s)", k.ID, alg)
}

// equal tells whether the two keys are the same in all that a verifier sees.
func (k *Key) equal(other *Key) bool {
	if k.ID != other.ID || k.Algorithm != other.Algorithm { // check: key-algorithm-changed
		return false
	}
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return public.Equal(other.Public)
	case *ecdsa.PublicKey:
		return public.Equal(other.Public)
	case ed25519.PublicKey:
		o, ok := other.Public.(ed25519.PublicKey)
		return ok && bytes.Equal(public, o)
	}
	return false
}

// Static is a fixed set of keys: a Source for tests and for issuers whose keys are delivered with
// the program. [Parse] makes one from a JSON document. The zero Static holds no key. It is safe for
// concurrent use while nobody changes it.
type Static []*Key

var errNotInSet = fmt.Errorf("%w: the static set lacks it", ErrUnknownKey)

// Keys returns the keys whose ID is kid, or every key when kid is empty.
func (s Static) Keys(_ context.Context, kid string) ([]*Key, error) { return s.Held(kid) }

// Held is Keys: a Static holds all there is.
func (s Static) Held(kid string) ([]*Key, error) {
	if kid == "" && len(s) > 0 {
		return s, nil
	}
	var found []*Key
	for i, k := range s {
		switch {
		case k == nil || k.ID != kid:
		case found == nil:
			found = s[i : i+1 : i+1] // the usual one key, without a copy
		default:
			found = append(found, k)
		}
	}
	if found == nil {
		return nil, errNotInSet
	}
	return found, nil
}
