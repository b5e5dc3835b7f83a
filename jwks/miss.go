package jwks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What a request under a key ID that is not held gets. They are made once: a flood meets these.
var (
	errNotPublished   = fmt.Errorf("%w under this ID", ErrUnknownKey)
	errWaitTimeout    = fmt.Errorf("%w: the fetch takes too long", ErrUnavailable)
	errTooManyWaiters = fmt.Errorf("%w: too many requests wait for one", ErrUnavailable)
	errNeedsFetch     = fmt.Errorf("%w that tells without a fetch", ErrUnavailable)
)

// answerWithoutFetch returns what a request under a key ID that is not held gets while no fetch can change it, and errNeedsFetch otherwise.
func (c *Cache) answerWithoutFetch() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.cached.Load() != nil && c.fetching == nil && !c.schedule.hasPermit(now) && c.schedule.recent(now) { // check: held-untold
		return c.counted(errNotPublished)
	}
	return errNeedsFetch
}

// lookUpMissing judges a key ID that is not held, or waits until it can be judged.
func (c *Cache) lookUpMissing(ctx context.Context, kid string) ([]*Key, error) {
	arrived := c.fetchesStarted.Load()
	var timeout *time.Timer
	for {
		keys, f, err := c.decide(kid, arrived)
		if f == nil {
			return keys, err
		}
		if timeout == nil {
			timeout = time.NewTimer(waitLimit) // check: wait-limit
			defer timeout.Stop()
		}
		select {
		case <-f.done:
			c.stopWaiting()
			if f.err != nil {
				return nil, c.countUnavailable(fmt.Errorf("%w: %w", ErrUnavailable, f.err))
			}
		case <-ctx.Done():
			c.stopWaiting()
			return nil, c.countUnavailable(fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx)))
		case <-timeout.C:
			c.stopWaiting()
			return nil, c.countUnavailable(errWaitTimeout)
		}
	}
}

// decide tells what to do with a request under a key ID that was not held when arrived fetches had started: its keys, its error, or the fetch
// to wait for. A fetch that was under way already may miss a key published since, and so refuses nobody. The order of the cases is the rule.
func (c *Cache) decide(kid string, arrived uint64) ([]*Key, *sharedFetch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	set := c.cached.Load()
	if set != nil {
		if keys := set.find(kid); len(keys) > 0 {
			return keys, nil, nil
		}
		if c.lastGood > arrived {
			return nil, nil, c.counted(errNotPublished) // fetched on behalf of this request, or later
		}
	}
	f := c.fetching
	switch {
	case c.closed:
		return nil, nil, c.counted(errClosed)
	case c.waiters >= maxWaiters: // check: waiters
		return nil, nil, c.counted(errTooManyWaiters)
	case f != nil: // joined
	case set == nil && c.schedule.backingOff(now):
		return nil, nil, c.counted(c.unavailableErr)
	case set == nil: // the clock asks for a fetch at this moment
		f = c.beginFetch(TriggerClock)
	case c.schedule.hasPermit(now) && c.schedule.backingOff(now):
		return nil, nil, c.counted(c.unavailableErr)
	case c.schedule.hasPermit(now):
		c.schedule.takePermit(now)
		f = c.beginFetch(TriggerUnknownKey)
	case c.schedule.recent(now): // check: unknown-long-after
		return nil, nil, c.counted(errNotPublished)
	default:
		return nil, nil, c.counted(c.unavailableErr)
	}
	c.waiters++
	c.status.Counters.Waits++
	return nil, f, nil
}

// counted counts what a request gets. The lock is held.
func (c *Cache) counted(err error) error {
	if errors.Is(err, ErrUnknownKey) {
		c.status.Counters.Unknown++
	} else {
		c.status.Counters.Unavailable++
	}
	return err
}

// countUnavailable counts a request that left a fetch without a verdict.
func (c *Cache) countUnavailable(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counted(err)
}

func (c *Cache) stopWaiting() {
	c.mu.Lock()
	c.waiters--
	c.mu.Unlock()
}
