package authtest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"
)

// served is what an issuer answers with, and counts.
type served struct {
	mu            sync.Mutex
	fault         fault
	keySets       int
	metadataReads int
}

// A fault is what is wrong with an issuer. The zero fault is a healthy one.
type fault struct {
	status  int           // answered in place of every document
	delay   time.Duration // before every answer
	hang    bool
	drop    bool
	garbage *string // in place of the key set
	alias   string  // in place of the issuer's identifier in its metadata
}

// Fail makes the issuer answer every request with status, such as 503.
func (is *Issuer) Fail(status int) {
	is.tb.Helper()
	if status < 200 || status > 599 {
		is.tb.Fatalf("authtest: Fail(%d): not a final HTTP status", status)
	}
	is.spoil(func(f *fault) { f.status = status })
}

// Slow makes the issuer answer every request after d, which is virtual time inside a testing/synctest bubble.
func (is *Issuer) Slow(d time.Duration) { is.spoil(func(f *fault) { f.delay = d }) }

// Hang makes the issuer accept requests and never answer them. Each ends when its caller gives up.
func (is *Issuer) Hang() { is.spoil(func(f *fault) { f.hang = true }) }

// Drop makes the issuer close every connection without an answer.
func (is *Issuer) Drop() { is.spoil(func(f *fault) { f.drop = true }) }

// Impersonate makes the issuer's metadata name another issuer: a lie, or a slip of configuration.
func (is *Issuer) Impersonate(other string) { is.spoil(func(f *fault) { f.alias = other }) }

// Garbage makes the issuer answer with body, and status 200, in place of its key set. Its metadata stays good.
func (is *Issuer) Garbage(body string) { is.spoil(func(f *fault) { f.garbage = &body }) }

// Recover makes the issuer healthy again. Requests that hang already go on hanging.
func (is *Issuer) Recover() { is.spoil(func(f *fault) { *f = fault{} }) }

func (is *Issuer) spoil(how func(*fault)) {
	is.served.mu.Lock()
	defer is.served.mu.Unlock()
	how(&is.served.fault)
}

// Fetches returns how often the key set was asked for, whatever came of it.
func (is *Issuer) Fetches() int {
	is.served.mu.Lock()
	defer is.served.mu.Unlock()
	return is.served.keySets
}

// Discoveries returns how often metadata was asked for, at any of its URLs.
func (is *Issuer) Discoveries() int {
	is.served.mu.Lock()
	defer is.served.mu.Unlock()
	return is.served.metadataReads
}

// KeySetURL returns where the key set is published.
func (is *Issuer) KeySetURL() string {
	if is.keySet != "" {
		return is.keySet
	}
	return strings.TrimSuffix(is.URL, "/") + "/jwks.json"
}

// serve answers one request: the fault first, then the document.
func (is *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	document := is.documentAt(r.URL)
	is.served.mu.Lock()
	switch document {
	case documentKeySet:
		is.served.keySets++
	case documentMetadata:
		is.served.metadataReads++
	}
	f := is.served.fault
	is.served.mu.Unlock()
	if !f.pass(r) {
		return
	}
	switch {
	case f.drop:
		panic(http.ErrAbortHandler)
	case f.status != 0:
		http.Error(w, http.StatusText(f.status), f.status)
	case document == "":
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case document == documentKeySet && f.garbage != nil:
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write([]byte(*f.garbage))
	default:
		is.serveDocument(w, r, document, f)
	}
}

// pass waits as f says, and reports whether the caller is still there.
func (f fault) pass(r *http.Request) bool {
	if f.hang {
		<-r.Context().Done()
		return false
	}
	if f.delay <= 0 {
		return true
	}
	timer := time.NewTimer(f.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

const (
	documentKeySet   = "application/jwk-set+json"
	documentMetadata = "application/json"
)

// documentAt returns which document stands at a URL, or "". Metadata stands where RFC 8414 §3.1 and OpenID Connect Discovery §4 put it.
func (is *Issuer) documentAt(at *url.URL) string {
	if is.keySet != "" {
		if at.String() == is.keySet {
			return documentKeySet
		}
		return ""
	}
	base := ""
	if u, err := url.Parse(is.URL); err == nil {
		base = strings.TrimSuffix(u.Path, "/")
	}
	switch at.Path {
	case base + "/jwks.json":
		return documentKeySet
	case "/.well-known/oauth-authorization-server" + base,
		"/.well-known/openid-configuration" + base,
		base + "/.well-known/openid-configuration":
		return documentMetadata
	}
	return ""
}

// serveDocument writes a document with what HTTP caches need.
func (is *Issuer) serveDocument(w http.ResponseWriter, r *http.Request, document string, f fault) {
	body, err := is.keys.document()
	if document == documentMetadata {
		body, err = is.metadata(f.alias)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", document)
	_, _ = w.Write(body)
}

// metadata returns the issuer's metadata (RFC 8414 §2), in the name of alias when that is not empty.
func (is *Issuer) metadata(alias string) ([]byte, error) {
	name := is.URL
	if alias != "" {
		name = alias
	}
	base := strings.TrimSuffix(is.URL, "/")
	return json.Marshal(map[string]any{
		"issuer":                                name,
		"jwks_uri":                              is.KeySetURL(),
		"authorization_endpoint":                base + "/authorize",
		"token_endpoint":                        base + "/token",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{is.keys.alg.String()},
	})
}

// inMemory carries requests to an issuer without a socket.
type inMemory struct{ issuer *Issuer }

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
		return nil, fmt.Errorf("authtest: this client reaches %s alone, not %s://%s", t.issuer.URL, r.URL.Scheme, r.URL.Host)
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
	t.issuer.serve(answer, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response = answer.Result()
	response.Request = r
	return response, nil
}
