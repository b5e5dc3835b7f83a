package mcpauth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// These are as in grpcauth.
const (
	// recheckEvery is how long a request goes on between rechecks, give or take a quarter.
	recheckEvery = time.Minute
	// recheckTimeout is how long a recheck may take before it counts as one without a decision.
	recheckTimeout = 5 * time.Second
	// maxUnjudged is how long a request goes on while rechecks make no decision.
	maxUnjudged = 5 * time.Minute
	// firstRetry is how long after such a recheck the next one comes, doubled from one to the next.
	firstRetry = time.Second
)

// A watcher rechecks a request that is being served.
type watcher struct {
	guard *auth.Guard
	asked *http.Request
	ctx   context.Context // that the Guard returned
	rules []rule

	unjudged time.Time // since when rechecks make no decision, zero while they do
	retry    time.Duration
	asking   chan recheck // of the one that has not come back, else nil
	since    time.Time    // it was begun
}

// A recheck is what came of one.
type recheck struct {
	err      error
	panicked error
}

// ask begins a recheck, on a goroutine of its own: a function of the application's may ignore its
// context. It is then left behind, and nothing more is asked before it has come back.
func (w *watcher) ask(running context.Context) {
	asking := make(chan recheck, 1)
	w.asking, w.since = asking, time.Now()
	go func() {
		var r recheck
		defer func() {
			if v := recover(); v != nil {
				r.panicked = fmt.Errorf("%v\n\n%s", v, debug.Stack())
			}
			asking <- r
		}()
		ctx, cancel := context.WithTimeout(w.ctx, recheckTimeout)
		defer cancel()
		defer context.AfterFunc(running, cancel)()
		for _, rule := range w.rules {
			if _, r.err = w.guard.Recheck(ctx, auth.RequestCredentials(nil, w.asked, rule.key), rule.requirement); r.err != nil {
				return
			}
		}
	}()
}

// goesOn takes up what a recheck said, or that it said nothing in time, and reports whether the
// request goes on.
func (w *watcher) goesOn(err error) bool {
	switch {
	case err == nil:
		w.unjudged, w.retry = time.Time{}, firstRetry
		return true
	case auth.AsError(err).Status() < 500: // check: recheck-refused
		return false
	case w.unjudged.IsZero():
		w.unjudged = w.since
	case time.Since(w.unjudged) >= maxUnjudged: // check: unjudged-too-long
		return false
	}
	return true
}

// wait returns how long it is until the next recheck, or until the one that was begun is late.
func (w *watcher) wait() time.Duration {
	if w.unjudged.IsZero() {
		if w.asking != nil {
			return recheckTimeout
		}
		return recheckEvery*3/4 + rand.N(recheckEvery/2)
	}
	wait := w.retry/2 + rand.N(w.retry/2)
	w.retry = min(2*w.retry, recheckEvery/2)
	if left := time.Until(w.unjudged.Add(maxUnjudged)); left > 0 {
		wait = min(wait, left)
	}
	return wait
}

// watch returns when ctx has ended, done says that the handler came back, or a recheck ends the
// request. It then returns false.
func (w *watcher) watch(ctx context.Context, done <-chan any) (v any, ended, goesOn bool) {
	w.retry = firstRetry
	timer := time.NewTimer(w.wait())
	defer timer.Stop()
	for {
		select {
		case v = <-done:
			return v, false, true
		case <-ctx.Done():
			return nil, true, true
		case r := <-w.asking:
			w.asking = nil
			if r.panicked != nil {
				panic(r.panicked)
			}
			if !w.goesOn(r.err) {
				return nil, true, false
			}
		case <-timer.C:
			if w.asking == nil {
				w.ask(ctx)
			} else if !w.goesOn(context.DeadlineExceeded) { // check: recheck-left-behind
				return nil, true, false
			}
		}
		timer.Reset(w.wait())
	}
}
