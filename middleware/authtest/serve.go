package authtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/bearward/bearward/internal/issuer"
)

// Fail makes the issuer answer every request with status, such as 503.
func (is *Issuer) Fail(status int) {
	is.tb.Helper()
	if status < 200 || status > 599 {
		is.tb.Fatalf("authtest: Fail(%d): not a final HTTP status", status)
	}
	is.core.SetFault(func(f *issuer.Fault) { f.Status = status })
}

// Slow makes the issuer answer every request after d, which is virtual time inside a
// testing/synctest bubble.
func (is *Issuer) Slow(d time.Duration) { is.core.SetFault(func(f *issuer.Fault) { f.Delay = d }) }

// Hang makes the issuer accept requests and never answer them. Each ends when its caller gives up.
func (is *Issuer) Hang() { is.core.SetFault(func(f *issuer.Fault) { f.Hang = true }) }

// Drop makes the issuer close every connection without an answer.
func (is *Issuer) Drop() { is.core.SetFault(func(f *issuer.Fault) { f.Drop = true }) }

// Impersonate makes the issuer's metadata name another issuer, as an attack or a misconfiguration
// would.
func (is *Issuer) Impersonate(other string) {
	is.core.SetFault(func(f *issuer.Fault) { f.Alias = other })
}

// Garbage makes the issuer answer with body, and status 200, in place of its key set. Its metadata
// stays good.
func (is *Issuer) Garbage(body string) { is.core.SetFault(func(f *issuer.Fault) { f.Garbage = &body }) }

// Recover makes the issuer healthy again. Requests that hang already go on hanging.
func (is *Issuer) Recover() { is.core.SetFault(func(f *issuer.Fault) { *f = issuer.Fault{} }) }

// Fetches returns how often the key set was asked for, whatever came of it.
func (is *Issuer) Fetches() int { return is.core.Fetches() }

// Discoveries returns how often metadata was asked for, at any of its URLs.
func (is *Issuer) Discoveries() int { return is.core.Discoveries() }

// KeySetURL returns where the key set is published.
func (is *Issuer) KeySetURL() string { return is.core.KeySetURL() }

// inMemory carries requests to an issuer without a socket.
type inMemory struct{ issuer *issuer.Issuer }

// reaches reports whether a URL is of the issuer's host, or its key set's.
func (t inMemory) reaches(u *url.URL) bool {
	ours, err := url.Parse(t.issuer.KeySetURL())
	return err == nil && u.Scheme == ours.Scheme && u.Host == ours.Host
}

func (t inMemory) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if !t.reaches(r.URL) {
		return nil, fmt.Errorf("authtest: this client reaches %s alone, not %s://%s", t.issuer.URL(), r.URL.Scheme, r.URL.Host)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			response, err = nil, io.EOF
		} else if p != nil {
			panic(p)
		}
	}()
	answer := httptest.NewRecorder()
	t.issuer.ServeHTTP(answer, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response = answer.Result()
	response.Request = r
	return response, nil
}
