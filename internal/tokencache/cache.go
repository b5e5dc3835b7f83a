// Package tokencache remembers what came of verified tokens, whatever that is: a Cache is generic
// over it.
package tokencache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// MaxSize is the largest size of a Cache, in tokens.
const MaxSize = 1 << 24

// setSize is how many tokens share a set. Each token may stand in either of two sets: in the
// emptier of two there is nearly always room until the whole is full, where one set of eight would
// overflow when half is.
const setSize = 4

// A Tag stands for one token. It never leaves the process: under a fixed nonce, a tag that is known
// could be used to make others.
type Tag [16]byte

// A Cache remembers verified tokens by a keyed hash of the whole token: the token itself is never
// kept (RFC 9700 §4.9.3). Only good tokens belong in it, so that garbage cannot push them out. It
// is safe for concurrent use. Reads take no lock; what two writers put in the same place at the
// same time, one of them loses, which costs one verification.
type Cache[V any] struct {
	hash    func(dst []byte, token []byte) []byte
	buffers sync.Pool // of *[]byte, to compute a Tag in
	mask    uint64
	slots   atomic.Pointer[[]atomic.Pointer[Entry[V]]] // nil until the first token is added
	grow    sync.Once
}

// An Entry is one remembered token. It is immutable.
type Entry[V any] struct {
	Value V
	Until time.Time // from then on its place is free

	tag    Tag
	recent atomic.Bool // it was asked for since its set was last full
}

// New returns a Cache for about size tokens, MaxSize at most. It takes memory when the first one is
// added.
func New[V any](size int) *Cache[V] {
	sets := 1 << bits.Len(uint(max(1, (min(size, MaxSize)+setSize-1)/setSize)-1))
	c := &Cache[V]{hash: newTokenHash(), mask: uint64(sets - 1)}
	c.buffers.New = func() any { return new([]byte) }
	return c
}

// newTokenHash returns a keyed hash under a key of its own: GMAC, or SHA-256 where FIPS 140-only
// mode bars GCM with a chosen nonce. The nonce is fixed, which is sound only because no tag is ever
// shown to anyone.
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

// Tag returns the tag of token.
func (c *Cache[V]) Tag(token string) Tag {
	buffer := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(buffer)
	*buffer = c.hash((*buffer)[:0], bytesOf(token))
	return Tag(*buffer)
}

// bytesOf returns the bytes of s without a copy. The hash that they are given to does not write to
// them.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// sets returns the two sets in which the token of t may stand.
func (c *Cache[V]) sets(t *Tag) (one, other []atomic.Pointer[Entry[V]]) {
	a := binary.LittleEndian.Uint64(t[:8]) & c.mask * setSize
	b := binary.LittleEndian.Uint64(t[8:]) & c.mask * setSize
	slots := *c.slots.Load()
	return slots[a : a+setSize], slots[b : b+setSize]
}

// Find returns what is remembered under t, or nil. It may be past its Until.
func (c *Cache[V]) Find(t Tag) *Entry[V] {
	if c.slots.Load() == nil {
		return nil
	}
	one, other := c.sets(&t)
	r := findIn(one, &t)
	if r == nil {
		r = findIn(other, &t)
	}
	if r != nil && !r.recent.Load() {
		r.recent.Store(true)
	}
	return r
}

func findIn[V any](set []atomic.Pointer[Entry[V]], t *Tag) *Entry[V] {
	for i := range set {
		if r := set[i].Load(); r != nil && r.tag == *t {
			return r
		}
	}
	return nil
}

// Add remembers value under t until that time. It takes the place of the same token, one that is
// free or of a token that ran out, in the set that has more of these, or that of the first token
// that was not asked for again. This is second-chance eviction: unused entries go first. Where all
// were asked for, any of them goes, and the others must be asked for again to stay.
func (c *Cache[V]) Add(t Tag, value V, until, now time.Time) {
	c.grow.Do(c.makeSlots)
	c.add(&Entry[V]{Value: value, Until: until, tag: t}, now)
}

func (c *Cache[V]) makeSlots() {
	slots := make([]atomic.Pointer[Entry[V]], (c.mask+1)*setSize)
	c.slots.Store(&slots)
}

func (c *Cache[V]) add(r *Entry[V], now time.Time) {
	var free, idle *atomic.Pointer[Entry[V]]
	one, other := c.sets(&r.tag)
	most := 0
	for _, set := range [...][]atomic.Pointer[Entry[V]]{one, other} {
		n, last := 0, free
		for i := range set {
			switch old := set[i].Load(); {
			case old != nil && old.tag == r.tag:
				set[i].Store(r)
				return
			case old == nil || !now.Before(old.Until):
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
		for i := range setSize {
			one[i].Load().recent.Store(false)
			other[i].Load().recent.Store(false)
		}
		if chance := r.tag[len(r.tag)-1]; chance < 1<<7 {
			one[chance%setSize].Store(r)
		} else {
			other[chance%setSize].Store(r)
		}
	}
}
