package introspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bearward/bearward/internal/tokencache"
	auth "github.com/bearward/bearward/middleware"
)

// A call is one request to the endpoint, for all who wait for it. Its answer is set before done
// is closed.
type call struct {
	done   chan struct{}
	answer *answer

	raw               string
	tag               tokencache.Tag
	background, probe bool
}

var (
	errClosed = &auth.Error{Reason: auth.ReasonUnavailable, Err: errors.New("introspect: the Introspector is closed")}
	errFull   = &auth.Error{Reason: auth.ReasonUnavailable, Err: errors.New("introspect: as many requests as Config.MaxFlights allows are under way")}
)

// ended is closed: what a call that ended has for done.
var ended = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// ask returns the call that finds out about a token: the one under way, the one that ended since
// the caller looked at now, or a new one. WasActive gives it one of the places that are kept for
// such tokens.
func (i *Introspector) ask(raw string, tag tokencache.Tag, wasActive bool, now time.Time) (*call, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if f, ok := i.calls[tag]; ok { // check: single-call
		return f, nil
	}
	if a := i.cached(tag, now); a != nil && i.stands(a, now) {
		return &call{done: ended, answer: a}, nil
	}
	return i.start(raw, tag, wasActive, false)
}

// renewEvery is how often the renewal of one answer is tried.
const renewEvery = time.Second

// renew asks again about a token whose answer is still used, when there is room for it.
func (i *Introspector) renew(raw string, tag tokencache.Tag, known *answer, now time.Time) {
	last := known.renewed.Load()
	if now.UnixNano()-last < int64(renewEvery) || !known.renewed.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, ok := i.calls[tag]; !ok {
		_, _ = i.start(raw, tag, true, true) // tried again in a second
	}
}

// start begins a call. The caller holds mu.
func (i *Introspector) start(raw string, tag tokencache.Tag, wasActive, background bool) (*call, error) {
	most := i.config.MaxFlights
	if !wasActive {
		most -= (most + 3) / 4 // check: calls-kept
	}
	if i.closed {
		return nil, errClosed
	}
	if len(i.calls) >= max(most, 1) { // check: max-calls
		return nil, errFull
	}
	admitted, probe := i.outage.admits(time.Now())
	if !admitted {
		return nil, i.outage.refusal()
	}
	f := &call{done: make(chan struct{}), raw: raw, tag: tag, background: background, probe: probe}
	i.calls[tag] = f
	i.wait.Add(1)
	go i.runCall(f)
	return f, nil
}

// runCall makes the request of a call. No caller's context ends it: others may wait for it.
func (i *Introspector) runCall(f *call) {
	defer i.wait.Done()
	asked := time.Now()
	r := withDetail(i.requestContained(f.raw))
	f.answer = &answer{principal: r.principal, refusal: r.refusal(), asked: asked}
	i.mu.Lock()
	i.outage.record(r, f.probe, time.Now())
	delete(i.calls, f.tag)
	i.store(f, r)
	i.mu.Unlock()
	if i.life.Err() == nil { // what Close ended says nothing of the endpoint
		i.log.tell(r)
	}
	i.tellCall(Call{Issuer: i.Issuer(), Outcome: r.outcome, Err: r.err, Elapsed: time.Since(asked), Background: f.background})
	close(f.done)
}

// requestContained makes a panic of a Client's Transport, or of a check of the user's own, an
// answer that cannot be used.
func (i *Introspector) requestContained(raw string) (r result) {
	defer func() {
		if v := recover(); v != nil { // check: request-panic
			r = fault(fmt.Errorf("introspect: panic: %s", tellablePanic(v)))
		}
	}()
	endpoint := i.endpoint
	if i.found != nil {
		var err error
		if endpoint, err = i.found.endpoint(i.life, i.config.Timeout); err != nil {
			return result{outcome: Unavailable, down: true, err: fmt.Errorf("introspect: %w", err)}
		}
	}
	ctx, cancel := context.WithTimeout(i.life, i.config.Timeout)
	defer cancel()
	return i.request(ctx, endpoint, raw)
}

func (i *Introspector) tellCall(c Call) {
	if i.config.OnCall == nil {
		return
	}
	defer func() { _ = recover() }()
	i.config.OnCall(c)
}
