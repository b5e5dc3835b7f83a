package jwks

import (
	"fmt"
	"net/http"
	"time"
)

// Defaults and bounds of Options, and what is not an option.
const (
	defaultRefreshEvery = 10 * time.Minute
	defaultCooldown     = 30 * time.Second
	defaultMaxStale     = 24 * time.Hour
	defaultMaxBytes     = 512 << 10
	defaultMaxKeys      = 100

	fetchTimeout = 5 * time.Second // of a whole fetch, discovery included
	waitLimit    = 2 * time.Second // of a request for the fetch that may know its key
	maxWaiters   = 4096            // requests waiting at a time
)

// Options adjust a Cache. The zero value, and nil, mean the defaults. They are read once, by the constructor.
type Options struct {
	// Client makes the requests, for an own certificate authority, a proxy or client certificates. Its Transport is used as it is,
	// so which addresses may be dialled is its affair; the bounds on time, size and redirects still hold, and its cookie
	// jar is not used. The Transport must honour the request's context. Default, also of its Transport: a transport of the Cache's own that
	// uses no proxy, does not dial link-local and cloud metadata addresses, and is closed with the Cache.
	Client *http.Client

	// InsecureAllowHTTP allows plain http beyond loopback, for an issuer inside a trusted network. Whoever can change what the
	// issuer answers there can sign tokens (RFC 8414 §2 and RFC 9700 §2.6 ask for https). Default: https only, http to loopback.
	InsecureAllowHTTP bool

	// SameHostRedirects follows up to three redirects that keep scheme, host and port. Default: none is followed.
	SameHostRedirects bool

	// RefreshEvery is the longest time between two fetches of a healthy issuer: 1 s to 24 h, default 10 min. Each comes at 80 %
	// of it, give or take a tenth. A withdrawn key is gone after it, at the latest. Cache-Control: max-age shortens it, to 1 min at
	// least, and never lengthens it.
	RefreshEvery time.Duration

	// Cooldown limits the fetches that unknown key IDs cause: two at once, then one per Cooldown. 1 s to 1 h, default 30 s.
	Cooldown time.Duration

	// MaxStale is how long keys are used after the last good fetch; after it nothing is judged. From RefreshEvery to 30 days, default 24 h.
	MaxStale time.Duration

	// MaxBytes bounds each document, after decompression: 1 KiB to 16 MiB, default 512 KiB.
	MaxBytes int

	// MaxKeys bounds the keys of a set, usable or not: 1 to 1000, default 100. A larger set counts as a failed fetch.
	MaxKeys int

	// SnapshotFile names a file that keeps the public keys of the last good fetch, so that a restart during an outage serves. It is read at start,
	// by the background goroutine, and ignored when it is malformed, older than MaxStale, of another issuer or URL, or writable by
	// others than its owner. It is replaced atomically after each good fetch, readable by its owner only. Its folder must
	// belong to the service: who can write there can sign tokens. Default: none.
	SnapshotFile string

	// OnRefresh is told of each fetch, in order and one at a time, on a goroutine of its own: a slow one delays nothing but later events, of which
	// 64 wait and further ones are dropped. A panic in it is contained. It must not call Close, which waits for it.
	OnRefresh func(RefreshEvent)

	// OnKeySkipped is told of each published key that is not used, and why: once, and again when the key was gone or the reason is another. It is called
	// after OnRefresh of the same fetch, on the same goroutine and under the same terms.
	OnKeySkipped func(Skip)
}

// withDefaults returns a copy with every default filled in, or says which field is out of bounds.
func (o *Options) withDefaults() (Options, error) {
	var full Options
	if o != nil {
		full = *o
	}
	if full.RefreshEvery == 0 {
		full.RefreshEvery = defaultRefreshEvery
	}
	if full.Cooldown == 0 {
		full.Cooldown = defaultCooldown
	}
	if full.MaxStale == 0 {
		full.MaxStale = max(defaultMaxStale, full.RefreshEvery)
	}
	if full.MaxBytes == 0 {
		full.MaxBytes = defaultMaxBytes
	}
	if full.MaxKeys == 0 {
		full.MaxKeys = defaultMaxKeys
	}
	return full, full.check()
}

func (o *Options) check() error {
	for _, d := range []struct {
		field           string
		value, min, max time.Duration
	}{
		{"RefreshEvery", o.RefreshEvery, time.Second, 24 * time.Hour},
		{"Cooldown", o.Cooldown, time.Second, time.Hour},
		{"MaxStale", o.MaxStale, o.RefreshEvery, 30 * 24 * time.Hour},
	} {
		if d.value < d.min || d.value > d.max { // check: options-duration
			return fmt.Errorf("jwks: Options.%s is %v, not within %v to %v", d.field, d.value, d.min, d.max)
		}
	}
	for _, n := range []struct {
		field           string
		value, min, max int
	}{
		{"MaxBytes", o.MaxBytes, 1 << 10, 16 << 20},
		{"MaxKeys", o.MaxKeys, 1, 1000},
	} {
		if n.value < n.min || n.value > n.max { // check: options-count
			return fmt.Errorf("jwks: Options.%s is %d, not within %d to %d", n.field, n.value, n.min, n.max)
		}
	}
	return nil
}
