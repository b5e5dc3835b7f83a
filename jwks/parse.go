package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	jwxjwk "github.com/lestrrat-go/jwx/v2/jwk"
)

// maxCandidates is how many keys one key ID may stand for. Rotation in place needs two for a while; each costs a signature check.
const maxCandidates = 3

// A document is what was read out of one key set document.
type document struct {
	keys    []*Key
	skips   []Skip
	exposed []string // IDs of keys that were published with their private part
}

// Parse reads a JSON Web Key Set (RFC 7517 §5) of at most 512 KiB and 100 keys, and returns the keys that verify signatures. It leaves out
// the keys that it cannot or should not use, so that one of them does not cost the others; [Skipped] tells which and why. A private part
// is dropped. The error says that doc is no key set, or that no key of it is usable.
func Parse(doc []byte) (Static, error) {
	d, err := parseBounded(doc)
	if err != nil {
		return nil, err
	}
	return d.keys, nil
}

// Skipped tells which keys of doc [Parse] leaves out, and why. The error says that doc is no key set; a set without a usable key is none here.
func Skipped(doc []byte) ([]Skip, error) {
	d, err := parseBounded(doc)
	if err != nil && !errors.Is(err, errNoneUsable) {
		return nil, err
	}
	return d.skips, nil
}

func parseBounded(doc []byte) (document, error) {
	if len(doc) > defaultMaxBytes {
		return document{}, fmt.Errorf("jwks: parse: %w", errTooLong)
	}
	d, err := parse(doc, defaultMaxKeys)
	if err != nil {
		return d, fmt.Errorf("jwks: parse: %w", err)
	}
	return d, nil
}

// parse reads a set of at most limit keys. With errNoneUsable it still tells what it skipped.
func parse(doc []byte, limit int) (document, error) {
	values, err := elements(doc, limit)
	if err != nil {
		return document{}, err
	}
	var d document
	for i, value := range values {
		d.add(i, value)
	}
	if len(d.keys) == 0 { // check: swap-before-validation
		return d, fmt.Errorf("%w (%d published)", errNoneUsable, len(values))
	}
	return d, nil
}

// add takes one element of the set, or says why not.
func (d *document) add(index int, value jsontext.Value) {
	k, reason := readKey(value)
	if k.private {
		d.exposed = append(d.exposed, k.kid)
	}
	var key *Key
	if reason == "" {
		key, reason = k.key()
	}
	if reason == "" && d.crowded(key) {
		reason = SkipDuplicate
	}
	if reason != "" {
		d.skips = append(d.skips, Skip{Index: index, KeyID: k.kid, Reason: reason})
		return
	}
	d.keys = append(d.keys, key)
}

// crowded tells whether key is there already, or its ID stands for as many keys as it may.
func (d *document) crowded(key *Key) bool {
	same := 0
	for _, other := range d.keys {
		if key.equal(other) {
			return true
		}
		if key.ID != "" && key.ID == other.ID {
			same++
		}
	}
	return same >= maxCandidates // check: candidates
}

// key builds the key, or says why not.
func (k *jwk) key() (*Key, SkipReason) {
	alg, reason := k.check()
	if reason != "" {
		return nil, reason
	}
	public, err := k.public()
	if err != nil {
		return nil, SkipMalformed
	}
	if ec, ok := public.(*ecdsa.PublicKey); ok {
		if _, err := ec.ECDH(); err != nil { // check: point
			return nil, SkipPoint // ECDH is what checks that the point is on its curve
		}
	}
	return &Key{ID: k.kid, Algorithm: alg, Public: public}, ""
}

// public turns the members that are key material, and no others, into a key. A panic in the library is an error: this runs in the
// background of somebody's API.
func (k *jwk) public() (public crypto.PublicKey, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("parsing panicked: %v", p)
		}
	}()
	material, err := json.Marshal(materialOf(k))
	if err != nil {
		return nil, err
	}
	parsed, err := jwxjwk.ParseKey(material)
	if err != nil {
		return nil, err
	}
	var raw any
	if err := parsed.Raw(&raw); err != nil {
		return nil, err
	}
	switch raw.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return raw, nil
	}
	return nil, fmt.Errorf("key of type %T", raw)
}

// material is a JWK with nothing but key material and, in a snapshot file, what says how to use it.
type material struct {
	KeyType   string `json:"kty"`
	KeyID     string `json:"kid,omitempty"`
	Algorithm string `json:"alg,omitempty"`
	Curve     string `json:"crv,omitempty"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
}

func materialOf(k *jwk) material {
	encode := base64.RawURLEncoding.EncodeToString
	return material{KeyType: k.kty, Curve: k.crv, N: encode(k.n), E: encode(k.e), X: encode(k.x), Y: encode(k.y)}
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
