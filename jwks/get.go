package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxRedirects = 3
	maxETag      = 1 << 10 // bytes; a longer one is not sent back
)

var (
	errTooLong  = errors.New("document is too long")
	errRedirect = errors.New("redirect leaves the host, or is one too many")
)

// A statusError is an answer other than the one asked for.
type statusError struct {
	code       int
	retryAfter time.Duration // what the server asked for with 429 or 503, otherwise 0
}

func (e *statusError) Error() string {
	return fmt.Sprintf("status %d %s", e.code, http.StatusText(e.code))
}

// outage tells whether the answer says nothing about whether the document exists.
func (e *statusError) outage() bool {
	return e.code >= 500 || e.code == http.StatusTooManyRequests // check: discovery-outage
}

// newClient copies the user's client, if any, and puts our bounds on it. It returns the transport to close when that is ours.
func newClient(o *Options) (http.Client, *http.Transport) {
	var client http.Client
	if o.Client != nil {
		client = *o.Client
	}
	client.Jar = nil // check: cookie-jar
	client.CheckRedirect = noRedirect
	if o.SameHostRedirects {
		client.CheckRedirect = sameHostRedirect
	}
	if client.Transport != nil {
		return client, nil
	}
	own := newTransport()
	client.Transport = own
	return client, own
}

func noRedirect(*http.Request, []*http.Request) error {
	// check: redirect
	return http.ErrUseLastResponse
}

func sameHostRedirect(to *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects { // check: redirect-count
		return errRedirect
	}
	if first := via[0].URL; to.URL.Scheme != first.Scheme || to.URL.Host != first.Host { // check: redirect-host
		return errRedirect
	}
	return nil
}

// An answer is a document and what its header says about it.
type answer struct {
	body        []byte
	notModified bool
	etag        string
	hint        time.Duration // how long the server lets it be cached, negative when it says nothing
}

// get fetches one document of at most limit bytes, after decompression. A non-empty etag asks for what changed since.
func get(ctx context.Context, client *http.Client, from string, limit int, etag string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return answer{}, withoutURL(err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, withoutURL(err)
	}
	defer resp.Body.Close()
	a := answer{hint: cacheHint(resp.Header), etag: resp.Header.Get("ETag")}
	if len(a.etag) > maxETag {
		a.etag = ""
	}
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "": // check: not-modified-unasked
		a.notModified, a.etag = true, etag
		return a, nil
	case resp.StatusCode != http.StatusOK: // check: status
		return answer{}, &statusError{code: resp.StatusCode, retryAfter: retryAfter(resp)}
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil {
		return answer{}, err
	}
	if len(a.body) > limit { // check: max-bytes
		return answer{}, fmt.Errorf("%w: over %d bytes", errTooLong, limit)
	}
	return a, nil
}

// withoutURL returns what is in a *url.Error, whose text has the URL with its query, and after a redirect another one.
func withoutURL(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}

// cacheHint reads Cache-Control (RFC 9111 §5.2.2): the max-age, 0 for no-store and no-cache, negative when it says nothing. A max-age that
// is no number says nothing.
func cacheHint(h http.Header) time.Duration {
	hint := time.Duration(-1)
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return 0
			case "max-age":
				if age, ok := seconds(strings.Trim(value, `"`)); ok {
					hint = age
				}
			}
		}
	}
	return hint
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3) of a 429 or 503; 0 when there is none.
func retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := resp.Header.Get("Retry-After")
	if wait, ok := seconds(value); ok {
		return wait
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// seconds reads a number of seconds, cut to a year so that it fits a Duration.
func seconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	const year = 365 * 24 * 60 * 60
	n, err := strconv.Atoi(s)
	if err != nil || n > year {
		n = year // digits only, so the error is that it is too large
	}
	return time.Duration(n) * time.Second, true
}
