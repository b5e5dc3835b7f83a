package openstream

import (
	"context"
	"math/rand/v2"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

const (
	// recheckEvery is how long a stream goes on between rechecks, give or take a quarter.
	recheckEvery = time.Minute
	// recheckTimeout is how long a recheck may take. At the token's end no message passes in it.
	recheckTimeout = 5 * time.Second
	// maxUnjudged is how long a stream goes on while rechecks make no decision.
	maxUnjudged = 5 * time.Minute
	// firstRetry is how long after such a recheck the next one comes, doubled from one to the next.
	firstRetry = time.Second
)

// How long a stream goes on at least whose token is accepted although it ran out: the first time,
// and at most. A verifier with a leeway of its own does that for minutes, and may ask an issuer
// each time.
const (
	clockStep    = 10 * time.Millisecond
	maxClockStep = 5 * time.Second
)

// A watcher rechecks one open stream.
type watcher struct {
	Config
	stream  *Stream
	cancel  func()        // ends the handler's context
	stopped chan struct{} // closed when watch has ended

	until    time.Time // the end of the token, zero for none
	known    bool      // the token was accepted once; not so under a rule that was public then
	unjudged time.Time // since when rechecks make no decision, zero while they do
	retry    time.Duration
	step     time.Duration
	asking   chan answer // of the last recheck while it has not come back, else nil

	// These are read when watch has ended.
	refused  error // what ended the stream
	panicked *panicked
}

// watch rechecks the stream until it is refused, its handler came back or its caller is gone.
func (w *watcher) watch(running, accepted context.Context) {
	defer close(w.stopped)
	defer func() {
		if w.panicked = panickedWith(recover()); w.panicked != nil {
			w.finish(w.Refused(errRecheckFailed))
		}
	}()
	w.accepted(accepted)
	w.step = clockStep
	timer := time.NewTimer(w.wait())
	defer timer.Stop()
	for {
		select {
		case <-running.Done():
			w.close(w.Gone(running.Err())) // check: handed-out-when-gone
			return
		case <-timer.C:
		}
		if !w.recheck(running) {
			return
		}
		timer.Reset(w.wait())
	}
}

// accepted notes the end of the token that ctx carries.
func (w *watcher) accepted(ctx context.Context) {
	w.unjudged, w.retry = time.Time{}, firstRetry
	if p, ok := auth.PrincipalFrom(ctx); ok {
		w.until, w.known = p.ValidUntil(), true
	} else {
		w.until = time.Time{}
	}
}

// ends reports whether the token's own end ends the stream.
func (w *watcher) ends() bool { return !w.until.IsZero() && !w.AllowExpired }

// wait returns how long it is until the next recheck.
func (w *watcher) wait() time.Duration {
	wait := recheckEvery*3/4 + rand.N(recheckEvery/2)
	if !w.unjudged.IsZero() {
		wait = w.retry/2 + rand.N(w.retry/2)
		w.retry = min(2*w.retry, recheckEvery/2)
		wait = min(wait, time.Until(w.unjudged.Add(maxUnjudged)))
	}
	if w.ends() { // check: stream-expiry
		left := time.Until(w.until)
		if left > 0 {
			w.step = clockStep
		} else {
			left, w.step = w.step, min(2*w.step, maxClockStep)
		}
		wait = min(wait, left)
	}
	return wait
}

// recheck authorizes the call of the stream again, and reports whether the stream goes on.
func (w *watcher) recheck(running context.Context) bool {
	timeout := recheckTimeout
	holds := w.ends() && !time.Now().Before(w.until)
	if holds {
		l := &look{done: make(chan struct{}), refused: errRecheckFailed}
		w.stream.look.Store(l)
		defer close(l.done)
	} else if w.ends() {
		timeout = min(timeout, time.Until(w.until)) // check: recheck-before-expiry
	}
	again, err := w.ask(running, timeout)
	switch {
	case err == nil:
		w.accepted(again)
		if holds {
			w.stream.look.Load().refused = nil
		}
	case running.Err() != nil:
		w.close(w.Gone(running.Err()))
		return false
	case !w.outlives(err, holds): // check: stream-refused
		w.finish(w.Refused(err))
		return false
	}
	return true
}

// An answer is what came of a recheck.
type answer struct {
	ctx      context.Context
	err      error
	panicked *panicked
}

// ask authorizes the call again, on a goroutine of its own. A function of the application's may
// ignore its context: it is then left behind, so that the stream ends in time all the same, and
// nothing more is asked before it has come back.
func (w *watcher) ask(running context.Context, timeout time.Duration) (context.Context, error) {
	if w.leftBehind() { // check: recheck-left-behind
		return nil, context.DeadlineExceeded
	}
	ctx, cancel := context.WithTimeout(running, timeout)
	defer cancel()
	asking := make(chan answer, 1)
	w.asking = asking
	go func() {
		var a answer
		defer func() {
			a.panicked = panickedWith(recover())
			asking <- a
		}()
		a.ctx, a.err = w.Recheck(ctx)
	}()
	// check: recheck-bounded
	select {
	case a := <-asking:
		w.asking = nil
		a.panicked.again()
		return a.ctx, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// leftBehind reports whether the recheck before has not come back. What it found out by now was
// asked too long ago to count.
func (w *watcher) leftBehind() bool {
	if w.asking == nil {
		return false
	}
	select {
	case late := <-w.asking:
		w.asking = nil
		late.panicked.again()
		return false
	default:
		return true
	}
}

// outlives reports whether the stream goes on although a recheck did not accept it.
func (w *watcher) outlives(err error, holds bool) bool {
	e := auth.AsError(err)
	switch {
	case holds: // check: unjudged-at-expiry
		return false
	case w.AllowExpired && e.Reason == auth.ReasonTokenExpired:
		w.unjudged, w.retry = time.Time{}, firstRetry // check: expired-is-decided
		return w.known                                // check: expired-when-public
	case e.Status() < 500: // check: recheck-refused
		return false
	case w.unjudged.IsZero():
		w.unjudged = time.Now()
	}
	// check: unjudged-too-long
	return time.Since(w.unjudged) < maxUnjudged
}

// finish ends the stream.
func (w *watcher) finish(refused error) {
	w.refused = refused
	w.close(refused)
	w.cancel() // check: canceled-first
	if w.Ended != nil {
		w.Ended(refused)
	}
}

// close keeps messages from passing any more.
func (w *watcher) close(refused error) {
	if l := w.stream.look.Load(); l != nil {
		select {
		case <-l.done:
		default: // messages wait for it
			l.refused = refused
			return
		}
	}
	l := &look{done: make(chan struct{}), refused: refused}
	close(l.done)
	w.stream.look.Store(l)
}
