package jwks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A LookupError is the error of [Cache.Keys] for a key that the Cache does not have. It tells when
// to ask again, and errors.As finds it. A Guard reads it for its Retry-After, and to tell 503 from
// 401; only programs that call Keys themselves need it.
type LookupError struct {
	// Err wraps ErrUnknownKey or ErrUnavailable, and says why.
	Err error

	// AskedAt is when the keys cached were asked for. A key published since may be missing among
	// them. Zero when no keys are cached.
	AskedAt time.Time

	// RetryAt is when the next fetch is due that may change the answer. Zero: now.
	RetryAt time.Time
}

// Error returns the text of e.Err.
func (e *LookupError) Error() string { return e.Err.Error() }

// Unwrap returns e.Err.
func (e *LookupError) Unwrap() error { return e.Err }

// What a request under a key ID that is not cached gets. They are made once: a flood meets these.
var (
	errNotPublished   = fmt.Errorf("%w under this ID", ErrUnknownKey)
	errWaitTimeout    = fmt.Errorf("%w: the fetch takes too long", ErrUnavailable)
	errTooManyWaiters = fmt.Errorf("%w: too many requests wait for one", ErrUnavailable)
	errNeedsFetch     = fmt.Errorf("%w: needs a fetch", ErrUnavailable)
)

// answerWithoutFetch returns what a request under a key ID that is not cached gets while no fetch
// can change it, and errNeedsFetch otherwise.
func (c *Cache) answerWithoutFetch() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	s := &c.schedule
	if c.cached.Load() != nil && c.fetching == nil && !s.due(now) && !s.hasPermit(now) && s.recent(now) { // check: held-untold
		return c.count(errNotPublished, s.nextAnswer(now))
	}
	return errNeedsFetch
}

// lookUpMissing answers for a key ID that is not cached, or waits until it can.
func (c *Cache) lookUpMissing(ctx context.Context, kid string) ([]*Key, error) {
	arrived := c.fetchesStarted.Load()
	var timeout *time.Timer
	for {
		keys, w, err := c.decide(kid, arrived)
		if w == nil {
			return keys, err
		}
		if timeout == nil {
			timeout = time.NewTimer(waitLimit) // check: wait-limit
			defer timeout.Stop()
		}
		select {
		case <-w.fetch.done:
			if err := w.fetch.err; err != nil {
				return nil, c.stopWaiting(w, fmt.Errorf("%w: %w", ErrUnavailable, err))
			}
			c.stopWaiting(w, nil)
		case <-w.displaced:
			return nil, c.stopWaiting(w, errTooManyWaiters)
		case <-ctx.Done():
			return nil, c.stopWaiting(w, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx)))
		case <-timeout.C:
			return nil, c.stopWaiting(w, errWaitTimeout)
		}
	}
}

// decide tells what to do with a request under a key ID that was not cached when arrived fetches
// had started: its keys, its error, or the fetch to wait for. A fetch that was under way already
// may miss a key published since, and so refuses nobody. The order of the cases is the rule.
func (c *Cache) decide(kid string, arrived uint64) ([]*Key, *waiter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	set, s := c.cached.Load(), &c.schedule
	if set != nil {
		if keys := set.find(kid); len(keys) > 0 {
			return keys, nil, nil
		}
		if c.lastGood > arrived { // fetched on behalf of this request, or later
			return nil, nil, c.count(errNotPublished, s.nextAnswer(now))
		}
	}
	switch {
	case c.closed:
		return nil, nil, c.count(ErrClosed, time.Time{})
	case c.fetching != nil: // joined
	case s.backingOff(now) && (set == nil || s.hasPermit(now)):
		return nil, nil, c.count(c.unavailableErr, s.next)
	case set == nil || s.due(now): // the clock asks for a fetch at this moment
		c.beginFetch(TriggerClock)
	case s.hasPermit(now):
		s.takePermit(now)
		c.beginFetch(TriggerUnknownKey)
	case s.recent(now): // check: unknown-long-after
		return nil, nil, c.count(errNotPublished, s.nextAnswer(now))
	default:
		return nil, nil, c.count(c.unavailableErr, s.nextAnswer(now))
	}
	w := c.fetching.join(s.random)
	if w == nil {
		return nil, nil, c.count(errTooManyWaiters, now.Add(waitLimit))
	}
	c.status.Counters.Waits++
	return nil, w, nil
}

// count counts what a request gets, and adds what it may know of the schedule. Requests that get
// the same share the error. The lock is held.
func (c *Cache) count(err error, retryAt time.Time) error {
	if errors.Is(err, ErrUnknownKey) {
		c.status.Counters.Unknown++
	} else {
		c.status.Counters.Unavailable++
	}
	var asked time.Time
	if c.cached.Load() != nil {
		asked = c.schedule.asked
	}
	if last := c.lastAnswer; last != nil && last.Err == err && last.AskedAt.Equal(asked) && last.RetryAt.Equal(retryAt) {
		return last
	}
	c.lastAnswer = &LookupError{Err: err, AskedAt: asked, RetryAt: retryAt}
	return c.lastAnswer
}

// stopWaiting takes w from those who wait. With an error, that is its answer.
func (c *Cache) stopWaiting(w *waiter, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.fetch.leave(w)
	if err == nil {
		return nil
	}
	now := time.Now()
	retryAt := now.Add(waitLimit) // a fetch is under way
	if c.fetching == nil {
		retryAt = c.schedule.nextAnswer(now)
	}
	return c.count(err, retryAt)
}
