package jwks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

var errClosed = fmt.Errorf("%w: the cache is closed", ErrUnavailable)

// begin returns the flight that is due or in the air, or makes one due. The lock is held.
func (c *Cache) begin(trigger Trigger) *flight {
	if c.flight == nil { // check: single-flight
		c.flight = &flight{trigger: trigger, done: make(chan struct{})}
		c.wake()
	}
	return c.flight
}

// wake makes the run goroutine look at the clocks anew.
func (c *Cache) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// run makes every fetch, one after another, until ctx ends.
func (c *Cache) run(ctx context.Context) {
	defer close(c.ended)
	defer c.ground()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.kick:
		}
		if f := c.due(); f != nil {
			c.fly(ctx, f)
		}
		timer.Reset(time.Until(c.next()))
	}
}

// due returns the flight to make now, one by the clock if it is time.
func (c *Cache) due() *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.closed || c.flight == nil && now.Before(c.clocks.next) {
		return nil
	}
	if c.flight == nil {
		// check: permits-shared
		c.begin(TriggerClock)
	}
	return c.flight
}

// next tells when the refresh clock asks for a fetch.
func (c *Cache) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clocks.next
}

// fly makes one flight.
func (c *Cache) fly(ctx context.Context, f *flight) {
	if f.trigger == TriggerSnapshot {
		c.restore(f)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	// check: fetch-timeout
	defer cancel()
	asked := time.Now()
	c.takeoffs.Add(1)
	got, err := c.fetchUnlocked(ctx, f)
	e := c.land(f, asked, got, err)
	if e.Err == nil && c.options.SnapshotFile != "" {
		e.SnapshotErr = c.save(asked)
	}
	c.tell(e)
}

// fetchUnlocked is where the network is. A key that is not held is looked for where the keys were last, without discovery, which
// would double what a flood of forged tokens can cause.
func (c *Cache) fetchUnlocked(ctx context.Context, f *flight) (fetched, error) {
	// check: lock-over-fetch
	discover := f.trigger != TriggerUnknownKey
	// check: discovery-on-unknown
	return c.fetcher.fetch(ctx, discover)
}

// land takes in how a flight ended: new keys are in use, or the old ones stay, before anybody who waits goes on.
func (c *Cache) land(f *flight, asked time.Time, got fetched, err error) RefreshEvent {
	e := RefreshEvent{Trigger: f.trigger, URL: got.url, Err: err, DiscoveryErr: got.discoveryErr, NotModified: got.notModified}
	set := c.last
	if err == nil && !got.notModified {
		e.Added, e.Removed = inherit(c.last, got.keys)
		// check: withdrawn-kept
		e.Skipped, e.Exposed = got.skips, got.exposed
		set = newKeySet(got.keys)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.closed { // check: landing-after-close
		e.Err, err = errClosed, errClosed
	}
	if err == nil {
		c.last = set
		c.hold(set, now, asked)
		c.clocks.succeeded(now, asked, got.hint)
		c.lastGood, c.confirmed = c.takeoffs.Load(), true
		c.status.URL = got.url
		if !got.notModified {
			c.status.Skipped, c.status.Exposed = e.Skipped, e.Exposed
		}
	} else {
		c.failed(now, err)
	}
	c.count(f, e)
	c.status.LastError = err
	e.Elapsed, e.Next = now.Sub(asked), c.clocks.next.Sub(now)
	if set := c.held.Load(); set != nil {
		e.Keys = len(set.all)
	}
	c.release(f, err)
	return e
}

// hold puts set in use, as the issuer published it at asked. The lock is held.
func (c *Cache) hold(set *keySet, now, asked time.Time) {
	c.clocks.asked = asked
	c.asked.Store(int64(asked.Sub(c.made)))
	c.held.Store(set)
	c.expiry.Reset(c.clocks.goodUntil().Sub(now))
}

// failed takes note of a failed fetch. The lock is held.
func (c *Cache) failed(now time.Time, err error) {
	var status *statusError
	var retryAfter time.Duration
	if errors.As(err, &status) {
		retryAfter = status.retryAfter
	}
	c.clocks.failed(now, retryAfter, c.held.Load() != nil)
	c.confirmed = false
	c.notJudged = fmt.Errorf("%w: %w", ErrUnavailable, err)
	// check: failure-drops-keys
}

// release lets those who wait for f go on. The lock is held.
func (c *Cache) release(f *flight, err error) {
	if c.flight == f {
		c.flight = nil
	}
	f.err = err
	close(f.done)
}

func (c *Cache) count(f *flight, e RefreshEvent) {
	n := &c.status.Counters
	n.Fetches++
	if e.Err != nil {
		n.Failures++
	}
	if e.NotModified {
		n.NotModified++
	}
	if f.trigger == TriggerUnknownKey {
		n.ByUnknownKey++
	}
}

// expire drops the keys when the last good fetch is too old. The timer calls it on a goroutine of its own, so that neither a slow disk nor a
// slow hook keeps old keys in use.
func (c *Cache) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	// check: clock-max-stale
	if c.closed || c.held.Load() == nil || now.Before(c.clocks.goodUntil()) {
		return
	}
	c.held.Store(nil)
	c.clocks.emptied(now) // check: backoff-after-expiry
	c.wake()
}

// restore makes the first flight when there is a snapshot file, and makes the first fetch due. Who waits for it goes on with that one.
func (c *Cache) restore(f *flight) {
	d, age, err := c.fetcher.loadSnapshot(c.options.SnapshotFile, c.options.MaxStale)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // the first start
	}
	e := RefreshEvent{Trigger: TriggerSnapshot, URL: c.fetcher.url, SnapshotErr: err, Keys: len(d.keys), Added: d.keys}
	c.mu.Lock()
	if now := time.Now(); len(d.keys) > 0 && !c.closed {
		c.last = newKeySet(d.keys)
		c.hold(c.last, now, now.Add(-age))
		c.status.URL = c.fetcher.url
	}
	c.release(f, nil)
	if !c.closed {
		c.begin(TriggerStart)
	}
	c.mu.Unlock()
	if len(d.keys) > 0 || err != nil {
		c.tell(e)
	}
}

// save writes the snapshot file.
func (c *Cache) save(asked time.Time) error {
	keys, err := publish(c.last.all)
	if err != nil {
		return err
	}
	return saveSnapshot(c.options.SnapshotFile, snapshot{
		Source: c.fetcher.name, URL: c.fetcher.url, Fetched: asked, Keys: keys,
	})
}

func (c *Cache) tell(e RefreshEvent) {
	if c.teller.tell(e) {
		c.mu.Lock()
		c.status.Counters.DroppedEvents++
		c.mu.Unlock()
	}
}

// ground ends what the run goroutine owns. No flight is begun any more: closed is set before ctx ends.
func (c *Cache) ground() {
	c.mu.Lock()
	if c.flight != nil {
		c.release(c.flight, errClosed)
	}
	c.mu.Unlock()
	if c.fetcher.own != nil {
		c.fetcher.own.CloseIdleConnections()
	}
	c.teller.close()
}
