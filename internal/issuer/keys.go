package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A Key is a private key under its ID. It is immutable.
type Key struct {
	ID      string
	Private crypto.Signer
}

// A keyring holds an issuer's keys.
type keyring struct {
	alg    auth.Algorithm
	newKey func(auth.Algorithm) (crypto.Signer, error)

	byThumbprint bool // are their IDs

	mu          sync.Mutex
	made        int
	published   []*Key // oldest first
	signing     *Key
	unpublished *Key // made when first asked for
}

// GenerateKey makes a private key that signs by alg: RSA keys have 2048 bits.
func GenerateKey(alg auth.Algorithm) (crypto.Signer, error) {
	switch alg {
	case auth.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case auth.ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case auth.ES512:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case auth.EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// make returns a new key. The lock is held.
func (k *keyring) make() (*Key, error) {
	private, err := k.newKey(k.alg)
	if err != nil {
		return nil, fmt.Errorf("make a %v key: %w", k.alg, err)
	}
	k.made++
	key := &Key{fmt.Sprintf("key-%d", k.made), private}
	if k.byThumbprint {
		key.ID, err = key.Thumbprint()
	}
	return key, err
}

// add adds a new key to the set. The lock is held.
func (k *keyring) add() (*Key, error) {
	key, err := k.make()
	if err == nil {
		k.published = append(k.published, key)
	}
	return key, err
}

// list returns the published keys, oldest first.
func (k *keyring) list() []*Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.published)
}

// current returns the key that signs now.
func (k *keyring) current() *Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.signing
}

// KeyID returns the ID of the key that signs now.
func (is *Issuer) KeyID() string { return is.keys.current().ID }

// KeyIDs returns the IDs of the keys that are published now, oldest first.
func (is *Issuer) KeyIDs() []string {
	var ids []string
	for _, k := range is.keys.list() {
		ids = append(ids, k.ID)
	}
	return ids
}

// Keys returns the public keys that are published now. It does not follow later rotations.
func (is *Issuer) Keys() jwks.Static {
	var keys jwks.Static
	for _, k := range is.keys.list() {
		keys = append(keys, &jwks.Key{ID: k.ID, Algorithm: is.keys.alg.String(), Public: k.Private.Public()})
	}
	return keys
}

// Unpublished returns the one key that is never published, for tokens of somebody else's.
func (is *Issuer) Unpublished() (*Key, error) {
	k := &is.keys
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unpublished == nil {
		key, err := k.make()
		if err != nil {
			return nil, err
		}
		key.ID = "unpublished"
		k.unpublished = key
	}
	return k.unpublished, nil
}

// Publish adds a new key to the key set and returns its ID. It signs only after [Issuer.Promote].
func (is *Issuer) Publish() (string, error) {
	is.keys.mu.Lock()
	defer is.keys.mu.Unlock()
	key, err := is.keys.add()
	if err != nil {
		return "", err
	}
	return key.ID, nil
}

var errNoKey = errors.New("no key is published; call Publish first")

// Promote signs tokens with the newest published key from now on, and returns its ID.
func (is *Issuer) Promote() (string, error) {
	is.keys.mu.Lock()
	defer is.keys.mu.Unlock()
	if len(is.keys.published) == 0 {
		return "", errNoKey
	}
	is.keys.signing = is.keys.published[len(is.keys.published)-1]
	return is.keys.signing.ID, nil
}

// Rotate publishes a new key, signs tokens with it from now on, and returns its ID. The earlier
// keys stay published.
func (is *Issuer) Rotate() (string, error) {
	is.keys.mu.Lock()
	defer is.keys.mu.Unlock()
	key, err := is.keys.add()
	if err != nil {
		return "", err
	}
	is.keys.signing = key
	return key.ID, nil
}

// Withdraw takes the keys of the given IDs out of the key set; with no ID, every key but the one
// that signs now. A key that is withdrawn while it signs goes on signing, as a stolen one would.
// With an ID that is not published it returns an error, and withdraws nothing.
func (is *Issuer) Withdraw(ids ...string) error {
	k := &is.keys
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range ids {
		if !slices.ContainsFunc(k.published, func(key *Key) bool { return key.ID == id }) {
			return fmt.Errorf("Withdraw(%q): no such key is published", id)
		}
	}
	k.published = slices.DeleteFunc(k.published, func(key *Key) bool {
		if len(ids) == 0 {
			return key != k.signing
		}
		return slices.Contains(ids, key.ID)
	})
	return nil
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

// jwk returns the public part of key as a key set has it (RFC 7517 §4).
func (key *Key) jwk(alg auth.Algorithm) map[string]string {
	m := key.PublicMembers()
	m["kid"], m["use"], m["alg"] = key.ID, "sig", alg.String()
	return m
}

// PublicMembers returns the members of the public key alone (RFC 7518 §6, RFC 8037 §2), those that
// its thumbprint is made of (RFC 7638 §3.2).
func (key *Key) PublicMembers() map[string]string {
	b64 := base64.RawURLEncoding.EncodeToString
	m := map[string]string{}
	switch public := key.Private.Public().(type) {
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

// Thumbprint returns the thumbprint of the key (RFC 7638).
func (key *Key) Thumbprint() (string, error) {
	text, err := json.Marshal(key.PublicMembers()) // sorted, and without spaces: the form of RFC 7638 §3
	sum := sha256.Sum256(text)
	return Encode(sum[:]), err
}
