package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"
)

// Defaults and bounds of Config.CacheSize, in tokens.
const (
	DefaultCacheSize = 4096
	maxCacheSize     = 1 << 24
)

// ways is how many tokens share a set of the verdict cache. Each token may stand in either of two sets: in the emptier of two there is nearly
// always room until the whole is full, where one set of eight would overflow when half is.
const ways = 4

// A tag stands for one token. It never leaves the process: under a fixed nonce, a tag that is known could be used to make others.
type tag [16]byte

// verdicts remembers the tokens that were verified, by a keyed hash of the whole token: the token itself is never kept (RFC 9700
// §4.9.3). Only good tokens get in, so garbage cannot push them out. Reads take no lock; what two writers put in the same place at
// the same time, one of them loses, which costs one verification.
type verdicts struct {
	hash func(dst []byte, token []byte) []byte
	mask uint64
	slot []atomic.Pointer[remembered]
}

// remembered is one verified token.
type remembered struct {
	tag         tag
	principal   *Principal
	kid         string
	from, until time.Time // when the token is good; outside it is judged anew, for the exact reason
	recent      atomic.Bool
}

// newVerdicts returns a cache for about size tokens.
func newVerdicts(size int) *verdicts {
	sets := 1 << bits.Len(uint(max(1, (size+ways-1)/ways)-1))
	return &verdicts{hash: newTokenHash(), mask: uint64(sets - 1), slot: make([]atomic.Pointer[remembered], sets*ways)}
}

// newTokenHash returns a keyed hash under a key of its own: GMAC, or SHA-256 where FIPS 140-only mode bars GCM with a chosen nonce. The
// nonce is fixed, which is sound only because no tag is ever shown to anyone.
func newTokenHash() func(dst, token []byte) []byte {
	var key [32]byte
	rand.Read(key[:]) // never fails
	if block, err := aes.NewCipher(key[:]); err == nil {
		if gcm, err := cipher.NewGCM(block); err == nil {
			nonce := make([]byte, gcm.NonceSize())
			return func(dst, token []byte) []byte { return gcm.Seal(dst, nonce, nil, token) }
		}
	}
	return keyedSHA256(key)
}

func keyedSHA256(key [32]byte) func(dst, token []byte) []byte {
	return func(dst, token []byte) []byte {
		in := append(append(dst, key[:]...), token...)
		sum := sha256.Sum256(in[len(dst):])
		return append(in[:len(dst)], sum[:]...)
	}
}

// tagOf returns the tag of token; scratch is memory to compute it in.
func (c *verdicts) tagOf(scratch *[]byte, token string) tag {
	*scratch = c.hash((*scratch)[:0], bytesOf(token))
	return tag((*scratch)[:len(tag{})])
}

// bytesOf returns the bytes of s without a copy. The hash that they are given to does not write to them.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// sets returns the two sets in which the token of t may stand.
func (c *verdicts) sets(t *tag) (one, other []atomic.Pointer[remembered]) {
	a := binary.LittleEndian.Uint64(t[:8]) & c.mask * ways
	b := binary.LittleEndian.Uint64(t[8:]) & c.mask * ways
	return c.slot[a : a+ways], c.slot[b : b+ways]
}

// find returns what is remembered under t, or nil.
func (c *verdicts) find(t tag) *remembered {
	one, other := c.sets(&t)
	r := among(one, &t)
	if r == nil {
		r = among(other, &t)
	}
	if r != nil && !r.recent.Load() {
		r.recent.Store(true)
	}
	return r
}

func among(set []atomic.Pointer[remembered], t *tag) *remembered {
	for i := range set {
		if r := set[i].Load(); r != nil && r.tag == *t {
			return r
		}
	}
	return nil
}

// add remembers r: in the place of the same token, in a place that is free or of a token that ran out, in the set that has more of these, or in
// the place of the first one that was not asked for. So tokens that come once push out each other, and not those that come again. Where all were
// asked for, any of them goes, and the others must be asked for anew.
func (c *verdicts) add(r *remembered, now time.Time) {
	var free, idle *atomic.Pointer[remembered]
	one, other := c.sets(&r.tag)
	most := 0
	for _, set := range [...][]atomic.Pointer[remembered]{one, other} {
		n, last := 0, free
		for i := range set {
			switch old := set[i].Load(); {
			case old != nil && old.tag == r.tag:
				set[i].Store(r)
				return
			case old == nil || !now.Before(old.until):
				n, last = n+1, &set[i]
			case idle == nil && !old.recent.Load():
				idle = &set[i]
			}
		}
		if n > most {
			most, free = n, last
		}
	}
	switch {
	case free != nil:
		free.Store(r)
	case idle != nil:
		idle.Store(r)
	default:
		for i := range ways {
			one[i].Load().recent.Store(false)
			other[i].Load().recent.Store(false)
		}
		if chance := r.tag[len(r.tag)-1]; chance < 1<<7 {
			one[chance%ways].Store(r)
		} else {
			other[chance%ways].Store(r)
		}
	}
}
