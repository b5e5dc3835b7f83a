package tokencache

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func newCache(size int) *Cache[int] {
	c := New[int](size)
	c.grow.Do(c.makeSlots)
	return c
}

func TestTokensThatComeOnceDoNotPushOutThoseThatComeAgain(t *testing.T) {
	c, now := newCache(setSize), time.Now()
	add := func(n int) *Entry[int] {
		r := &Entry[int]{tag: Tag{8: byte(n), 9: byte(n >> 8)}, Until: now.Add(time.Minute)}
		c.add(r, now)
		return r
	}
	var again []*Entry[int]
	for n := range setSize - 1 {
		again = append(again, add(n))
		c.Find(again[n].tag)
	}
	var last *Entry[int]
	for n := range 1000 {
		last = add(1000 + n)
	}
	for n, r := range again {
		if c.Find(r.tag) != r {
			t.Errorf("token %d is forgotten", n)
		}
	}
	if c.Find(last.tag) != last { // which also asks for it, as for all the others
		t.Error("the last one is not remembered")
	}
	one := add(5000)
	if c.Find(one.tag) != one {
		t.Error("a new token is not remembered where all others were asked for")
	}
	two := add(5001)
	if c.Find(two.tag) != two || c.Find(one.tag) != one {
		t.Error("who was asked for before and is not any more keeps its place against who is")
	}
}

func TestATokenThatRanOutMakesPlace(t *testing.T) {
	c, now := newCache(setSize), time.Now()
	for n := range setSize {
		r := &Entry[int]{tag: Tag{8: byte(n)}, Until: now.Add(time.Duration(n+1) * time.Second)}
		c.add(r, now)
		c.Find(r.tag)
	}
	r := &Entry[int]{tag: Tag{8: 100}, Until: now.Add(time.Hour)}
	c.add(r, now.Add(time.Second))
	if c.Find(Tag{8: 0}) != nil || c.Find(r.tag) != r {
		t.Error("the new token did not take the place of the one that ran out first")
	}
	for n := 1; n < setSize; n++ {
		if c.Find(Tag{8: byte(n)}) == nil {
			t.Errorf("token %d is forgotten", n)
		}
	}
}

const cacheSize = 4096

func TestTheCacheHoldsNearlyWhatItIsMadeFor(t *testing.T) {
	chance, now := rand.New(rand.NewPCG(1, 2)), time.Now()
	for _, tt := range []struct{ tokens, lost int }{{cacheSize / 2, 0}, {cacheSize * 3 / 4, cacheSize / 100}, {cacheSize, cacheSize / 10}} {
		c := newCache(cacheSize)
		all := make([]*Entry[int], tt.tokens)
		for i := range all {
			all[i] = &Entry[int]{Until: now.Add(time.Minute)}
			binary.LittleEndian.PutUint64(all[i].tag[:8], chance.Uint64())
			binary.LittleEndian.PutUint64(all[i].tag[8:], chance.Uint64())
			c.add(all[i], now)
		}
		lost := 0
		for _, r := range all {
			if c.Find(r.tag) != r {
				lost++
			}
		}
		if lost > tt.lost {
			t.Errorf("of %d tokens in a cache for %d, %d are forgotten, want at most %d", tt.tokens, cacheSize, lost, tt.lost)
		}
	}
}

// Two who add one token at the same time may leave it in two places. What is added later is found
// all the same, and no older entry in its place.
func TestAFreshEntryIsFoundBeforeItsDoubles(t *testing.T) {
	now := time.Now()
	for _, size := range []int{1, 2, 5, 64} {
		c := newCache(size)
		for n := range 2000 {
			t0 := c.Tag(fmt.Sprint("token ", n))
			one, other := c.sets(&t0)
			for i := range setSize { // any pattern of doubles, some of which ran out
				if n>>i&1 == 1 {
					one[i].Store(&Entry[int]{tag: t0, Until: now.Add(time.Duration(n%3-1) * time.Hour)})
				}
				if n>>(i+setSize)&1 == 1 {
					other[i].Store(&Entry[int]{tag: t0, Until: now.Add(time.Hour)})
				}
			}
			fresh := &Entry[int]{tag: t0, Until: now.Add(time.Hour)}
			c.add(fresh, now)
			if c.Find(t0) != fresh {
				t.Fatalf("size %d, token %d: an older entry is found", size, n)
			}
		}
	}
}
