package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bearward/bearward/internal/fetch"
)

// ErrMisconfigured is wrapped by the errors of [Cache.Refresh] and in [Status] when the issuer's
// metadata contradicts what was configured. It names another issuer, or a key set that must not be
// fetched. No retry helps until one of the two is changed.
var ErrMisconfigured = errors.New("jwks: the issuer's metadata contradicts the configuration")

const maxETag = 1 << 10 // bytes; a longer one is not sent back

// A fetcher gets the key set of one issuer, or of one URL. It is used by one goroutine at a time.
type fetcher struct {
	client    *fetch.Client
	timeout   time.Duration // of each request
	redirects bool          // some are followed
	allowHTTP bool
	maxBytes  int
	maxKeys   int

	name   string   // the issuer, or the URL: what a snapshot file is bound to
	issuer *url.URL // nil when the URL of the key set was given
	forms  []string // of the issuer's metadata
	form   int      // the one that answered last

	url  string // of the key set; empty until discovered
	etag string // of the last good answer from url
}

// source returns the issuer, or the URL as texts tell it.
func (f *fetcher) source() string {
	if f.issuer != nil {
		return f.name
	}
	return fetch.RedactURL(f.name)
}

// A fetchResult is a key set that has passed every check.
type fetchResult struct {
	document
	url          string
	notModified  bool
	read         bool          // there is a key set, with usable keys or not
	hint         time.Duration // how long the server lets it be cached, negative when it says nothing
	discoveryErr error
}

// fetch gets the key set, from the URL that the metadata names today when discover is set. Nothing
// of the fetcher changes unless the whole fetch is good: a new URL counts from its first good
// answer on.
func (f *fetcher) fetch(ctx context.Context, discover bool) (got fetchResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("jwks: fetch panicked: %v", p)
		}
	}()
	got.url = f.url
	if f.issuer != nil && (discover || f.url == "") {
		found, err := f.discover(ctx)
		switch {
		case err == nil:
			got.url = found
		case f.url == "" || errors.Is(err, ErrMisconfigured) || ctx.Err() != nil: // check: misconfigured-later
			return got, err
		default: // the known URL still tells which keys are withdrawn
			got.discoveryErr = err
		}
	}
	etag := f.etag
	if got.url != f.url { // check: etag-of-another-url
		etag = ""
	}
	a, err := f.get(ctx, got.url, etag)
	if err != nil {
		return got, fmt.Errorf("jwks: fetch %s: %w", fetch.RedactURL(got.url), err)
	}
	got.notModified, got.hint = a.Status == http.StatusNotModified, fetch.MaxAge(a.Header)
	if !got.notModified {
		if etag = a.Header.Get("ETag"); len(etag) > maxETag {
			etag = ""
		}
		got.document, err = parse(a.Body, f.maxKeys)
		got.read = err == nil || errors.Is(err, errNoneUsable)
		if err != nil {
			return got, fmt.Errorf("jwks: fetch %s: %w", fetch.RedactURL(got.url), err)
		}
	}
	f.url, f.etag = got.url, etag
	return got, nil
}

// get fetches one document. A non-empty etag asks for what changed since.
func (f *fetcher) get(ctx context.Context, from, etag string) (fetch.Answer, error) {
	r := fetch.Request{
		URL:      from,
		Header:   http.Header{"Accept": {"application/jwk-set+json, application/json"}},
		MaxBytes: f.maxBytes,
	}
	if etag != "" { // check: not-modified-unasked
		r.Header.Set("If-None-Match", etag)
		r.Statuses = []int{http.StatusNotModified}
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	// check: request-timeout
	defer cancel()
	a, err := f.client.Do(ctx, r)
	return a, f.explain(from, err)
}

// explain adds to err what an operator can do about it.
func (f *fetcher) explain(from string, err error) error {
	var status *fetch.StatusError
	var redirect *fetch.RedirectError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &redirect):
		return fmt.Errorf("%w: Options.SameHostRedirects follows three, on the same host", err)
	case !errors.As(err, &status):
		if name := f.client.UnusedProxy(from); name != "" {
			return fmt.Errorf("%w: %s is set and not used: Options.ProxyFromEnvironment uses it", err, name)
		}
	case status.Location != "" && !f.redirects:
		return fmt.Errorf("%w: Options.SameHostRedirects follows redirects on the same host", err)
	}
	return err
}
