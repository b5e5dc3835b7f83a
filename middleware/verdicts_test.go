package auth

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestTokensThatComeOnceDoNotPushOutThoseThatComeAgain(t *testing.T) {
	c, now := newVerdicts(ways), time.Now()
	remember := func(n int) *remembered {
		r := &remembered{tag: tag{8: byte(n), 9: byte(n >> 8)}, until: now.Add(time.Minute)}
		c.add(r, now)
		return r
	}
	var again []*remembered
	for n := range ways - 1 {
		again = append(again, remember(n))
		c.find(again[n].tag)
	}
	var last *remembered
	for n := range 1000 {
		last = remember(1000 + n)
	}
	for n, r := range again {
		if c.find(r.tag) != r {
			t.Errorf("token %d is forgotten", n)
		}
	}
	if c.find(last.tag) != last { // which also asks for it, as for all the others
		t.Error("the last one is not remembered")
	}
	one := remember(5000)
	if c.find(one.tag) != one {
		t.Error("a new token is not remembered where all others were asked for")
	}
	two := remember(5001)
	if c.find(two.tag) != two || c.find(one.tag) != one {
		t.Error("who was asked for before and is not any more keeps its place against who is")
	}
}

func TestATokenThatRanOutMakesPlace(t *testing.T) {
	c, now := newVerdicts(ways), time.Now()
	for n := range ways {
		r := &remembered{tag: tag{8: byte(n)}, until: now.Add(time.Duration(n+1) * time.Second)}
		c.add(r, now)
		c.find(r.tag)
	}
	r := &remembered{tag: tag{8: 100}, until: now.Add(time.Hour)}
	c.add(r, now.Add(time.Second))
	if c.find(tag{8: 0}) != nil || c.find(r.tag) != r {
		t.Error("the new token did not take the place of the one that ran out first")
	}
	for n := 1; n < ways; n++ {
		if c.find(tag{8: byte(n)}) == nil {
			t.Errorf("token %d is forgotten", n)
		}
	}
}

func TestTheCacheHoldsNearlyWhatItIsMadeFor(t *testing.T) {
	chance, now := rand.New(rand.NewPCG(1, 2)), time.Now()
	for _, tt := range []struct{ tokens, lost int }{{DefaultCacheSize / 2, 0}, {DefaultCacheSize * 3 / 4, DefaultCacheSize / 100}, {DefaultCacheSize, DefaultCacheSize / 10}} {
		c := newVerdicts(DefaultCacheSize)
		all := make([]*remembered, tt.tokens)
		for i := range all {
			all[i] = &remembered{until: now.Add(time.Minute)}
			binary.LittleEndian.PutUint64(all[i].tag[:8], chance.Uint64())
			binary.LittleEndian.PutUint64(all[i].tag[8:], chance.Uint64())
			c.add(all[i], now)
		}
		lost := 0
		for _, r := range all {
			if c.find(r.tag) != r {
				lost++
			}
		}
		if lost > tt.lost {
			t.Errorf("of %d tokens in a cache for %d, %d are forgotten, want at most %d", tt.tokens, DefaultCacheSize, lost, tt.lost)
		}
	}
}

// Two who add one token at the same time may leave it in two places. What is added later is found all the same, and no older verdict in its place.
func TestAFreshVerdictIsFoundBeforeItsDoubles(t *testing.T) {
	now := time.Now()
	for _, size := range []int{1, 2, 5, 64} {
		c := newVerdicts(size)
		for n := range 2000 {
			t0 := c.tagOf(new([]byte), fmt.Sprint("token ", n))
			one, other := c.sets(&t0)
			for i := range ways { // any pattern of doubles, some of which ran out
				if n>>i&1 == 1 {
					one[i].Store(&remembered{tag: t0, until: now.Add(time.Duration(n%3-1) * time.Hour)})
				}
				if n>>(i+ways)&1 == 1 {
					other[i].Store(&remembered{tag: t0, until: now.Add(time.Hour)})
				}
			}
			fresh := &remembered{tag: t0, until: now.Add(time.Hour)}
			c.add(fresh, now)
			if c.find(t0) != fresh {
				t.Fatalf("size %d, token %d: an older verdict is found", size, n)
			}
		}
	}
}
