//go:build unix

package soak_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bearward/bearward/middleware/authtest"
)

// A stream is one that a caller reads.
type stream struct {
	next  func() (subject string, err error)
	close func() // nil for nothing
}

// How long after a change its streams are ended at the latest: a recheck comes each minute, give or
// take 15 s, may take 5 s, and is done again a second after one that made no decision. The rest is
// for a loaded machine.
const (
	afterExpiry     = 10 * time.Second
	afterRevocation = 100 * time.Second
	afterWithdrawal = afterRevocation + 50*time.Second // and two rotations of keys until then
	leeway          = 30 * time.Second                 // a verifier's, by default
)

// A course is what becomes of a stream.
type course struct {
	name string
	// make returns the call; the status by which the stream ends, 0 when it goes on; when that is
	// at the earliest, and how long after its opening at the latest.
	make func(w *world, f front) (c call, ends int, from time.Time, within time.Duration)
	// during is called when the first message has come.
	during func(ctx context.Context, w *world, c call)
	// ready reports whether there is such a call. Default always.
	ready func(w *world) bool
}

var courses = []course{
	{name: "a stream that goes on", make: func(w *world, _ front) (call, int, time.Time, time.Duration) {
		return call{scheme: "Bearer", token: pick(pick(w.tenants[:2]).kept)}, 0, time.Time{}, afterWithdrawal
	}},
	{name: "a stream without a token", make: func(*world, front) (call, int, time.Time, time.Duration) {
		return call{}, 401, time.Time{}, afterExpiry
	}},
	{name: "a stream with too poor a token", make: func(w *world, _ front) (call, int, time.Time, time.Duration) {
		return call{scheme: "Bearer", token: pick(w.tenants[:2]).token("write:orders")}, 403, time.Time{}, afterExpiry
	}},
	{name: "a stream whose token runs out", make: func(w *world, _ front) (call, int, time.Time, time.Duration) {
		until := time.Now().Truncate(time.Second).Add(4 * time.Second)
		token := w.tenants[1].token("read:orders", authtest.Claims{"exp": until.Add(-leeway).Unix()})
		return call{scheme: "Bearer", token: token}, 401, until, time.Until(until) + afterExpiry
	}},
	{name: "a stream whose token is revoked", make: func(w *world, _ front) (call, int, time.Time, time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.spares++
		return call{scheme: "Bearer", token: w.tenants[1].spare[w.spares%len(w.tenants[1].spare)]}, 401, time.Time{}, afterRevocation
	}, during: func(ctx context.Context, w *world, c call) {
		if err := w.revokeToken(ctx, w.tenants[1], idOf(c.token)); err != nil && ctx.Err() == nil {
			w.t.Errorf("revoke: %v", err)
		}
	}},
	{name: "a stream whose key is withdrawn", make: func(w *world, _ front) (call, int, time.Time, time.Duration) {
		return call{scheme: "Bearer", token: w.tenants[1].token("read:orders", long)}, 401, time.Time{}, afterWithdrawal
	}, ready: func(w *world) bool { return !w.tenants[1].signsForGood() }},
}

// watch keeps streams open at every front that has such, until end ends. Its streams have no
// deadline, of which a transport may tell before the context does.
func (w *world) watch(end context.Context, a *tally) {
	ctx, stop := context.WithCancel(context.WithoutCancel(end))
	defer stop()
	defer context.AfterFunc(end, stop)()
	var all sync.WaitGroup
	slots := 0
	for _, r := range w.replicas {
		for _, f := range r.fronts {
			if f.open == nil {
				continue
			}
			for range 2 {
				first := slots // so that each course is taken early
				all.Go(func() {
					for n := first; ctx.Err() == nil; n++ {
						w.follow(ctx, a, f, courses[n%len(courses)])
					}
				})
				slots++
			}
		}
	}
	all.Wait()
}

// follow reads one stream to its end, and compares that with what is right.
func (w *world) follow(ctx context.Context, a *tally, f front, k course) {
	for k.ready != nil && !k.ready(w) && ctx.Err() == nil {
		time.Sleep(tick) // polls
	}
	c, ends, from, within := k.make(w, f)
	began := time.Now()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	defer time.AfterFunc(within, stop).Stop()
	messages, err := read(reading, f, c, func() {
		if k.during != nil {
			k.during(reading, w, c)
		}
	})
	ended := time.Now()
	status := statusOf(err)
	why := w.needs(f, false, func(from, to time.Time) bool {
		return w.tenants[0].without(from, to) || w.tenants[1].without(from, to)
	})
	wrong := ""
	switch {
	case errors.Is(err, errOther):
		wrong = err.Error()
	case ctx.Err() != nil: // the soak ends
		status = 0
	case reading.Err() != nil && ends == 0:
		status = 200
	case reading.Err() != nil:
		wrong = fmt.Sprintf("is open after %v, and %d messages", within, messages)
	case status == 503 && (messages == 0 || !from.IsZero()) && why(ended.Add(-time.Second), ended):
	case status != ends:
		wrong = fmt.Sprintf("%d after %v and %d messages, want %d: %v", status, ended.Sub(began), messages, ends, err)
	case ended.Before(from):
		wrong = fmt.Sprintf("ended %v too early", from.Sub(ended))
	}
	a.count(k.name, f, status, wrong)
}

var errOther = errors.New("a message for another caller")

// read reads a stream until it ends, and returns how many messages came. It calls first when the
// first has come.
func read(ctx context.Context, f front, c call, first func()) (messages int, err error) {
	s, err := f.open(ctx, c)
	if err != nil {
		return 0, err
	}
	if s.close != nil {
		defer s.close()
	}
	for {
		subject, err := s.next()
		if err != nil {
			return messages, err
		}
		if subject != subjectOf(c.token) {
			return messages, fmt.Errorf("%w: %q at that of %q", errOther, subject, subjectOf(c.token))
		}
		if messages++; messages == 1 {
			first()
		}
	}
}
