package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A signingKey is a private key under its ID. It is immutable.
type signingKey struct {
	id      string
	private crypto.Signer
}

// A keyring holds an issuer's keys.
type keyring struct {
	tb   testing.TB
	alg  auth.Algorithm
	mu   sync.Mutex
	made int

	published []*signingKey // oldest first
	signing   *signingKey
	stranger  *signingKey // never published; made when first asked for
}

// newKeyring returns the keys of an issuer that has rotated once.
func newKeyring(tb testing.TB, alg auth.Algorithm) *keyring {
	k := &keyring{tb: tb, alg: alg}
	k.publish()
	k.signing = k.publish()
	return k
}

// make borrows a key until the test ends. The lock is held, or k is not shared yet.
func (k *keyring) make() *signingKey {
	k.tb.Helper()
	private, err := keyPool.borrow(kind(k.alg))
	if err != nil {
		k.tb.Fatalf("authtest: make a %v key: %v", k.alg, err)
	}
	k.tb.Cleanup(func() { keyPool.giveBack(kind(k.alg), private) })
	k.made++
	return &signingKey{fmt.Sprintf("key-%d", k.made), private}
}

func (k *keyring) publish() *signingKey {
	k.tb.Helper()
	key := k.make()
	k.published = append(k.published, key)
	return key
}

// unpublished returns the one key that never is.
func (k *keyring) unpublished() *signingKey {
	k.tb.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stranger == nil {
		k.stranger = k.make()
		k.stranger.id = "unpublished"
	}
	return k.stranger
}

// current returns the key that signs now.
func (k *keyring) current() *signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.signing
}

// list returns the published keys, oldest first.
func (k *keyring) list() []*signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.published)
}

// KeyID returns the ID of the key that signs now.
func (is *Issuer) KeyID() string { return is.keys.current().id }

// KeyIDs returns the IDs of the keys that are published now, oldest first.
func (is *Issuer) KeyIDs() []string {
	var ids []string
	for _, k := range is.keys.list() {
		ids = append(ids, k.id)
	}
	return ids
}

// Keys returns the public keys that are published now: a key source that needs no fetch. It does not follow later rotations.
func (is *Issuer) Keys() jwks.Static {
	var keys jwks.Static
	for _, k := range is.keys.list() {
		keys = append(keys, &jwks.Key{ID: k.id, Algorithm: is.keys.alg.String(), Public: k.private.Public()})
	}
	return keys
}

// Publish adds a new key to the key set and returns its ID. Tokens are signed with it only after [Issuer.Promote]: the two steps of a
// careful rotation.
func (is *Issuer) Publish() string {
	is.tb.Helper()
	is.keys.mu.Lock()
	defer is.keys.mu.Unlock()
	return is.keys.publish().id
}

// Promote signs tokens with the newest published key from now on, and returns its ID.
func (is *Issuer) Promote() string {
	is.tb.Helper()
	is.keys.mu.Lock()
	defer is.keys.mu.Unlock()
	if len(is.keys.published) == 0 {
		is.tb.Fatal("authtest: Promote: no key is published; call Publish first")
	}
	is.keys.signing = is.keys.published[len(is.keys.published)-1]
	return is.keys.signing.id
}

// Rotate publishes a new key, signs tokens with it from now on, and returns its ID. The earlier keys stay published.
func (is *Issuer) Rotate() string {
	is.tb.Helper()
	is.keys.mu.Lock()
	defer is.keys.mu.Unlock()
	is.keys.signing = is.keys.publish()
	return is.keys.signing.id
}

// Withdraw takes the keys of the given IDs out of the key set; with no ID, every key but the one that signs now. A key that is withdrawn
// while it signs goes on signing, as a stolen one would.
func (is *Issuer) Withdraw(ids ...string) {
	is.tb.Helper()
	k := is.keys
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range ids {
		if !slices.ContainsFunc(k.published, func(key *signingKey) bool { return key.id == id }) {
			is.tb.Fatalf("authtest: Withdraw(%q): no such key is published", id)
		}
	}
	k.published = slices.DeleteFunc(k.published, func(key *signingKey) bool {
		if len(ids) == 0 {
			return key != k.signing
		}
		return slices.Contains(ids, key.id)
	})
}

// document returns the key set (RFC 7517 §5).
func (k *keyring) document() ([]byte, error) {
	set := struct {
		Keys []map[string]string `json:"keys"`
	}{Keys: []map[string]string{}}
	for _, key := range k.list() {
		set.Keys = append(set.Keys, key.jwk(k.alg))
	}
	return json.Marshal(set)
}

// jwk returns the public part of key (RFC 7518 §6, RFC 8037 §2).
func (key *signingKey) jwk(alg auth.Algorithm) map[string]string {
	b64 := base64.RawURLEncoding.EncodeToString
	m := map[string]string{"kid": key.id, "use": "sig", "alg": alg.String()}
	switch public := key.private.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, _ := public.Bytes() // fails only off the curve
		half := len(point) / 2
		m["kty"], m["crv"], m["x"], m["y"] = "EC", public.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(public)
	}
	return m
}
