package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
)

// madeProofs is how many proofs are signed beforehand: an RSA signature takes thirty times as long
// to make as to check.
const madeProofs = 256

// An again is a ReplayStore for proofs that come again: what one is remembered by differs from time
// to time, so that it is new to the store.
type again struct {
	dpop.ReplayStore
	mu    sync.Mutex
	times map[string]uint32
}

func newAgain(store dpop.ReplayStore) *again {
	return &again{ReplayStore: store, times: map[string]uint32{}}
}

func (a *again) First(ctx context.Context, owner, id string, ttl time.Duration) (bool, error) {
	a.mu.Lock()
	a.times[id]++
	nth := a.times[id]
	a.mu.Unlock()
	var of [sha256.Size]byte
	copy(of[:], id)
	for i := range 4 {
		of[i] ^= byte(nth >> (8 * i))
	}
	return a.ReplayStore.First(ctx, owner, string(of[:]), ttl)
}

// A prover has proofs of one key, and the token that is bound to it.
type prover struct {
	key    *tokens.Key
	token  string
	proofs []string
	next   atomic.Uint32
}

func newProver(s *stand, alg, nonce string) (*prover, error) {
	key, err := tokens.NewKey(alg, "")
	if err != nil {
		return nil, err
	}
	p := &prover{key: key}
	if p.token, err = s.key.Sign(tokens.Bound(`{"jkt":"` + key.Thumbprint() + `"}`)); err != nil {
		return nil, err
	}
	p.proofs, err = key.Proofs(madeProofs, p.token, nonce)
	return p, err
}

// proof is the next one.
func (p *prover) proof() string { return p.proofs[p.next.Add(1)%madeProofs] }

// credentials are those of a request that need a proof.
func (p *prover) credentials() *auth.Credentials {
	return &auth.Credentials{Authorization: []string{"DPoP " + p.token}, Method: "GET", Target: tokens.Path, Header: http.Header{}, Answer: http.Header{}}
}

// step is what a Binding does for one request of the prover; its proof must be refused for refused,
// and accepted when that is "". When all proofs were used, another Binding takes its place, to
// which they are new: it must remember their header first, so that this adds to what is measured.
func (p *prover) step(ctx context.Context, nonces *dpop.Nonces, refused auth.Reason) (func() error, error) {
	principal, err := auth.NewPrincipal([]byte(tokens.Claims()))
	if err != nil {
		return nil, err
	}
	c, member := p.credentials(), []byte(`"`+p.key.Thumbprint()+`"`)
	field := []string{""}
	c.Header["Dpop"] = field
	var b *dpop.Binding
	used := madeProofs
	return func() error {
		if used++; used > madeProofs {
			used = 1
			b = must(dpop.New([]string{tokens.Origin}, dpop.NewMemory(4*madeProofs), &dpop.Options{Nonces: nonces}))
		}
		field[0] = p.proof()
		err := b.Check(ctx, p.token, c, principal, member)
		if e, ok := err.(*auth.Error); ok && e.Reason == refused && refused != "" {
			return nil
		}
		if err == nil && refused != "" {
			return fmt.Errorf("accepted, and not refused for %v", refused)
		}
		return err
	}, nil
}

// proofs measures what a DPoP proof costs beside its signature.
func proofs(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	nonces, err := dpop.NewNonces(time.Hour)
	if err != nil {
		return err
	}
	var cs []*measure.Contestant
	var es256 *measure.Contestant
	for _, g := range []struct {
		alg   string
		bound float64
	}{{"ES256", 1.12}, {"EdDSA", 1.15}, {"RS256", 1.3}} {
		good, err := newProver(s, g.alg, nonces.Current())
		if err != nil {
			return err
		}
		check, err := good.key.Raw(good.proofs[0])
		if err != nil {
			return err
		}
		step, err := good.step(ctx, nonces, "")
		if err != nil {
			return err
		}
		raw := measure.Of("the signature alone, "+g.alg, check)
		ours := measure.Of("**Bearward**: proof, nonce and Memory, "+g.alg, step)
		cs = append(cs, raw, ours)
		if es256 == nil {
			es256 = raw
			foreign, err := newProver(s, g.alg, "bm90LWEtbm9uY2Utb2Yt")
			if err != nil {
				return err
			}
			refused, err := foreign.step(ctx, nonces, auth.ReasonProofNonceRequired)
			if err != nil {
				return err
			}
			cs = append(cs, measure.Of("**Bearward**: refused before its signature, for a foreign nonce", refused))
		}
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.atMost("proofs", "DPoP step with Memory and nonce / the signature alone, ES256", 1.12, cs[1].Over(cs[0]))
	r.atMost("proofs", "DPoP step with Memory and nonce / the signature alone, EdDSA", 1.15, cs[4].Over(cs[3]))
	r.atMost("proofs", "DPoP step with Memory and nonce / the signature alone, RS256", 1.3, cs[6].Over(cs[5]))
	r.atMost("proofs", "DPoP proof refused before its signature / the ES256 signature alone", 0.08, cs[2].Over(es256))
	if err := wholeProofs(ctx, p, r, s, nonces); err != nil {
		return err
	}
	r.compare("A DPoP proof", "What `dpop.Binding.Check` takes, for a new proof each time. Ratios are to the ES256 signature alone. The last look before the "+
		"signature is at the nonce.", es256, cs, nil)
	return nil
}

// wholeProofs measures requests with a proof from the router to the handler, beside auth0's
// middleware.
func wholeProofs(ctx context.Context, p plan, r *report, s *stand, nonces *dpop.Nonces) error {
	nonceless, err := newProver(s, "ES256", "")
	if err != nil {
		return err
	}
	client, err := newProver(s, "ES256", nonces.Current())
	if err != nil {
		return err
	}
	theirs, err := peers.Auth0DPoP(s.key)
	if err != nil {
		return err
	}
	guarded := func(cache int) http.Handler {
		binding := must(dpop.New([]string{tokens.Origin}, newAgain(dpop.NewMemory(0)), &dpop.Options{Nonces: nonces}))
		return mux(must(auth.NewGuard(must(s.verifier(cache)), &auth.GuardOptions{Bindings: []auth.Binding{binding}})).Require("read:orders")(nothing))
	}
	cs := []*measure.Contestant{
		measure.Of("**Bearward** net/http, token remembered", client.request(guarded(0))),
		measure.Of("**Bearward** net/http, no token cache", client.request(guarded(off))),
		measure.Of("auth0 go-jwt-middleware v3 net/http", nonceless.request(mux(theirs(nothing)))),
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.compare("A whole request with a DPoP proof", "The token is signed with RS256, its proof with ES256; the replay store is in the process.", cs[0], cs,
		map[string]string{cs[2].Name: strings.Join(peers.Auth0DPoPUnchecked, ", ")})
	return nil
}

// request is one request to h with the next proof.
func (p *prover) request(h http.Handler) func() error {
	r := httptest.NewRequest("GET", tokens.Origin+tokens.Path, nil)
	r.Header.Set("Authorization", "DPoP "+p.token)
	w := &sink{header: make(http.Header)}
	return func() error {
		r.Header["Dpop"] = []string{p.proof()}
		clear(w.header)
		w.status = http.StatusOK
		if h.ServeHTTP(w, r); w.status != http.StatusOK {
			return fmt.Errorf("%d %v", w.status, w.header)
		}
		return nil
	}
}

// first measures dpop.Memory with two processors at it.
func first(ctx context.Context, p plan, r *report) error {
	m := dpop.NewMemory(1 << 24)
	owners := make([]string, 256)
	for i := range owners {
		owners[i] = fmt.Sprintf("%032d", i)
	}
	var next atomic.Uint64
	ask := func(n int) error {
		id := make([]byte, 32)
		for range n {
			at := next.Add(1)
			text := strconv.AppendUint(id[:0], at, 10)
			if ok, err := m.First(ctx, owners[at%256], string(text[:cap(text)]), time.Second); err != nil || !ok {
				return fmt.Errorf("first: %v, %w", ok, err)
			}
		}
		return nil
	}
	two := &measure.Contestant{Name: "dpop.Memory, 2 procs", Run: func(n int) error { return shareOut(2, n, func(_, n int) error { return ask(n) }) }}
	if err := measure.Race(p.rounds, 8*p.slice, two); err != nil {
		return err
	}
	us := make([]float64, len(two.PerOp))
	for i, ns := range two.PerOp {
		us[i] = ns / 1000
	}
	r.atMost("first", "dpop.Memory.First at 2 procs, us (wall clock)", 0.6, measure.RatioOf(us))
	return entries(ctx, r)
}

// entries measures what dpop.Memory takes for each of a million entries.
func entries(ctx context.Context, r *report) error {
	const n = 1_000_000
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%032d", i)
	}
	var s runtime.MemStats
	used := func() (heap, allocs uint64) {
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc, s.Mallocs
	}
	heap, allocs := used()
	m := dpop.NewMemory(0)
	for i, id := range ids {
		if ok, err := m.First(ctx, ids[i%256], id, time.Hour); err != nil || !ok {
			return fmt.Errorf("entries: %v, %w", ok, err)
		}
	}
	heapAfter, allocsAfter := used()
	runtime.KeepAlive(m)
	runtime.KeepAlive(ids)
	r.count("first", "dpop.Memory.First, allocations", 0, math.Round(float64(allocsAfter-allocs)/n))
	r.count("first", "dpop.Memory, bytes per entry at 1,000,000", 40, float64(heapAfter-heap)/n)
	return nil
}
