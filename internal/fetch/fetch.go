// Package fetch makes bounded HTTP requests to an authorization server: which addresses are dialled,
// how many bytes are read, and how far a redirect leads are settled before anything is sent. How long
// a request takes is its context's.
package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

const maxRedirects = 3

// ErrTooLong is wrapped by the error of an answer that is longer than its request allows.
var ErrTooLong = errors.New("document is too long")

var errRedirect = errors.New("redirect leaves the host, or is one too many")

// Options adjust a Client. The zero value means a transport of its own that follows no redirect.
type Options struct {
	// HTTP makes the requests. Its Transport is used as it is, so which addresses it dials is its
	// affair; its cookie jar and its redirect policy are not used. A nil HTTP, or one without a
	// Transport, gets a transport of the Client's own: no proxy, no forbidden address.
	HTTP *http.Client

	// SameHostRedirects follows up to three redirects of a GET that keep scheme, host and port.
	SameHostRedirects bool

	// DialTimeout bounds a connection attempt, and a TLS handshake, of the Client's own transport.
	DialTimeout time.Duration
}

// A Client makes bounded requests. It is safe for concurrent use.
type Client struct {
	http http.Client
	own  *http.Transport // nil when the transport is the user's
}

// New returns a Client. The caller closes it.
func New(o Options) *Client {
	c := new(Client)
	if o.HTTP != nil {
		c.http = *o.HTTP
	}
	c.http.Jar = nil // check: cookie-jar
	c.http.CheckRedirect = noRedirect
	if o.SameHostRedirects {
		c.http.CheckRedirect = sameHostRedirect
	}
	if c.http.Transport == nil {
		c.own = newTransport(o.DialTimeout)
		c.http.Transport = c.own
	}
	return c
}

// Close closes the idle connections of the Client's own transport.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

func noRedirect(*http.Request, []*http.Request) error {
	// check: redirect
	return http.ErrUseLastResponse
}

func sameHostRedirect(to *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet { // check: redirect-method
		return http.ErrUseLastResponse // what is posted is for one URL alone
	}
	if len(via) > maxRedirects { // check: redirect-count
		return errRedirect
	}
	if to.URL.Scheme != first.URL.Scheme || to.URL.Host != first.URL.Host { // check: redirect-host
		return errRedirect
	}
	return nil
}

// A Request asks for one document.
type Request struct {
	Method   string // "": GET
	URL      string
	Header   http.Header // sent as it is
	Body     []byte      // of a POST
	MaxBytes int         // of the answer's body, after decompression
	Statuses []int       // that are answers; nil: 200. Any other is a *StatusError
}

// An Answer is what the server sent.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // empty for 304
}

// Do makes one request and reads the whole answer. No error has the URL in its text: its query may be a
// secret, and after a redirect it is another one.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return Answer{}, withoutURL(err)
	}
	if r.Header != nil {
		req.Header = r.Header
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, withoutURL(err)
	}
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	if a.Status != http.StatusOK && !slices.Contains(r.Statuses, a.Status) { // check: status
		return Answer{}, &StatusError{Code: a.Status, RetryAfter: retryAfter(resp)}
	}
	a.Body, err = io.ReadAll(io.LimitReader(resp.Body, int64(r.MaxBytes)+1))
	if err != nil {
		return Answer{}, err
	}
	if len(a.Body) > r.MaxBytes { // check: max-bytes
		return Answer{}, fmt.Errorf("%w: over %d bytes", ErrTooLong, r.MaxBytes)
	}
	return a, nil
}

// A StatusError is an answer of another status than those asked for.
type StatusError struct {
	Code       int
	RetryAfter time.Duration // what the server asked for with 429 or 503, otherwise 0
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s", e.Code, http.StatusText(e.Code))
}

// Outage reports whether the answer says nothing about whether the document exists.
func (e *StatusError) Outage() bool {
	return e.Code >= 500 || e.Code == http.StatusTooManyRequests // check: outage
}
