package introspect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

const (
	issuerURL = "https://issuer.example"
	audience  = "https://api.example.com"
)

// An endpoint answers about tokens: as Transport in the simulated time of synctest, or as Handler
// of a real server. It is safe for concurrent use.
type endpoint struct {
	mu      sync.Mutex
	tokens  map[string]map[string]any // active ones
	calls   []url.Values
	headers []http.Header
	current int // calls under way
	most    int // of current
	delay   time.Duration
	answer  func(w http.ResponseWriter, token string) bool // in place of the usual answer, when it returns true
	down    bool                                           // no connection
}

func newEndpoint() *endpoint { return &endpoint{tokens: map[string]map[string]any{}} }

// give makes token an active one whose answer has claims beside the usual ones.
func (e *endpoint) give(token string, claims map[string]any) {
	full := map[string]any{
		"active": true, "iss": issuerURL, "aud": audience, "sub": "user", "client_id": "app",
		"scope": "read:orders", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	for name, value := range claims {
		if full[name] = value; value == nil {
			delete(full, name)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tokens[token] = full
}

func (e *endpoint) revoke(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.tokens, token)
}

func (e *endpoint) set(change func(e *endpoint)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e)
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.calls)
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	token := form.Get("token")
	e.mu.Lock()
	e.calls, e.headers = append(e.calls, form), append(e.headers, r.Header)
	e.current++
	e.most = max(e.most, e.current)
	delay, answer, claims := e.delay, e.answer, e.tokens[token]
	e.mu.Unlock()
	defer e.set(func(e *endpoint) { e.current-- })
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return
	}
	if answer != nil && answer(w, token) {
		return
	}
	if claims == nil {
		claims = map[string]any{"active": false}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(claims)
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	down := e.down
	if down {
		e.calls = append(e.calls, nil)
	}
	e.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

// status is an answer of a status and a body for every token.
func status(code int, body string, header ...string) func(w http.ResponseWriter, token string) bool {
	return func(w http.ResponseWriter, _ string) bool {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
		return true
	}
}

var basic = introspect.Basic("orders-api", introspect.FixedSecret("a secret"))

// mustNew makes an Introspector over e that is closed at the test's end.
func mustNew(t testing.TB, e *endpoint, change func(*introspect.Config)) *introspect.Introspector {
	t.Helper()
	c := introspect.Config{
		Claims: auth.Config{Issuer: issuerURL, Audiences: []string{audience}},
		Client: &http.Client{Transport: e}, Logger: quiet,
	}
	if change != nil {
		change(&c)
	}
	i, err := introspect.New("https://issuer.example/introspect", basic, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// verify returns the Reason of a token's refusal, "" for one that is accepted.
func verify(t testing.TB, v auth.TokenVerifier, token string) auth.Reason {
	t.Helper()
	p, err := v.VerifyToken(context.Background(), token)
	if err == nil {
		if p == nil {
			t.Fatal("neither a Principal nor an error")
		}
		return ""
	}
	refusal, ok := errors.AsType[*auth.Error](err)
	if !ok {
		t.Fatalf("%T is no *auth.Error", err)
	}
	if strings.Contains(fmt.Sprint(refusal, refusal.Err), token) {
		t.Errorf("the error tells the token: %v", refusal.Err)
	}
	return refusal.Reason
}

func want(t testing.TB, v auth.TokenVerifier, token string, reason auth.Reason) {
	t.Helper()
	if got := verify(t, v, token); got != reason {
		t.Errorf("%s: refused for %q, want %q", token, got, reason)
	}
}
