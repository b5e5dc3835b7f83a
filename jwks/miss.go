package jwks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What a request under a key ID that is not held gets. They are made once: a flood meets these.
var (
	errNotPublished = fmt.Errorf("%w under this ID", ErrUnknownKey)
	errImpatient    = fmt.Errorf("%w: the fetch takes too long", ErrUnavailable)
	errCrowded      = fmt.Errorf("%w: too many requests wait for one", ErrUnavailable)
	errUntold       = fmt.Errorf("%w that tells without a fetch", ErrUnavailable)
)

// foregone returns what a request under a key ID that is not held gets while no fetch can change it, and errUntold otherwise.
func (c *Cache) foregone() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.held.Load() != nil && c.flight == nil && !c.clocks.hasPermit(now) && c.clocks.recent(now) { // check: held-untold
		return c.counted(errNotPublished)
	}
	return errUntold
}

// miss judges a key ID that is not held, or waits until it can be judged.
func (c *Cache) miss(ctx context.Context, kid string) ([]*Key, error) {
	arrived := c.takeoffs.Load()
	var patience *time.Timer
	for {
		keys, f, err := c.judge(kid, arrived)
		if f == nil {
			return keys, err
		}
		if patience == nil {
			patience = time.NewTimer(waitLimit) // check: wait-limit
			defer patience.Stop()
		}
		select {
		case <-f.done:
			c.leave()
			if f.err != nil {
				return nil, c.unavailable(fmt.Errorf("%w: %w", ErrUnavailable, f.err))
			}
		case <-ctx.Done():
			c.leave()
			return nil, c.unavailable(fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx)))
		case <-patience.C:
			c.leave()
			return nil, c.unavailable(errImpatient)
		}
	}
}

// judge tells what to do with a request under a key ID that was not held when arrived flights had taken off: its keys, its error, or the flight
// to wait for. A flight that was in the air already may miss a key published since, and so refuses nobody. The order of the cases is the rule.
func (c *Cache) judge(kid string, arrived uint64) ([]*Key, *flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	set := c.held.Load()
	if set != nil {
		if keys := set.find(kid); len(keys) > 0 {
			return keys, nil, nil
		}
		if c.lastGood > arrived {
			return nil, nil, c.counted(errNotPublished) // fetched on behalf of this request, or later
		}
	}
	f := c.flight
	switch {
	case c.closed:
		return nil, nil, c.counted(errClosed)
	case c.waiting >= maxWaiters: // check: waiters
		return nil, nil, c.counted(errCrowded)
	case f != nil: // joined
	case set == nil && c.clocks.backingOff(now):
		return nil, nil, c.counted(c.notJudged)
	case set == nil: // the clock asks for a fetch at this moment
		f = c.begin(TriggerClock)
	case c.clocks.hasPermit(now) && c.clocks.backingOff(now):
		return nil, nil, c.counted(c.notJudged)
	case c.clocks.hasPermit(now):
		c.clocks.spend(now)
		f = c.begin(TriggerUnknownKey)
	case c.clocks.recent(now): // check: unknown-long-after
		return nil, nil, c.counted(errNotPublished)
	default:
		return nil, nil, c.counted(c.notJudged)
	}
	c.waiting++
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

// unavailable counts a request that left a flight without a verdict.
func (c *Cache) unavailable(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counted(err)
}

func (c *Cache) leave() {
	c.mu.Lock()
	c.waiting--
	c.mu.Unlock()
}
