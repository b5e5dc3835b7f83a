package jwks

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Defaults and bounds of Options, and what is not an option.
const (
	defaultRefreshEvery = 10 * time.Minute
	defaultCooldown     = 30 * time.Second
	defaultMaxStale     = 24 * time.Hour
	defaultTimeout      = 5 * time.Second
	defaultMaxBytes     = 512 << 10
	defaultMaxKeys      = 1000

	waitLimit = 2 * time.Second // of a request for the fetch that may know its key
)

// Options adjust a Cache. The zero value, and nil, mean the defaults. They are read once, by the
// constructor.
type Options struct {
	// Client makes the requests, for an own certificate authority, a proxy or client certificates.
	// Its Transport is used as it is, so it decides which addresses are dialled. The bounds on
	// time, size and redirects still hold, and its cookie jar is not used. The Transport must
	// honour the request's context. Default, also of its Transport: a transport of the Cache's own,
	// closed with the Cache. It uses no proxy, and does not dial link-local and cloud metadata
	// addresses.
	Client *http.Client

	// InsecureAllowHTTP allows plain http beyond loopback, for an issuer inside a trusted network.
	// Anybody who can change what the issuer answers there can sign tokens (RFC 8414 §2 and RFC
	// 9700 §2.6 ask for https). Default: https only, http to loopback.
	InsecureAllowHTTP bool

	// SameHostRedirects follows up to three redirects that keep scheme, host and port. Default:
	// none is followed.
	SameHostRedirects bool

	// ProxyFromEnvironment sends requests through the proxy that HTTPS_PROXY, HTTP_PROXY and
	// NO_PROXY name. The proxy resolves the issuer's name then, so it decides which addresses are
	// dialled. An error with a Client that has a Transport: set that one's Proxy. Default: no
	// proxy; an error of a fetch says so when the environment names one.
	ProxyFromEnvironment bool

	// PublicOnly dials public addresses alone: no loopback, no private or shared network. It is for
	// issuers that tenants name. An error with a Client that has a Transport, or with
	// ProxyFromEnvironment, where the Cache does not know what is dialled. Default: private
	// addresses are dialled, link-local and cloud metadata addresses are not.
	PublicOnly bool

	// RefreshEvery is the longest time between two refreshes of a healthy issuer: 1 s to 24 h,
	// default 10 min. Each comes after 72 to 88 % of it, at random. A withdrawn key is gone after
	// it and a fetch, at the latest. Cache-Control: max-age shortens it, to 1 min at least, and
	// never lengthens it.
	RefreshEvery time.Duration

	// Cooldown limits the fetches that unknown key IDs cause: two at once, then one for each 75 to
	// 100 % of it, at random. So replicas under one flood do not fetch together. 1 s to 1 h,
	// default 30 s.
	Cooldown time.Duration

	// MaxStale is how long keys are used after the last good refresh. After it the Cache answers
	// with ErrUnavailable. From RefreshEvery to 30 days, default 24 h.
	MaxStale time.Duration

	// Timeout bounds each request: 1 s to 1 min, default 5 s. A fetch makes up to five: one for
	// each of four forms of metadata, and one for the key set.
	Timeout time.Duration

	// MaxBytes bounds each document, after decompression: 1 KiB to 16 MiB, default 512 KiB.
	MaxBytes int

	// MaxKeys bounds the keys of a set, usable or not: 1 to 1000, default 1000. A larger set counts
	// as a failed fetch.
	MaxKeys int

	// SnapshotFile names a file that keeps the public keys of the last good fetch, so that a
	// restart during an outage serves. It is read at start, by the background goroutine. It is
	// ignored when it is malformed, older than MaxStale, or of another issuer or URL. It is
	// ignored, too, when a user other than the process's or root owns it or its folder, or when
	// others may write either. It is replaced atomically after each good fetch, readable by its
	// owner only. Who can write there can sign tokens: give it a folder of its own with mode 0700.
	// Default: none.
	SnapshotFile string

	// Logger is told when keys cannot be fetched, when the issuer's metadata contradicts the
	// configuration, and when a published key has its private part. It is told when all is well
	// again. Each change is logged once, and then at most every ten minutes. Hooks change nothing
	// about that. Default: slog.Default() as it is at that time. A Logger of slog.DiscardHandler is
	// told nothing.
	Logger *slog.Logger

	// OnRefresh is told of each fetch, in order and one at a time, on a goroutine of its own. A
	// slow one delays nothing but later events: 64 of them wait, and further ones are dropped. A
	// panic in it is recovered from. It must not call Close, which waits for it.
	OnRefresh func(RefreshEvent)

	// OnKeySkipped is told of each published key that is not used, and why. It is told once of
	// each. It is told again when the reason changes, and when the key comes back after it was
	// gone. It is called after OnRefresh of the same fetch, on the same goroutine and under the
	// same terms.
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
	if full.Timeout == 0 {
		full.Timeout = defaultTimeout
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
		{"Timeout", o.Timeout, time.Second, time.Minute},
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
	return o.checkTransport()
}

// checkTransport refuses options that would do nothing beside a transport of the user's own.
func (o *Options) checkTransport() error {
	theirs := o.Client != nil && o.Client.Transport != nil
	switch {
	case o.ProxyFromEnvironment && theirs: // check: options-proxy
		return errors.New("jwks: Options.ProxyFromEnvironment is set beside a Client with a Transport, which has a Proxy of its own")
	case o.PublicOnly && (theirs || o.ProxyFromEnvironment): // check: options-public-only
		return errors.New("jwks: Options.PublicOnly is set, but what is dialled is up to a Client's Transport or a proxy")
	}
	return nil
}
