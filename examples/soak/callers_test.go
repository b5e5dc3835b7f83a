//go:build unix

package soak_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/middleware/authtest"
)

// A call is one request: what it carries.
type call struct {
	scheme, token, proof string
	shown                bool // with the client certificate
	path                 string
}

// send makes a call, and returns the answer's status, of gRPC too.
func (r *replica) send(f front, c call) int {
	if f.url == "" {
		return r.sendGRPC(c)
	}
	method, path := http.MethodGet, f.path
	if f.body != "" {
		method = http.MethodPost
	}
	if c.path != "" {
		path = c.path
	}
	req, err := http.NewRequest(method, f.url+path, strings.NewReader(f.body))
	if err != nil {
		return -1
	}
	if f.body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
	}
	if c.token != "" {
		req.Header.Set("Authorization", c.scheme+" "+c.token)
	}
	if c.proof != "" {
		req.Header.Set("DPoP", c.proof)
	}
	client := r.plain
	if c.shown {
		client = r.shown
	}
	resp, err := client.Do(req)
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (r *replica) sendGRPC(c call) int {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	if c.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", c.scheme+" "+c.token)
	}
	if c.proof != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "dpop", c.proof)
	}
	_, err := orderspb.NewOrdersClient(r.grpc[c.shown]).ListOrders(ctx, &orderspb.ListOrdersRequest{})
	switch status.Code(err) {
	case codes.OK:
		return 200
	case codes.Unauthenticated:
		return 401
	case codes.PermissionDenied:
		return 403
	case codes.Unavailable:
		return 503
	case codes.InvalidArgument:
		return 400
	}
	return -1
}

// proofFor proves a token at a front.
func (f front) proofFor(p *authtest.Prover, token string) string {
	method := http.MethodGet
	if f.url == "" || f.body != "" {
		method = http.MethodPost
	}
	return p.Proof(method, origin+f.path, token)
}

// What may be away, and for how long after it came back a request may still not be judged: a step
// of the back-off (5 s) and what a loaded machine takes.
const (
	afterIssuer = 8 * time.Second
	afterOpaque = 8 * time.Second
	afterRedis  = 3*time.Second + proofAge + proofLeeway + 5*time.Second // proofs are forgotten by then
)

// A kind is a request whose answer the model knows.
type kind struct {
	name string
	// make returns the call, the statuses that are right, and what excuses a 503. ok is false when
	// there is nothing to send.
	make func(w *world, r *replica, f front) (c call, right []int, excuse func(from, to time.Time) bool, ok bool)
}

func never(time.Time, time.Time) bool { return false }

// without excuses what needs the keys of n.
func (n *tenant) without(from, to time.Time) bool { return n.trouble.touch(from, to, afterIssuer) }

// needs adds what every request at f needs to an excuse: Redis where revocation is checked.
func (w *world) needs(f front, bound bool, excuse func(from, to time.Time) bool) func(from, to time.Time) bool {
	return func(from, to time.Time) bool {
		return excuse(from, to) || w.stalled.touch(from, to, time.Second) ||
			(f.checked || bound) && (w.redis.trouble.touch(from, to, afterRedis) || w.redis.slow.touch(from, to, 0))
	}
}

func pick[T any](all []T) T { return all[rand.IntN(len(all))] }

var kinds = []kind{
	{"good", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := pick(w.tenants[:2])
		return call{scheme: "Bearer", token: n.Token("read:orders")}, []int{200}, w.needs(f, false, n.without), true
	}},
	{"good, under a key that is known since the start", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		return call{scheme: "Bearer", token: pick(w.tenants[:2]).kept}, []int{200}, w.needs(f, false, never), true
	}},
	{"poor", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := pick(w.tenants[:2])
		return call{scheme: "Bearer", token: n.Token("write:orders")}, []int{403}, w.needs(f, false, n.without), true
	}},
	{"none", func(*world, *replica, front) (call, []int, func(from, to time.Time) bool, bool) {
		return call{}, []int{401}, never, true
	}},
	{"bad", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := pick(w.tenants[:2])
		defect := pick(n.Defects())
		return call{scheme: "Bearer", token: n.Token("read:orders", defect)}, []int{400, 401}, func(time.Time, time.Time) bool { return true }, true
	}},
	{"under a withdrawn key", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := w.tenants[1]
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.withdrawn) == 0 || time.Since(n.withdrawn[0].since) < 5*time.Second {
			return call{}, nil, nil, false
		}
		return call{scheme: "Bearer", token: n.withdrawn[0].token}, []int{401}, func(time.Time, time.Time) bool { return true }, true
	}},
	{"revoked", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.revoked) == 0 || !f.checked {
			return call{}, nil, nil, false
		}
		return call{scheme: "Bearer", token: pick(w.revoked).token}, []int{401}, w.needs(f, false, w.tenants[1].without), true
	}},
	{"of the guest", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := w.guest()
		return call{scheme: "Bearer", token: n.Token("read:orders")}, nil, w.needs(f, false, n.without), true
	}},
	{"by the rule that changes", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		if f.url == "" || f.body != "" {
			return call{}, nil, nil, false
		}
		return call{scheme: "Bearer", token: w.tenants[0].kept, path: "/live"}, nil, w.needs(f, false, never), true
	}},
	{"DPoP", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := w.tenants[1]
		token := n.Token("read:orders", w.prover.Confirmation())
		return call{scheme: "DPoP", token: token, proof: f.proofFor(w.prover, token)}, []int{200}, w.needs(f, true, n.without), true
	}},
	{"DPoP with another's proof", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := w.tenants[1]
		token := n.Token("read:orders", w.prover.Confirmation())
		return call{scheme: "DPoP", token: token, proof: f.proofFor(w.thief, token)}, []int{401}, w.needs(f, true, n.without), true
	}},
	{"DPoP token as a Bearer", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := w.tenants[1]
		return call{scheme: "Bearer", token: n.Token("read:orders", w.prover.Confirmation())}, []int{401}, w.needs(f, true, n.without), true
	}},
	{"certificate", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := w.tenants[1]
		return call{scheme: "Bearer", token: n.Token("read:orders", w.certificate.Confirmation()), shown: true}, []int{200}, w.needs(f, false, n.without), true
	}},
	{"without the certificate", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		n := w.tenants[1]
		return call{scheme: "Bearer", token: n.Token("read:orders", w.certificate.Confirmation())}, []int{401}, w.needs(f, false, n.without), true
	}},
	{"opaque", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		w.opaque.mu.Lock()
		defer w.opaque.mu.Unlock()
		token := w.opaque.active[len(w.opaque.active)-1]
		return call{scheme: "Bearer", token: token}, []int{200}, w.needs(f, false, w.opaque.without), true
	}},
	{"opaque and unknown", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
		return call{scheme: "Bearer", token: fmt.Sprint("unknown-", rand.IntN(1000))}, []int{401}, w.needs(f, false, w.opaque.without), true
	}},
	{"opaque and revoked", func(w *world, _ *replica, f front) (call, []int, func(from, to time.Time) bool, bool) {
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

// A tally counts answers, and what was wrong. It is safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[int]int
	wrong  []string
}

func (a *tally) count(kind string, status int, wrong string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts[kind] == nil {
		a.counts[kind] = map[int]int{}
	}
	a.counts[kind][status]++
	if wrong != "" {
		a.wrong = append(a.wrong, wrong)
	}
}

// one makes one random request, and compares the answer with what is right.
func (w *world) one(a *tally) {
	r := pick(w.replicas)
	f := pick(r.fronts)
	k := pick(kinds)
	c, right, excuse, ok := k.make(w, r, f)
	if !ok {
		return
	}
	began := time.Now()
	status := r.send(f, c)
	ended := time.Now()
	switch k.name {
	case "of the guest":
		right = between(&w.guest().surely, &w.guest().perhaps, began, ended, 401)
	case "by the rule that changes":
		right = between(&w.surelyOpen, &w.perhapsOpen, began, ended, 403)
	}
	for _, s := range right {
		if s == status {
			a.count(k.name, status, "")
			return
		}
	}
	if status == 503 && excuse(began, ended) {
		a.count(k.name, status, "")
		return
	}
	a.count(k.name, status, fmt.Sprintf("%s at %s: %d, want %v (from %s to %s)", k.name, f.name, status, right, began.Format("05.000"), ended.Format("05.000")))
}

// replay sends one proof to every replica at once: at most one may take it.
func (w *world) replay(a *tally) {
	n := w.tenants[1]
	token := n.Token("read:orders", w.prover.Confirmation())
	which := rand.IntN(len(w.replicas[0].fronts))
	proof := w.replicas[0].fronts[which].proofFor(w.prover, token)
	got := make(chan int, 2*len(w.replicas))
	for range 2 {
		for _, r := range w.replicas {
			go func() { got <- r.send(r.fronts[which], call{scheme: "DPoP", token: token, proof: proof}) }()
		}
	}
	taken := 0
	for range cap(got) {
		status := <-got
		if status == 200 {
			taken++
		}
		a.count("one proof four times", status, "")
	}
	if taken > 1 {
		a.count("one proof four times", 0, fmt.Sprintf("one proof was taken %d times by %s", taken, w.replicas[0].fronts[which].name))
	}
}
