package jwks_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/bearward/bearward/jwks"
)

const (
	issuerURL = "https://issuer.example"
	keySetURL = issuerURL + "/keys"
)

// An issuer is an in-memory http.RoundTripper that publishes keys, and does whatever else a test
// wants. It is safe for concurrent use.
type issuer struct {
	mu       sync.Mutex
	kids     []string
	serve    http.HandlerFunc // instead of the key set, when set
	requests []request
}

// A request is what the issuer saw.
type request struct {
	at  time.Time
	url string
	etc http.Header
}

func newIssuer(kids ...string) *issuer { return &issuer{kids: kids} }

// setKeys replaces the published keys.
func (i *issuer) setKeys(kids ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kids = kids
}

// answer makes h answer every request; nil: the key set again.
func (i *issuer) answer(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serve = h
}

// count tells how many requests were made.
func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.requests)
}

// seen returns the requests so far.
func (i *issuer) seen() []request {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.requests)
}

// urls returns the URLs asked for so far.
func (i *issuer) urls() []string {
	var all []string
	for _, r := range i.seen() {
		all = append(all, r.url)
	}
	return all
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.requests = append(i.requests, request{time.Now(), r.URL.String(), r.Header})
	serve, kids := i.serve, i.kids
	i.mu.Unlock()
	if serve == nil {
		serve = func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, keySet(kids...)) }
	}
	rec := &recorder{ResponseRecorder: httptest.NewRecorder()}
	serve(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if rec.fault != nil {
		return nil, rec.fault
	}
	resp := rec.Result()
	resp.Request = r
	if rec.body != nil {
		resp.Body = io.NopCloser(rec.body)
	}
	return resp, nil
}

// A recorder lets a handler put a reader in the body's place, for bodies that drip or never end, or
// end the connection.
type recorder struct {
	*httptest.ResponseRecorder
	body  io.Reader
	fault error
}

// What an issuer in trouble answers.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// after answers like then, later.
func after(d time.Duration, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			then(w, r)
		case <-r.Context().Done():
		}
	}
}

// edJWK returns an Ed25519 key that depends on its ID and version alone.
func edJWK(kid string, version byte) map[string]any {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, kid)
	seed[31] = version
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return map[string]any{
		"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid,
		"x": base64.RawURLEncoding.EncodeToString(public),
	}
}

// set renders a key set document.
func set(keys ...any) string {
	if keys == nil {
		keys = []any{}
	}
	doc, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return string(doc)
}

func keySet(kids ...string) string {
	var keys []any
	for _, kid := range kids {
		keys = append(keys, edJWK(kid, 0))
	}
	return set(keys...)
}

// open returns a Cache over the issuer's key set, closed when the test ends. It may change the
// options that make sets.
func open(t testing.TB, i *issuer, set ...func(*jwks.Options)) *jwks.Cache {
	t.Helper()
	return opened(t, jwks.New, keySetURL, i, set...)
}

func opened(t testing.TB, make func(string, *jwks.Options) (*jwks.Cache, error), url string, i *issuer, set ...func(*jwks.Options)) *jwks.Cache {
	t.Helper()
	o := &jwks.Options{Client: &http.Client{Transport: i}}
	for _, s := range set {
		s(o)
	}
	c, err := make(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// warm opens a Cache and waits until it holds keys. Refresh would fetch a second time when the
// first fetch is over already.
func warm(t testing.TB, i *issuer, set ...func(*jwks.Options)) *jwks.Cache {
	t.Helper()
	c := open(t, i, set...)
	if _, err := c.Keys(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return c
}

// A answerOf is what a request gets, in short.
func answerOf(c jwks.Source, kid string) string {
	return responseFor(c.Keys(context.Background(), kid))
}

func responseFor(keys []*jwks.Key, err error) string {
	switch {
	case errors.Is(err, jwks.ErrUnknownKey):
		return "refused"
	case errors.Is(err, jwks.ErrUnavailable):
		return "not judged"
	case err != nil:
		return err.Error()
	case len(keys) == 0:
		return "no keys and no error"
	}
	return "served"
}

// check compares what a request gets.
func check(t testing.TB, c jwks.Source, kid, want string) {
	t.Helper()
	if got := answerOf(c, kid); got != want {
		t.Errorf("key %q: got %s, want %s", kid, got, want)
	}
}

// bubble runs a test in which time passes only when everybody sleeps.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// sleep lets time pass, and everything settle.
func sleep(d time.Duration) {
	time.Sleep(d) // in a bubble: no real time passes
	synctest.Wait()
}

// ids returns the IDs of keys, joined.
func ids(keys []*jwks.Key) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.ID)
	}
	return strings.Join(all, " ")
}

// material returns the "x" of an Ed25519 key.
func material(k *jwks.Key) string {
	return base64.RawURLEncoding.EncodeToString(k.Public.(ed25519.PublicKey))
}

// raw is JSON that json.Marshal takes as it is.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

func validJSON(text []byte) bool { return utf8.Valid(text) && json.Valid(text) }
