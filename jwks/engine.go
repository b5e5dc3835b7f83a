package jwks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/bearward/bearward/internal/fetch"
)

// beginFetch returns the fetch that is due or under way, or makes one due. The lock is held.
func (c *Cache) beginFetch(trigger Trigger) *sharedFetch {
	if c.fetching == nil { // check: single-flight
		c.fetching = newSharedFetch(trigger)
		c.wake()
	}
	return c.fetching
}

// wake makes the run goroutine look at the schedule again.
func (c *Cache) wake() {
	select {
	case c.wakeup <- struct{}{}:
	default:
	}
}

// run makes every fetch, one after another, until ctx ends.
func (c *Cache) run(ctx context.Context) {
	defer close(c.done)
	defer c.shutdown()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wakeup:
		}
		if f := c.dueFetch(); f != nil {
			c.runFetch(ctx, f)
		}
		timer.Reset(time.Until(c.nextFetch()))
	}
}

// dueFetch returns the fetch to make now, one by the clock if it is time.
func (c *Cache) dueFetch() *sharedFetch {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.closed || c.fetching == nil && !c.schedule.due(now) {
		return nil
	}
	if c.fetching == nil {
		// check: permits-shared
		c.beginFetch(TriggerClock)
	}
	return c.fetching
}

// nextFetch tells when the refresh clock asks for a fetch.
func (c *Cache) nextFetch() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.schedule.next
}

// runFetch makes one fetch.
func (c *Cache) runFetch(ctx context.Context, f *sharedFetch) {
	if f.trigger == TriggerSnapshot {
		c.restore(f)
		return
	}
	asked := time.Now()
	c.fetchesStarted.Add(1)
	got, err := c.fetchWithoutLock(ctx, f)
	e := c.applyResult(f, asked, got, err)
	if e.Err == nil && c.options.SnapshotFile != "" {
		e.SnapshotErr = c.save()
	}
	c.notify(e)
}

// fetchWithoutLock is where the network is. What requests cause goes where the keys were last,
// without discovery, which would double what a flood of forged tokens can cause.
func (c *Cache) fetchWithoutLock(ctx context.Context, f *sharedFetch) (fetchResult, error) {
	// check: lock-over-fetch
	discover := f.trigger.isRefresh()
	// check: discovery-on-unknown
	return c.fetcher.fetch(ctx, discover)
}

// applyResult takes in how a fetch ended: new keys are in use, or the old ones stay, before anybody
// who waits goes on.
func (c *Cache) applyResult(f *sharedFetch, asked time.Time, got fetchResult, err error) RefreshEvent {
	e := RefreshEvent{
		Trigger: f.trigger, URL: got.url, Err: err, DiscoveryErr: got.discoveryErr, NotModified: got.notModified,
		Skipped: got.skips, Exposed: got.exposed, Source: c.fetcher.source(), read: got.read,
	}
	set := c.last
	if err == nil && !got.notModified {
		e.Added, e.Removed = reuseKeys(c.last, got.keys)
		// check: withdrawn-kept
		set = newKeySet(got.keys)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.closed { // check: result-after-close
		e.Err, err = ErrClosed, ErrClosed
	}
	if err == nil {
		c.last = set
		c.cached.Store(set)
		c.noteSuccess(f.trigger, now, asked, got.hint)
		c.status.URL = got.url
	} else {
		c.noteFailure(now, err)
	}
	if got.read { // also a set without a usable key: that is when it matters most
		c.status.Skipped, c.status.Exposed = got.skips, got.exposed
	}
	c.countFetch(f, e)
	c.status.LastError = err
	e.Elapsed, e.Next = now.Sub(asked), c.schedule.next.Sub(now)
	if set := c.cached.Load(); set != nil {
		e.Keys = len(set.all)
	}
	c.finishFetch(f, err)
	return e
}

// noteSuccess takes note of a good fetch that was sent at asked. The lock is held.
func (c *Cache) noteSuccess(trigger Trigger, now, asked time.Time, hint time.Duration) {
	c.lastGood, c.confirmed = c.fetchesStarted.Load(), true
	if trigger.isRefresh() { // check: lookup-is-no-refresh
		c.schedule.succeeded(now, asked, hint)
	} else {
		c.schedule.looked(asked, c.fetcher.issuer == nil)
	}
	c.setAge(now)
}

// setAge makes the keys cached as old as the last good refresh, and ends them at MaxStale. The lock
// is held.
func (c *Cache) setAge(now time.Time) {
	c.refreshed.Store(int64(c.schedule.refreshed.Sub(c.created)))
	c.expiryTimer.Reset(c.schedule.goodUntil().Sub(now))
}

// noteFailure takes note of a failed fetch. The lock is held.
func (c *Cache) noteFailure(now time.Time, err error) {
	var status *fetch.StatusError
	var retryAfter time.Duration
	if errors.As(err, &status) {
		retryAfter = status.RetryAfter
	}
	c.schedule.failed(now, retryAfter, c.cached.Load() != nil, errors.Is(err, ErrMisconfigured))
	c.confirmed = false
	c.unavailableErr = fmt.Errorf("%w: %w", ErrUnavailable, err)
	// check: failure-drops-keys
}

// finishFetch lets those who wait for f go on. The lock is held.
func (c *Cache) finishFetch(f *sharedFetch, err error) {
	if c.fetching == f {
		c.fetching = nil
	}
	f.err = err
	close(f.done)
}

func (c *Cache) countFetch(f *sharedFetch, e RefreshEvent) {
	n := &c.status.Counters
	n.Fetches++
	if e.Err != nil {
		n.Failures++
	}
	if e.NotModified {
		n.NotModified++
	}
	switch f.trigger {
	case TriggerUnknownKey:
		n.ByUnknownKey++
	case TriggerBadSignature:
		n.ByBadSignature++
	}
}

// expire drops the keys when the last good fetch is too old. The timer calls it on a goroutine of
// its own, so that neither a slow disk nor a slow hook keeps old keys in use.
func (c *Cache) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	// check: clock-max-stale
	if c.closed || c.cached.Load() == nil || now.Before(c.schedule.goodUntil()) {
		return
	}
	c.cached.Store(nil)
	c.schedule.expired(now) // check: backoff-after-expiry
	c.wake()
}

// restore loads the keys when there is a snapshot file, and makes the first fetch due. Who waits
// for it goes on with that one.
func (c *Cache) restore(f *sharedFetch) {
	d, age, err := c.fetcher.loadSnapshot(c.options.SnapshotFile, c.options.MaxStale)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // the first start
	}
	e := RefreshEvent{Trigger: TriggerSnapshot, URL: c.fetcher.url, SnapshotErr: err, Keys: len(d.keys), Added: d.keys, Source: c.fetcher.source()}
	c.mu.Lock()
	if now := time.Now(); len(d.keys) > 0 && !c.closed {
		c.last = newKeySet(d.keys)
		c.cached.Store(c.last)
		c.schedule.asked, c.schedule.refreshed = now.Add(-age), now.Add(-age)
		c.setAge(now)
		c.status.URL = c.fetcher.url
	}
	c.finishFetch(f, nil)
	if !c.closed {
		c.beginFetch(TriggerStart)
	}
	c.mu.Unlock()
	if len(d.keys) > 0 || err != nil {
		c.notify(e)
	}
}

// save writes the snapshot file. Its keys are as old as the last refresh: what a token caused is
// none, and must not let them live longer after a restart.
func (c *Cache) save() error {
	keys, err := toJWKs(c.last.all)
	if err != nil {
		return err
	}
	c.mu.Lock()
	refreshed := c.schedule.refreshed
	c.mu.Unlock()
	// check: snapshot-refreshed
	return saveSnapshot(c.options.SnapshotFile, snapshot{
		Source: c.fetcher.source(), URL: c.fetcher.url, FetchedAt: refreshed, Keys: keys,
	})
}

func (c *Cache) notify(e RefreshEvent) {
	if c.notifier.notify(e) {
		c.mu.Lock()
		c.status.Counters.DroppedEvents++
		c.mu.Unlock()
	}
}

// shutdown ends what the run goroutine owns. No fetch begins any more: closed is set before ctx
// ends.
func (c *Cache) shutdown() {
	c.mu.Lock()
	if c.fetching != nil {
		c.finishFetch(c.fetching, ErrClosed)
	}
	c.mu.Unlock()
	c.fetcher.client.Close()
	c.notifier.close()
}
