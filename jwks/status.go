package jwks

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/bearward/bearward/internal/fetch"
)

// A State is the condition of a Cache at one moment, in one word: for logs, metrics and health
// pages.
type State string

const (
	StateEmpty   State = "empty"   // no keys yet: nothing is judged
	StateFresh   State = "fresh"   // the last fetch was good
	StateStale   State = "stale"   // keys are cached and used; the last fetch failed, or they are from the snapshot file
	StateExpired State = "expired" // the last good fetch is older than MaxStale: nothing is judged
	StateClosed  State = "closed"  // after Close: nothing is judged
)

// States returns every State, in the order of a Cache's life.
func States() []State {
	return []State{StateEmpty, StateFresh, StateStale, StateExpired, StateClosed}
}

// Status is what a [Cache] holds and how it fares, at one moment: for health pages and metrics.
// [Cache.Status] returns it. Slices are read only.
type Status struct {
	State     State         // what the Cache can do
	URL       string        // of the key set; empty until it is known
	Keys      []*Key        // in use
	Age       time.Duration // since the last good fetch was sent; 0 when there was none
	MaxStale  time.Duration // Options.MaxStale with its default filled in: the Age at which keys are no longer used
	LastGood  time.Time     // when the last good fetch was sent; zero when there was none
	LastError error         // of the last fetch; nil when it was good
	Next      time.Time     // when the refresh clock asks for the next fetch
	Skipped   []Skip        // published keys that are not used
	Exposed   []string      // IDs of keys published with their private part
	Counters  Counters      // since New
}

// Counters are what a Cache has done since it was made, for metrics. They only grow.
type Counters struct {
	Fetches        uint64 // that ended, good or not
	Failures       uint64 // fetches that do not count
	NotModified    uint64 // good fetches that said that nothing changed
	ByUnknownKey   uint64 // fetches that unknown key IDs caused
	ByBadSignature uint64 // fetches that bad signatures under known key IDs caused
	Unknown        uint64 // requests refused because the issuer publishes no such key
	Unavailable    uint64 // requests that could not be judged
	Waits          uint64 // requests that waited for a fetch
	DroppedEvents  uint64 // that OnRefresh was too slow for
}

// Status returns the state of c. It never waits for the network.
func (c *Cache) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.State, s.LastGood, s.Next, s.MaxStale = c.state(), c.schedule.refreshed, c.schedule.next, c.options.MaxStale
	if !s.LastGood.IsZero() {
		s.Age = time.Since(s.LastGood)
	}
	s.Keys = nil
	if set := c.cached.Load(); set != nil {
		s.Keys = set.all
	}
	return s
}

// state names the state. The lock is held.
func (c *Cache) state() State {
	switch {
	case c.closed:
		return StateClosed
	case c.cached.Load() != nil && c.confirmed:
		return StateFresh
	case c.cached.Load() != nil:
		return StateStale
	case !c.schedule.refreshed.IsZero():
		return StateExpired
	}
	return StateEmpty
}

// Ready returns nil when c has keys younger than MaxStale cached, and otherwise a [LookupError]
// that wraps ErrUnavailable and tells why. It is for readiness, never for liveness: a restart
// brings no keys back.
func (c *Cache) Ready() error {
	if c.cached.Load() != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &LookupError{Err: ErrUnavailable, RetryAt: c.schedule.next}
	switch err := c.status.LastError; {
	case c.closed:
		e.Err, e.RetryAt = ErrClosed, time.Time{}
	case err != nil:
		e.Err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return e
}

// ReadyHandler answers 200 when c is ready, and otherwise 503 with the seconds until the next fetch
// in Retry-After. It says no more: the reasons are in Status.
func (c *Cache) ReadyHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if c.Ready() == nil {
			io.WriteString(w, "ready\n")
			return
		}
		wait := max(time.Second, time.Until(c.Status().Next))
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "not ready\n")
	})
}

// LogValue groups what an operator asks first, for log/slog.
func (s Status) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("state", string(s.State)), slog.String("url", fetch.RedactURL(s.URL)), slog.Int("keys", len(s.Keys)),
		slog.Duration("age", s.Age), slog.Time("next", s.Next), slog.Int("skipped", len(s.Skipped)),
	}
	if s.LastError != nil {
		attrs = append(attrs, slog.String("error", s.LastError.Error()))
	}
	if len(s.Exposed) > 0 {
		attrs = append(attrs, slog.Any("exposed", s.Exposed))
	}
	return slog.GroupValue(attrs...)
}
