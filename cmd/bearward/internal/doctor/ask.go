package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/bearward/bearward/internal/fetch"
)

const (
	maxBytes     = 512 << 10 // of a document: the default of jwks.Options.MaxBytes
	maxRedirects = 3         // that jwks follows, when it follows any
)

// everyStatus is what an answer may have: all are facts.
var everyStatus = func() (all []int) {
	for s := 200; s < 600; s++ {
		all = append(all, s)
	}
	return all
}()

// An answer is what came of one request over a connection of its own.
type answer struct {
	fetch.Answer
	url      string
	err      error
	took     time.Duration
	received time.Time
	leaf     *x509.Certificate // of the server; nil without TLS
	remote   string            // the address that was dialled
}

// ok reports whether there is a document.
func (a *answer) ok() bool { return a.err == nil && a.Status == http.StatusOK }

// outcome says what came, in a few words.
func (a *answer) outcome() string {
	if a.err != nil {
		return a.err.Error()
	}
	return strings.TrimSpace(strconv.Itoa(a.Status) + " " + http.StatusText(a.Status))
}

// documentHeader is what is sent for a document: what jwks sends.
var documentHeader = http.Header{"Accept": {"application/jwk-set+json, application/json"}}

// ask makes one GET for a document over a new connection.
func (e *examiner) ask(ctx context.Context, at string) answer {
	return e.do(ctx, fetch.Request{URL: at, Header: documentHeader.Clone()})
}

// call makes one GET of an operation over a new connection. What matters is how it begins: the
// answer may be long, or a stream without an end.
func (e *examiner) call(ctx context.Context, at, authorization string) answer {
	header := http.Header{"Accept": {"application/json"}}
	if authorization != "" {
		header.Set("Authorization", authorization)
	}
	return e.do(ctx, fetch.Request{URL: at, Header: header, Partial: true})
}

func (e *examiner) do(ctx context.Context, r fetch.Request) answer {
	options := fetch.Options{ProxyFromEnvironment: e.Proxy, DialTimeout: e.Timeout}
	if e.Transport != nil {
		transport := e.Transport.Clone()
		defer transport.CloseIdleConnections()
		options.HTTP = &http.Client{Transport: transport}
	}
	client := fetch.New(options)
	defer client.Close()
	var mu sync.Mutex // a handshake may end after its request was given up
	var leaf *x509.Certificate
	var remote string
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil && len(s.PeerCertificates) > 0 {
				leaf = s.PeerCertificates[0]
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			mu.Lock()
			defer mu.Unlock()
			remote = info.Conn.RemoteAddr().String()
		},
	})
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	began := time.Now()
	r.MaxBytes, r.Statuses = maxBytes, everyStatus
	got, err := client.Do(ctx, r)
	mu.Lock()
	defer mu.Unlock()
	a := answer{Answer: got, url: r.URL, err: err, took: time.Since(began), received: time.Now(), leaf: leaf, remote: remote}
	if name := client.UnusedProxy(r.URL); err != nil && name != "" {
		a.err = fmt.Errorf("%w (%s is set and not used: -proxy uses it)", err, name)
	}
	return a
}

// askAll asks for each of several documents at once.
func (e *examiner) askAll(ctx context.Context, urls []string) []answer {
	all := make([]answer, len(urls))
	var wg sync.WaitGroup
	for i, at := range urls {
		wg.Go(func() { all[i] = e.ask(ctx, at) })
	}
	wg.Wait()
	return all
}

// unanswered adds why there was no answer.
func (e *examiner) unanswered(a *answer, id string) {
	var refused *tls.CertificateVerificationError
	switch {
	case errors.As(a.err, &refused):
		e.find("CERTIFICATE_REFUSED", origin(a.url), "The certificate is not accepted: %v.", refused.Err)
	case errors.Is(a.err, fetch.ErrTooLong):
		e.find("DOCUMENT_TOO_LARGE", a.url, "The document has more than %d bytes.", maxBytes)
	case errors.Is(a.err, context.DeadlineExceeded):
		e.find(id, origin(a.url), "No answer within %v.", e.Timeout)
	default:
		e.find(id, origin(a.url), "No answer: %v.", a.err)
	}
}

// A move is where a redirect leads.
type move struct {
	id, what string // of the finding
	last     answer
}

// follow follows a redirect as far as it stays on its host. Nothing but the request for the same
// document is sent.
func (e *examiner) follow(ctx context.Context, first *answer) move {
	m := move{last: *first}
	from, err := url.Parse(first.url)
	if err != nil {
		return m
	}
	at := from
	for followed := 0; m.last.err == nil && isRedirect(&m.last); followed++ {
		location := m.last.Header.Get("Location")
		to, err := at.Parse(location)
		if err == nil {
			m.what = fmt.Sprintf("It redirects (%d) to %s", m.last.Status, fetch.RedactURL(to.String()))
		}
		switch {
		case err != nil || location == "":
			m.id, m.what = "REDIRECT_LEAVES_HOST", fmt.Sprintf("It redirects (%d) to no URL", m.last.Status)
			return m
		case to.Scheme == "http" && from.Scheme == "https": // check: redirect-downgrade
			m.id = "REDIRECT_TO_HTTP"
			return m
		case to.Scheme != from.Scheme || to.Host != from.Host: // check: redirect-elsewhere
			m.id = "REDIRECT_LEAVES_HOST"
			return m
		case followed == maxRedirects:
			m.id, m.what = "REDIRECT_CHAIN", fmt.Sprintf("It redirects more than %d times", maxRedirects)
			return m
		}
		at = to
		m.last = e.ask(ctx, at.String())
	}
	m.id = "REDIRECTED"
	m.what += fmt.Sprintf(" on the same host, which answers %s", m.last.outcome())
	return m
}

// moved adds a redirect. It is no fault where the document is read elsewhere, and nothing at all
// where the API follows it.
func (e *examiner) moved(at string, m move, needed bool) {
	if m.id == "REDIRECTED" && e.SameHostRedirects {
		return
	}
	if !needed {
		m.id = "REDIRECTED"
	}
	e.find(m.id, at, "%s.", m.what)
}

func isRedirect(a *answer) bool {
	return a.Status/100 == 3 && a.Status != http.StatusNotModified && a.Status != http.StatusMultipleChoices
}

// clockTrail is the hosts whose certificate and clock were looked at.
type clockTrail map[string]bool

const (
	leeway         = 30 * time.Second // the default of auth.Config.Leeway
	certificateEnd = 14 * 24 * time.Hour
)

// transport looks at what every answer of a host has in common.
func (e *examiner) transport(a *answer) {
	host := origin(a.url)
	if a.err != nil || e.seen[host] {
		return
	}
	if e.seen == nil {
		e.seen = clockTrail{}
	}
	e.seen[host] = true
	if c := a.leaf; c != nil {
		left := c.NotAfter.Sub(a.received)
		// A third of its life is when those that are renewed by a program are renewed.
		if left < min(certificateEnd, c.NotAfter.Sub(c.NotBefore)/3) {
			e.find("CERTIFICATE_ENDS_SOON", host, "The certificate ends in %s, at %s.", days(left), c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	if u, err := url.Parse(a.url); err == nil && u.Scheme == "http" && !fetch.IsLoopback(u.Hostname()) {
		e.find("HTTP_WITHOUT_TLS", host, "It is read over plain http.")
	}
	if apart, ok := clockApart(a); ok && apart.Abs() > leeway {
		ahead := "behind"
		if apart > 0 {
			ahead = "ahead of"
		}
		e.find("CLOCK_APART", host, "The server's clock is %v %s this machine's.", apart.Abs().Round(time.Second), ahead)
	}
}

// clockApart returns how far the server's clock is ahead of ours. A copy out of a cache has the
// Date of when it was made, and its age since (RFC 9110 §6.6.1, RFC 9111 §5.1).
func clockApart(a *answer) (time.Duration, bool) {
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	date = date.Add(age(a.Header))
	switch sent := a.received.Add(-a.took); {
	case date.Before(sent.Add(-time.Second)): // Date has whole seconds
		return date.Sub(sent), true
	case date.After(a.received):
		return date.Sub(a.received), true
	}
	return 0, true
}

// age returns what Age says, 0 when it says nothing.
func age(h http.Header) time.Duration {
	n, err := strconv.ParseUint(h.Get("Age"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// contentType adds a finding when the document is not sent as JSON.
func (e *examiner) contentType(a *answer) {
	sent := a.Header.Get("Content-Type")
	switch media, _, err := mime.ParseMediaType(sent); {
	case err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")):
	case sent == "":
		e.find("CONTENT_TYPE", a.url, "It has no Content-Type.")
	default:
		e.find("CONTENT_TYPE", a.url, "It is sent as %s.", quote(sent))
	}
}

// origin returns scheme and host of a URL.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Scheme + "://" + u.Host
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}

// quote returns what a stranger wrote as a text that a terminal shows and does not obey.
func quote(s string) string { return strconv.Quote(truncate(s)) }

// truncate bounds what a document makes a report say.
func truncate(s string) string { return strings.ToValidUTF8(s[:min(len(s), 256)], "") }

// clean takes the control characters out of a text: errors of the network may have some.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // check: terminal
			return '?'
		}
		return r
	}, s)
}
