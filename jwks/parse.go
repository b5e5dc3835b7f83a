package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/internal/jose"
)

// A document is what was read out of one key set document.
type document struct {
	keys    []*Key
	skips   []Skip
	exposed []string // IDs of keys that were published with their private part
}

// Parse reads a JSON Web Key Set (RFC 7517 §5) of at most 512 KiB and 1,000 keys, and returns the
// keys that verify signatures. It leaves out the keys that it cannot or should not use, so that one
// of them does not cost the others. [Skipped] tells which they are, and why. A private part is
// dropped. The error says that doc is no key set, or that no key of it is usable.
func Parse(doc []byte) (Static, error) {
	d, err := parseBounded(doc)
	if err != nil {
		return nil, err
	}
	return d.keys, nil
}

// Skipped tells which keys of doc [Parse] leaves out, and why. The error says that doc is no key
// set; a set without a usable key is none here.
func Skipped(doc []byte) ([]Skip, error) {
	d, err := parseBounded(doc)
	if err != nil && !errors.Is(err, errNoneUsable) {
		return nil, err
	}
	return d.skips, nil
}

func parseBounded(doc []byte) (document, error) {
	if len(doc) > defaultMaxBytes {
		return document{}, fmt.Errorf("jwks: parse: %w", fetch.ErrTooLong)
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
func (d *document) add(index int, value jose.Published) {
	k, reason := readKey(value)
	if k.private {
		d.exposed = append(d.exposed, k.kid)
	}
	var key *Key
	if reason == "" {
		key, reason = k.key()
	}
	if reason == "" && d.isExcess(key) {
		reason = SkipDuplicate
	}
	if reason != "" {
		d.skips = append(d.skips, Skip{Index: index, KeyID: k.kid, Reason: reason})
		return
	}
	d.keys = append(d.keys, key)
}

// isExcess tells whether key is there already, or its ID stands for as many keys of its algorithm
// as it may: some issuers publish one key once for each algorithm.
func (d *document) isExcess(key *Key) bool {
	same := 0
	for _, other := range d.keys {
		if key.ID != other.ID || key.Algorithm != other.Algorithm {
			continue
		}
		if key.equal(other) {
			return true
		}
		if key.ID != "" {
			same++
		}
	}
	return same >= jose.MaxCandidates // check: candidates
}

// key builds the key from its members, or says why not. Certificates, URLs and private parts are
// not read.
func (k *jwk) key() (*Key, SkipReason) {
	alg, reason := k.check()
	if reason != "" {
		return nil, reason
	}
	public, reason := k.public()
	if reason != "" {
		return nil, reason
	}
	return &Key{ID: k.kid, Algorithm: alg, Public: public}, ""
}

// public builds the key out of the numbers that check has found good.
func (k *jwk) public() (crypto.PublicKey, SkipReason) {
	switch k.kty {
	case "RSA":
		e := new(big.Int).SetBytes(k.e)
		return &rsa.PublicKey{N: new(big.Int).SetBytes(k.n), E: int(e.Int64())}, ""
	case "EC":
		curve := jose.AlgorithmOfCurve(k.crv).Curve()
		size := (curve.Params().BitSize + 7) / 8
		point := slices.Concat([]byte{4}, coordinate(k.x, size), coordinate(k.y, size)) // SEC 1 §2.3.3
		public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil { // check: point
			return nil, SkipPoint
		}
		return public, ""
	default:
		return ed25519.PublicKey(k.x), ""
	}
}
