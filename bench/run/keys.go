package main

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/tokens"
	"github.com/bearward/bearward/jwks"
)

// keyLookUp measures how two processors share key look-ups and remembered tokens.
func keyLookUp(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	v, err := s.verifier(0)
	if err != nil {
		return err
	}
	lookUp := func() error {
		_, err := s.keys.Keys(ctx, tokens.KeyID)
		return err
	}
	verify := accept(ctx, v, s.token)
	cs := []*measure.Contestant{
		onProcs("key look-up, 1 proc", 1, lookUp), onProcs("key look-up, 2 procs", 2, lookUp),
		onProcs("remembered token, 1 proc", 1, verify), onProcs("remembered token, 2 procs", 2, verify),
		// What the machine gives: work that shares nothing. On a machine that others use, too, it
		// is not 0.5.
		onProcs("nothing shared, 1 proc", 1, spin), onProcs("nothing shared, 2 procs", 2, spin),
	}
	if err := measure.Race(p.rounds, 8*p.slice, cs...); err != nil { // longer turns: a second thread must wake up first
		return err
	}
	machine := cs[5].Over(cs[4])
	r.atMost("keys", "key look-up, ns/op at 2 procs / at 1, where the machine gives 0.5", 0.65, given(cs[1].Over(cs[0]), machine))
	r.atMost("keys", "warm VerifyToken, ns/op at 2 procs / at 1, where the machine gives 0.5", 0.65, given(cs[3].Over(cs[2]), machine))
	r.compare("Two processors", "Time of one operation, from the wall clock; ratios are to a key look-up on one. 0.5 of the same at 1 proc would be perfect; the last "+
		"two rows say what the machine, which others may be using, gave to work that shares nothing. The goals count that as 0.5.", cs[0], cs, nil)
	return r.bars("scaling.svg", "Two processors", "ns per operation at 2 procs / at 1 (0.5 is perfect)", []bar{
		{"key look-up", cs[1].Over(cs[0])}, {"remembered token", cs[3].Over(cs[2])}, {"nothing shared", cs[5].Over(cs[4])},
	})
}

// given returns scaling as it would be on a machine of whose second processor the whole is to be
// had: in rounds where work that shares nothing does not reach 0.5 either, the difference is the
// machine's, which others use.
func given(scaling, machine measure.Ratio) measure.Ratio {
	rounds := make([]float64, len(scaling.Rounds))
	for i := range rounds {
		rounds[i] = 0.5 * scaling.Rounds[i] / machine.Rounds[i]
	}
	return measure.RatioOf(rounds)
}

var spun atomic.Int64 // read by nobody; it keeps the loop from being left out

func spin() error {
	x := 1
	for i := range 200 {
		x = x*31 + i
	}
	if x == 0 {
		spun.Add(1)
	}
	return nil
}

// onProcs runs op on so many processors at once.
func onProcs(name string, procs int, op func() error) *measure.Contestant {
	return &measure.Contestant{Name: name, Run: func(n int) error {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		return shareOut(procs, n, func(_, n int) error {
			for range n {
				if err := op(); err != nil {
					return err
				}
			}
			return nil
		})
	}}
}

// A holder finds a key that it holds, and can be made to fetch.
type holder struct {
	name    string
	look    func() error
	refresh func()
}

// hang measures the longest look-up of a held key while the key endpoint does not answer.
func hang(ctx context.Context, p plan, r *report) error {
	key, err := tokens.NewKey("EdDSA", tokens.KeyID)
	if err != nil {
		return err
	}
	var delay atomic.Int64
	set := tokens.Set(key)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Duration(delay.Load())):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	holders, err := holdersOf(ctx, server.URL)
	if err != nil {
		return err
	}
	const hanging = 200 * time.Millisecond
	delay.Store(int64(hanging))
	t := table{title: "A key endpoint that hangs", columns: []string{"", "p50, us", "p99, us", "longest, us", "look-ups over 1 ms, of a million"},
		note: "Look-ups of a held key, one after the other, for the 200 ms that a fetch takes; medians over the rounds. The first row looks nothing up: it is " +
			"what the machine itself makes anybody wait."}
	groups := []group{{name: "p50"}, {name: "p99"}, {name: "longest"}}
	for _, h := range holders {
		var p50, p99, longest []float64
		looks, slow := 0, 0
		for range p.rounds {
			took, err := h.watch(hanging + hanging/2)
			if err != nil {
				return err
			}
			looks, slow = looks+took.n, slow+took.slow
			p50, p99, longest = append(p50, took.quantile(0.50)), append(p99, took.quantile(0.99)), append(longest, float64(took.longest)/1e3)
		}
		ratios := []measure.Ratio{measure.RatioOf(p50), measure.RatioOf(p99), measure.RatioOf(longest)}
		row := []string{h.name}
		for i, us := range ratios {
			row = append(row, us.String())
			groups[i].bars = append(groups[i].bars, bar{h.name, us})
		}
		t.rows = append(t.rows, append(row, measure.Ratio{Median: float64(slow) / float64(looks) * 1e6}.Short()))
		if h.name == "Bearward" {
			r.atMost("hang", "longest look-up of a held key while the key endpoint hangs, us", 1000, ratios[2])
		}
	}
	r.tables = append(r.tables, t)
	return r.dots("hanging-endpoint.svg", "While the key endpoint hangs for 200 ms", "microseconds per look-up of a held key", groups)
}

func holdersOf(ctx context.Context, url string) ([]holder, error) {
	ours, err := jwks.New(url, nil)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = ours.Close() })
	cache := jwk.NewCache(ctx)
	kf, kfErr := keyfunc.NewDefaultCtx(ctx, []string{url})
	_, cacheErr := cache.Refresh(ctx, url)
	if err := errors.Join(ours.Refresh(ctx), kfErr); err != nil {
		return nil, err
	}
	if cacheErr != nil { // it wants to be registered first
		if err := cache.Register(url); err != nil {
			return nil, err
		}
		if _, err := cache.Refresh(ctx, url); err != nil {
			return nil, err
		}
	}
	return []holder{
		{"nothing", func() error { return nil }, func() { time.Sleep(200 * time.Millisecond) }},
		{"Bearward", func() error { _, err := ours.Keys(ctx, tokens.KeyID); return err }, func() { _ = ours.Refresh(ctx) }},
		{"jwx v2 jwk.Cache", func() error {
			set, err := cache.Get(ctx, url)
			if err == nil && set.Len() == 0 {
				err = errors.New("no keys")
			}
			return err
		}, func() { _, _ = cache.Refresh(ctx, url) }},
		{"keyfunc v3", func() error {
			_, err := kf.Keyfunc(&jwt.Token{Header: map[string]any{"kid": tokens.KeyID, "alg": "EdDSA"}})
			return err
		}, func() { _, _ = kf.Keyfunc(&jwt.Token{Header: map[string]any{"kid": "unknown", "alg": "EdDSA"}}) }},
	}, nil
}

// watch looks the key up until the fetch that it starts has ended, for most at the longest.
func (h holder) watch(most time.Duration) (*waits, error) {
	done := make(chan struct{})
	go func() { defer close(done); h.refresh() }()
	took := new(waits)
	for over := time.Now().Add(most); ; {
		began := time.Now()
		if err := h.look(); err != nil {
			return nil, err
		}
		took.add(time.Since(began))
		if began.After(over) {
			<-done
			return took, nil
		}
		select {
		case <-done:
			return took, nil
		default:
		}
	}
}

// waits counts how long look-ups took, in sixteen classes for each power of two: keeping each of
// millions would disturb what is measured.
type waits struct {
	n, slow int // all, and those over 1 ms
	longest time.Duration
	class   [64 * 16]int
}

func (w *waits) add(d time.Duration) {
	w.n++
	if d > time.Millisecond {
		w.slow++
	}
	w.longest = max(w.longest, d)
	shift := max(0, bits.Len64(uint64(d))-5)
	w.class[shift*16+int(d>>shift)]++
}

// quantile is what the share q of the waits did not exceed, in microseconds, to a sixteenth.
func (w *waits) quantile(q float64) float64 {
	seen := 0
	for i, n := range w.class {
		if seen += n; n > 0 && float64(seen) >= q*float64(w.n) {
			shift := max(0, i/16-1)
			return float64((i-shift*16)<<shift) / 1e3
		}
	}
	return math.NaN()
}
