// Package fetch makes bounded HTTP requests to an authorization server: which addresses are
// dialled, how many bytes are read, and how far a redirect leads are settled before anything is
// sent. How long a request takes is its context's.
package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const maxRedirects = 3

// ErrTooLong is wrapped by the error of an answer that is longer than its request allows.
var ErrTooLong = errors.New("document is too long")

// Options adjust a Client. The zero value means a transport of its own that follows no redirect.
type Options struct {
	// HTTP makes the requests. Its Transport is used as it is, so which addresses it dials is its
	// affair; its cookie jar and its redirect policy are not used. A nil HTTP, or one without a
	// Transport, gets a transport of the Client's own: no proxy, no forbidden address.
	HTTP *http.Client

	// SameHostRedirects follows up to three redirects of a GET that keep scheme, host and port.
	SameHostRedirects bool

	// ProxyFromEnvironment makes the Client's own transport use the proxy of HTTPS_PROXY and its
	// kin.
	ProxyFromEnvironment bool

	// PublicOnly makes the Client's own transport dial public addresses alone.
	PublicOnly bool

	// IdleConnections is how many connections the Client's own transport keeps open to a host that
	// are not in use. 0: one.
	IdleConnections int

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
		c.own = newTransport(o)
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
		return &RedirectError{Location: RedactURL(to.URL.String()), TooMany: true}
	}
	if to.URL.Scheme != first.URL.Scheme || to.URL.Host != first.URL.Host { // check: redirect-host
		return &RedirectError{Location: RedactURL(to.URL.String())}
	}
	return nil
}

// A RedirectError is a redirect that is not followed although some are.
type RedirectError struct {
	Location string // without its query
	TooMany  bool   // the fourth on one host; otherwise it leaves the host
}

func (e *RedirectError) Error() string {
	if e.TooMany {
		return fmt.Sprintf("redirect to %s is one too many", e.Location)
	}
	return fmt.Sprintf("redirect to %s leaves the host", e.Location)
}

// UnusedProxy names the environment variable that has a proxy for the URL, and that c does not use.
// It is empty when c uses it, when the transport is the user's, and when there is none.
func (c *Client) UnusedProxy(rawURL string) string {
	if c.own == nil || c.own.Proxy != nil {
		return ""
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err != nil || proxy == nil {
		return ""
	}
	return strings.ToUpper(u.Scheme) + "_PROXY"
}

// A Request asks for one document.
type Request struct {
	Method   string // "": GET
	URL      string
	Header   http.Header // sent as it is
	Body     []byte      // of a POST
	MaxBytes int         // of the answer's body, after decompression
	Statuses []int       // that are answers; nil: 200. Any other is a *StatusError
	Partial  bool        // a body that is too long, or breaks off, is what was read of it: no error
}

// An Answer is what the server sent.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // empty for 304
}

// Do makes one request and reads the whole answer. No error has the URL in its text: its query may
// be a secret, and after a redirect it is another one.
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
		return Answer{}, newStatusError(resp)
	}
	a.Body, err = io.ReadAll(io.LimitReader(resp.Body, int64(r.MaxBytes)+1))
	if r.Partial {
		a.Body = a.Body[:min(len(a.Body), r.MaxBytes)]
		return a, nil
	}
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
	Location   string        // of a redirect, without its query
}

func newStatusError(resp *http.Response) *StatusError {
	e := &StatusError{Code: resp.StatusCode, RetryAfter: retryAfter(resp)}
	if to, err := resp.Location(); err == nil && e.Code/100 == 3 {
		e.Location = RedactURL(to.String())
	}
	return e
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("status %d %s", e.Code, http.StatusText(e.Code))
	if e.Location != "" {
		text += " to " + e.Location
	}
	return text
}

// Outage reports whether the answer says nothing about whether the document exists.
func (e *StatusError) Outage() bool {
	return e.Code >= 500 || e.Code == http.StatusTooManyRequests // check: outage
}
