package jwks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearward/bearward/internal/fetch"
)

// A Cache is a Source that fetches an issuer's keys and keeps them fresh in the background. It is
// safe for concurrent use, and its methods never wait for the network while the key asked for is
// cached.
//
// One Cache serves any number of verifiers of one issuer. Several Caches share nothing.
type Cache struct {
	cached         atomic.Pointer[keySet] // what requests see; nil while no key may be used
	fetchesStarted atomic.Uint64          // fetches sent so far
	created        time.Time
	refreshed      atomic.Int64 // when the last good refresh was sent, in nanoseconds after created

	mu             sync.Mutex // guards what follows, and is never held over input or output
	schedule       schedule
	fetching       *sharedFetch // due or under way
	lastGood       uint64       // fetchesStarted when the last good fetch was sent, it included
	confirmed      bool         // the last fetch was good
	closed         bool
	unavailableErr error        // what a request gets while nothing can be told
	lastAnswer     *LookupError // that a request got, for the next that gets the same
	status         Status       // fields that only the end of a fetch changes, and Counters

	options     Options
	wakeup      chan struct{} // wakes the run goroutine; holds one
	expiryTimer *time.Timer   // drops the keys at max-stale
	stop        context.CancelFunc
	done        chan struct{} // closed when the run goroutine has ended

	// Of the run goroutine alone.
	fetcher  fetcher
	last     *keySet // of the last good fetch, also past max-stale
	notifier notifier
}

// New returns a Cache for the key set at a URL, which is https, or http to loopback. It makes no
// request itself: it starts the goroutine that fetches, at once and then for as long as the Cache
// is not closed. An issuer that is down delays nothing; [Cache.Refresh] tells. The error names the
// argument or the option that is invalid.
func New(keySetURL string, opts *Options) (*Cache, error) {
	return newCache(keySetURL, opts, rand.Float64, func(f *fetcher) error {
		if _, err := parseURL(keySetURL, f.allowHTTP); err != nil {
			return fmt.Errorf("jwks: url %w", err)
		}
		f.url = keySetURL
		return nil
	})
}

// FromIssuer returns a Cache like [New] for the key set that the issuer's metadata names. The
// metadata is that of RFC 8414 or OpenID Connect Discovery, and is read again with each refresh.
// The metadata must name the same issuer, byte for byte (RFC 8414 §3.3). Write it as the issuer
// does, with its trailing slash or without.
func FromIssuer(issuer string, opts *Options) (*Cache, error) {
	return fromIssuer(issuer, opts, rand.Float64)
}

func fromIssuer(issuer string, opts *Options, random func() float64) (*Cache, error) {
	return newCache(issuer, opts, random, func(f *fetcher) error {
		u, err := parseURL(issuer, f.allowHTTP)
		if err != nil {
			return fmt.Errorf("jwks: issuer %w", err)
		}
		if u.RawQuery != "" || u.ForceQuery {
			return errors.New("jwks: issuer has a query (RFC 8414 §2)")
		}
		f.issuer, f.forms = u, fetch.WellKnown(u)
		return nil
	})
}

// parseURL is fetch.ParseURL, whose error names the option that allows more.
func parseURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := fetch.ParseURL(raw, allowHTTP)
	if err != nil && !allowHTTP {
		if _, plain := fetch.ParseURL(raw, true); plain == nil {
			return nil, fmt.Errorf("%w; Options.InsecureAllowHTTP allows it inside a network that you trust", err)
		}
	}
	return u, err
}

func newCache(name string, opts *Options, random func() float64, target func(*fetcher) error) (*Cache, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cache{
		schedule:       schedule{refreshEvery: o.RefreshEvery, cooldown: o.Cooldown, maxStale: o.MaxStale, random: random},
		unavailableErr: fmt.Errorf("%w: none was fetched yet", ErrUnavailable),
		created:        time.Now(),
		options:        o,
		wakeup:         make(chan struct{}, 1),
		done:           make(chan struct{}),
		fetcher: fetcher{
			name: name, timeout: o.Timeout, allowHTTP: o.InsecureAllowHTTP, redirects: o.SameHostRedirects,
			maxBytes: o.MaxBytes, maxKeys: o.MaxKeys,
		},
	}
	if err := target(&c.fetcher); err != nil {
		return nil, err
	}
	c.fetcher.client = fetch.New(fetch.Options{
		HTTP: o.Client, SameHostRedirects: o.SameHostRedirects, ProxyFromEnvironment: o.ProxyFromEnvironment,
		PublicOnly: o.PublicOnly, DialTimeout: o.Timeout,
	})
	c.status.URL = c.fetcher.url
	c.schedule.start(time.Now())
	c.expiryTimer = time.AfterFunc(o.MaxStale, c.expire)
	c.notifier = newNotifier(o.hook())
	first := TriggerStart
	if o.SnapshotFile != "" {
		first = TriggerSnapshot
	}
	c.beginFetch(first)
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.run(ctx)
	return c, nil
}

// Keys returns the keys whose ID is kid, or every key when kid is empty. It answers at once when
// such keys are cached. A kid that is not cached may cause a fetch. All such kids together cause
// two fetches at once, and then one per Cooldown or a little sooner. Keys waits for the fetch 2 s,
// or until ctx ends. The error wraps ErrUnknownKey when the issuer publishes no such key. It wraps
// ErrUnavailable when that cannot be told. Then no key set is cached, the fetch failed or takes too
// long, over 4,096 requests wait, or c is closed.
func (c *Cache) Keys(ctx context.Context, kid string) ([]*Key, error) {
	// check: lock-on-hit
	if set := c.cached.Load(); set != nil {
		if keys := set.find(kid); len(keys) > 0 {
			return keys, nil
		}
	}
	return c.lookUpMissing(ctx, kid)
}

// Issuer returns the issuer that c was made for, and "" when it was made for a URL.
func (c *Cache) Issuer() string {
	if c.fetcher.issuer == nil {
		return ""
	}
	return c.fetcher.name
}

// Age returns how long ago the cached keys were asked for, and 0 while none are cached. It takes no
// lock.
func (c *Cache) Age() time.Duration {
	if c.cached.Load() == nil {
		return 0
	}
	return time.Since(c.created) - time.Duration(c.refreshed.Load())
}

// Held returns what Keys would return at once, and does no I/O: it causes no fetch, spends no
// permit for one and does not wait. Where Keys would fetch or wait, or could not tell either, the
// error wraps ErrUnavailable: ask Keys then. So a verifier can refuse what a fetch cannot help
// before it causes one.
func (c *Cache) Held(kid string) ([]*Key, error) {
	if set := c.cached.Load(); set != nil {
		if keys := set.find(kid); len(keys) > 0 {
			return keys, nil
		}
	}
	return nil, c.answerWithoutFetch()
}

// SignatureFailed tells c that no cached key verified a signature, although the token's key ID is
// cached or the token names none. The issuer may have put a new key in the old one's place. At most
// once a minute, and not during a back-off, that asks for one fetch in the background. It does not
// wait.
func (c *Cache) SignatureFailed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.closed || c.fetching != nil || c.cached.Load() == nil || c.schedule.backingOff(now) || !c.schedule.takeRecheck(now) {
		return
	}
	c.beginFetch(TriggerBadSignature)
}

// Refresh fetches now and returns why the fetch does not count, if so; the keys cached stay in use
// then. Called at start it makes the program fail fast, or warm. It shares a refresh that is under
// way, and while failures are backed off it returns the last error without a fetch. When ctx ends
// first it returns ctx's error, and the fetch goes on. Errors may wrap ErrMisconfigured.
func (c *Cache) Refresh(ctx context.Context) error {
	for {
		f, err := c.joinFetch()
		if err != nil {
			return err
		}
		select {
		case <-f.done:
			if f.trigger.isRefresh() {
				return f.err
			}
		case <-ctx.Done():
			return fmt.Errorf("jwks: refresh: %w", context.Cause(ctx))
		}
	}
}

// joinFetch returns the fetch under way, or begins one.
func (c *Cache) joinFetch() (*sharedFetch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, ErrClosed
	case c.fetching == nil && c.schedule.backingOff(time.Now()):
		return nil, fmt.Errorf("%w (backing off)", c.status.LastError)
	}
	return c.beginFetch(TriggerRefresh), nil
}

// Close stops the background refresh, drops the keys and releases the callers that wait for them.
// It returns when all of that has ended, the last call of OnRefresh included, and may be called
// again. Its error is always nil.
func (c *Cache) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.cached.Store(nil)
	c.expiryTimer.Stop()
	c.mu.Unlock()
	if first {
		c.stop()
	}
	<-c.done
	return nil
}

var _ Source = (*Cache)(nil)
