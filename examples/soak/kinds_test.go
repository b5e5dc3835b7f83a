//go:build unix

package soak_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bearward/bearward/middleware/authtest"
)

// What may be away, and for how long after it came back a request may still not be judged: a step
// of the back-off (5 s) and what a loaded machine takes.
const (
	afterIssuer = 8 * time.Second
	afterOpaque = 8 * time.Second
	afterRedis  = 3*time.Second + proofAge + proofLeeway + 5*time.Second // proofs are forgotten by then
	afterPause  = 2 * time.Second
)

// An excuse reports whether a request from one instant to another may be refused with 503.
type excuse func(from, to time.Time) bool

// A kind is a request whose answer the model knows.
type kind struct {
	name string
	// make returns the call, the statuses that are right, and what excuses a 503. ok is false when
	// there is nothing to send.
	make func(w *world, f front) (c call, right []int, why excuse, ok bool)
}

func never(time.Time, time.Time) bool { return false }

// without excuses what needs the keys of n.
func (n *tenant) without(from, to time.Time) bool { return n.trouble.touch(from, to, afterIssuer) }

// needs adds what every request at f needs to an excuse: Redis where revocation is checked.
func (w *world) needs(f front, bound bool, other excuse) excuse {
	return func(from, to time.Time) bool {
		return other(from, to) || w.stalled.touch(from, to, time.Second) ||
			(f.checked || bound) && (w.redis.trouble.touch(from, to, afterRedis) || w.redis.paused.touch(from, to, afterPause) || w.redis.slow.touch(from, to, 0))
	}
}

// soonWithdrawn has the tokens cached whose keys are withdrawn then.
const soonWithdrawn = "under a key that is withdrawn soon"

func pick[T any](all []T) T { return all[rand.IntN(len(all))] }

var kinds = []kind{
	{"good", func(w *world, f front) (call, []int, excuse, bool) {
		n := pick(w.tenants[:2])
		return call{scheme: "Bearer", token: n.token("read:orders")}, []int{200}, w.needs(f, false, n.without), true
	}},
	{"good, under a key that is known since the start", func(w *world, f front) (call, []int, excuse, bool) {
		return call{scheme: "Bearer", token: pick(pick(w.tenants[:2]).kept)}, []int{200}, w.needs(f, false, never), true
	}},
	{"poor", func(w *world, f front) (call, []int, excuse, bool) {
		n := pick(w.tenants[:2])
		return call{scheme: "Bearer", token: n.token("write:orders")}, []int{403}, w.needs(f, false, n.without), true
	}},
	{"none", func(*world, front) (call, []int, excuse, bool) {
		return call{}, []int{401}, never, true
	}},
	{"bad", func(w *world, f front) (call, []int, excuse, bool) {
		n := pick(w.tenants[:2])
		defect := pick(n.Defects())
		return call{scheme: "Bearer", token: n.token("read:orders", defect)}, []int{400, 401}, func(time.Time, time.Time) bool { return true }, true
	}},
	{soonWithdrawn, func(w *world, f front) (call, []int, excuse, bool) {
		n := w.tenants[1]
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.old == "" {
			return call{}, nil, nil, false
		}
		return call{scheme: "Bearer", token: n.old}, []int{200}, w.needs(f, false, n.without), true
	}},
	{"under a withdrawn key", func(w *world, f front) (call, []int, excuse, bool) {
		n := w.tenants[1]
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.withdrawn) == 0 || time.Since(n.withdrawn[0].since) < 5*time.Second {
			return call{}, nil, nil, false
		}
		return call{scheme: "Bearer", token: n.withdrawn[0].token}, []int{401}, func(time.Time, time.Time) bool { return true }, true
	}},
	{"revoked", func(w *world, f front) (call, []int, excuse, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.revoked) == 0 || !f.checked {
			return call{}, nil, nil, false
		}
		return call{scheme: "Bearer", token: pick(w.revoked).token}, []int{401}, w.needs(f, false, w.tenants[1].without), true
	}},
	{"of the guest", func(w *world, f front) (call, []int, excuse, bool) {
		n := w.guest()
		token := pick(n.kept) // replicas that remember it must forget it
		if rand.IntN(2) == 0 {
			token = n.token("read:orders")
		}
		return call{scheme: "Bearer", token: token}, nil, w.needs(f, false, n.without), true
	}},
	{"by the rule that changes", func(w *world, f front) (call, []int, excuse, bool) {
		return call{scheme: "Bearer", token: pick(w.tenants[0].kept), what: live}, nil, w.needs(f, false, never), true
	}},
	{"with the role", func(w *world, f front) (call, []int, excuse, bool) {
		n := pick(w.tenants[:2])
		token := n.token("read:orders", authtest.Claims{"roles": []string{"guest", "clerk"}})
		return call{scheme: "Bearer", token: token, what: stats}, []int{200}, w.needs(f, false, n.without), true
	}},
	{"without the role", func(w *world, f front) (call, []int, excuse, bool) {
		n := pick(w.tenants[:2])
		token := n.token("read:orders", authtest.Claims{"roles": []string{"guest", "Clerk"}})
		return call{scheme: "Bearer", token: token, what: stats}, []int{403}, w.needs(f, false, n.without), true
	}},
	{"DPoP", func(w *world, f front) (call, []int, excuse, bool) {
		n := w.tenants[1]
		token := n.token("read:orders", w.prover.Confirmation())
		return call{scheme: "DPoP", token: token, proof: f.proofFor(w.prover, list, token)}, []int{200}, w.needs(f, true, n.without), true
	}},
	{"DPoP with another's proof", func(w *world, f front) (call, []int, excuse, bool) {
		n := w.tenants[1]
		token := n.token("read:orders", w.prover.Confirmation())
		return call{scheme: "DPoP", token: token, proof: f.proofFor(w.thief, list, token)}, []int{401}, w.needs(f, true, n.without), true
	}},
	{"DPoP token as a Bearer", func(w *world, f front) (call, []int, excuse, bool) {
		n := w.tenants[1]
		return call{scheme: "Bearer", token: n.token("read:orders", w.prover.Confirmation())}, []int{401}, w.needs(f, true, n.without), true
	}},
	{"certificate", func(w *world, f front) (call, []int, excuse, bool) {
		n := w.tenants[1]
		right := 200
		if f.hidden {
			right = 401 // the gateway's own connection shows none
		}
		return call{scheme: "Bearer", token: n.token("read:orders", w.certificate.Confirmation()), shown: true}, []int{right}, w.needs(f, false, n.without), true
	}},
	{"without the certificate", func(w *world, f front) (call, []int, excuse, bool) {
		n := w.tenants[1]
		return call{scheme: "Bearer", token: n.token("read:orders", w.certificate.Confirmation())}, []int{401}, w.needs(f, false, n.without), true
	}},
	{"opaque", func(w *world, f front) (call, []int, excuse, bool) {
		w.opaque.mu.Lock()
		defer w.opaque.mu.Unlock()
		token := w.opaque.active[len(w.opaque.active)-1]
		return call{scheme: "Bearer", token: token}, []int{200}, w.needs(f, false, w.opaque.without), true
	}},
	{"opaque and unknown", func(w *world, f front) (call, []int, excuse, bool) {
		return call{scheme: "Bearer", token: fmt.Sprint("unknown-", rand.IntN(1000))}, []int{401}, w.needs(f, false, w.opaque.without), true
	}},
	{"opaque and revoked", func(w *world, f front) (call, []int, excuse, bool) {
		w.opaque.mu.Lock()
		defer w.opaque.mu.Unlock()
		if len(w.opaque.revoked) == 0 || time.Since(w.opaque.revoked[0].since) < opaqueAge+1500*time.Millisecond {
			return call{}, nil, nil, false
		}
		return call{scheme: "Bearer", token: w.opaque.revoked[0].token}, []int{401}, w.needs(f, false, w.opaque.without), true
	}},
}

func (e *endpoint) without(from, to time.Time) bool { return e.trouble.touch(from, to, afterOpaque) }

// between returns what is right for a request that passes in the one span, is refused outside of
// the other, and may get either at a change.
func between(surely, perhaps *spans, from, to time.Time, refused int) []int {
	switch {
	case surely.cover(from, to):
		return []int{200}
	case !perhaps.touch(from, to, 0):
		return []int{refused}
	}
	return []int{200, refused, 503}
}
