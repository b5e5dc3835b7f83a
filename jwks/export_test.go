package jwks

import (
	"net/netip"

	"github.com/bearward/bearward/internal/fetch"
)

// What the tests outside the package see of it.
const (
	FetchTimeout = defaultTimeout // of a fetch without discovery
	WaitLimit    = waitLimit
	MaxWaiters   = maxWaiters
	QueueSize    = queueSize
)

// NewSeeded is New with a source of chance of the test's own.
func NewSeeded(url string, opts *Options, random func() float64, discover ...bool) (*Cache, error) {
	if len(discover) > 0 && discover[0] {
		return fromIssuer(url, opts, random)
	}
	return newCache(url, opts, random, func(f *fetcher) error { f.url = url; return nil })
}

// Locked runs f while the lock of c is held.
func (c *Cache) Locked(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// Unlocked tells whether nobody holds the lock of c.
func (c *Cache) Unlocked() bool {
	if !c.mu.TryLock() {
		return false
	}
	c.mu.Unlock()
	return true
}

// Dialable tells whether the Cache's own transport would dial ip.
func Dialable(ip netip.Addr) bool { return !fetch.Forbidden(ip) }
