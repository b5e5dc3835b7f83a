package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
)

// A store remembers verified tokens. It is asked for one by its text, and tells whether it
// remembered it; what it did not, it remembers then.
type store func(token string) (found bool, err error)

// storeKinds are Bearward's token cache and what could stand in its place. Around the others is
// what is around Bearward's: the tag, the clock, and the look-up of the key. Only Bearward's
// verifies what it does not remember, which no figure counts.
var storeKinds = []struct {
	name string
	new  func(ctx context.Context, s *stand, size int) (store, error)
}{
	{"**Bearward**: two sets of four, no lock on reads", ownStore},
	{"otter v2", func(ctx context.Context, s *stand, size int) (store, error) {
		c, err := otter.New(&otter.Options[[16]byte, *auth.Principal]{MaximumSize: size})
		if err != nil {
			return nil, err
		}
		return foreignStore(ctx, s, c.GetIfPresent, func(tag [16]byte, p *auth.Principal) { c.Set(tag, p) })
	}},
	{"golang-lru v2", func(ctx context.Context, s *stand, size int) (store, error) {
		c, err := lru.New[[16]byte, *auth.Principal](size)
		if err != nil {
			return nil, err
		}
		return foreignStore(ctx, s, c.Get, func(tag [16]byte, p *auth.Principal) { c.Add(tag, p) })
	}},
	{"golang-lru v2, 2Q", func(ctx context.Context, s *stand, size int) (store, error) {
		c, err := lru.New2Q[[16]byte, *auth.Principal](size)
		if err != nil {
			return nil, err
		}
		return foreignStore(ctx, s, c.Get, c.Add)
	}},
}

func ownStore(ctx context.Context, s *stand, size int) (store, error) {
	verified := false // a check runs when a token is verified, and not when it is remembered
	v, err := auth.NewVerifier(s.keys, auth.Config{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience}, CacheSize: size,
		Checks: []func(*auth.Principal) error{func(*auth.Principal) error { verified = true; return nil }}})
	if err != nil {
		return nil, err
	}
	return func(token string) (bool, error) {
		_, err := v.VerifyToken(ctx, token)
		if !verified {
			return true, err
		}
		verified = false
		return false, err
	}, nil
}

func foreignStore(ctx context.Context, s *stand, get func([16]byte) (*auth.Principal, bool), add func([16]byte, *auth.Principal)) (store, error) {
	v, err := s.verifier(off)
	if err != nil {
		return nil, err
	}
	tag, err := tagger()
	if err != nil {
		return nil, err
	}
	var raw []byte
	return func(token string) (bool, error) {
		raw = append(raw[:0], token...)
		t := tag(raw)
		if p, ok := get(t); ok && time.Now().Before(p.ValidUntil()) {
			_, err := s.keys.Keys(ctx, tokens.KeyID)
			return true, err
		}
		p, err := v.VerifyToken(ctx, token)
		if err == nil {
			add(t, p)
		}
		return false, err
	}, nil
}

// stores compares Bearward's token cache with stores of others: the time of a hit, the memory of
// a token, and how many requests find their token, when some tokens come more often than others and
// when half of all requests bring a token that never comes again.
func stores(ctx context.Context, p plan, r *report) error {
	const (
		size     = 4096 // Config.CacheSize's default
		distinct = 20_000
		requests = 60_000
	)
	s, err := newStand(ctx, "EdDSA")
	if err != nil {
		return err
	}
	defer s.close()
	all, err := signMany(ctx, s.key, distinct+requests/2)
	if err != nil {
		return err
	}
	frequent, once := all[:distinct], all[distinct:]
	var hits []*measure.Contestant
	var cells [][]string
	for _, kind := range storeKinds {
		build := func(size int) (store, error) { return kind.new(ctx, s, size) }
		warm, err := build(size)
		if err != nil {
			return err
		}
		for _, token := range frequent[:size/8] {
			if _, err := warm(token); err != nil {
				return err
			}
		}
		next := 0
		hits = append(hits, measure.Of(kind.name, func() error {
			next++
			_, err := warm(frequent[next%(size/8)])
			return err
		}))
		memory, err := memoryOf(build, frequent)
		if err != nil {
			return err
		}
		zipf, err := hitRatio(ctx, build, size, requests, frequent, nil)
		if err != nil {
			return err
		}
		scan, err := hitRatio(ctx, build, size, requests, frequent, once)
		if err != nil {
			return err
		}
		cells = append(cells, []string{fmt.Sprintf("%.0f", memory), fmt.Sprintf("%.3f", zipf), fmt.Sprintf("%.3f", scan)})
	}
	if err := measure.Race(p.rounds, p.slice, hits...); err != nil {
		return err
	}
	t := table{
		title: "What could hold the results",
		note: fmt.Sprintf("A hit is everything from the token to its principal: tag, store, clock and key. Memory is the heap per token with its principal, of %d "+
			"tokens in stores for twice as many. Hit ratios are of %d requests for %d tokens (Zipf, s = 1.1) in a store for %d, and of the same "+
			"when every second request brings a token that never comes again, which is not counted itself.", distinct, requests, distinct, size),
		columns: []string{"", "ns of a hit", "ratio (95 % interval)", "allocs/op", "bytes per token", "hit ratio", "among one-time tokens"},
	}
	for i, c := range hits {
		t.rows = append(t.rows, append([]string{c.Name, fmt.Sprintf("%.0f", c.Median()), c.Over(hits[0]).String(), fmt.Sprintf("%.0f", c.Allocs)},
			cells[i]...))
	}
	r.tables = append(r.tables, t)
	return nil
}

// memoryOf is the heap that a store takes for each of tokens.
func memoryOf(build func(int) (store, error), tokens []string) (float64, error) {
	before := inUse()
	s, err := build(2 * len(tokens))
	if err != nil {
		return 0, err
	}
	for _, token := range tokens {
		if _, err := s(token); err != nil {
			return 0, err
		}
	}
	taken := inUse() - before
	_, err = s(tokens[0]) // it is in use until here
	return float64(taken) / float64(len(tokens)), err
}

// hitRatio is the share of requests for the frequent tokens that find theirs in a store of that
// size. Tokens of once, if any, come one before each request.
func hitRatio(ctx context.Context, build func(int) (store, error), size, requests int, frequent, once []string) (float64, error) {
	s, err := build(size)
	if err != nil {
		return 0, err
	}
	draw := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(len(frequent)-1))
	found, asked := 0, requests
	if once != nil {
		asked = len(once)
	}
	for i := range asked {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if once != nil {
			if _, err := s(once[i]); err != nil {
				return 0, err
			}
		}
		hit, err := s(frequent[draw.Uint64()])
		if err != nil {
			return 0, err
		}
		if hit {
			found++
		}
	}
	return float64(found) / float64(asked), nil
}
