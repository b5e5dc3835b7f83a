package forward

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/middleware/authtest"
)

// records is a log that can be read while it is written.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// oneIssuer is a configuration for an issuer.
func oneIssuer(t *testing.T, issuer *authtest.Issuer) string {
	return files(t, fmt.Sprintf(`{"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "for": ["https://api.example.com"], "gateways": ["127.0.0.1"], "rules": "rules.txt",
		"issuers": [{"issuer": %q, "audience": %q}]}`, issuer.URL, issuer.Audience), rulesText)
}

func TestRevokedTokensAreRefusedAtTheNextQuestion(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	logged := new(records)
	r := serve(t, Options{File: oneIssuer(t, issuer), Log: slog.New(slog.NewJSONHandler(logged, nil))})
	until := time.Now().Add(time.Hour).Format(time.RFC3339)
	soon := time.Now().Add(time.Minute).Format(time.RFC3339)
	for _, c := range []struct {
		claims authtest.Claims
		entry  string
	}{
		{authtest.Claims{"jti": "secret-id"}, `"token_id": "secret-id"`},
		{authtest.Claims{"sub": "secret-subject"}, fmt.Sprintf(`"subject": "secret-subject", "issued_before": %q`, soon)},
		{authtest.Claims{"client_id": "secret-client"}, fmt.Sprintf(`"client_id": "secret-client", "issued_before": %q`, soon)},
	} {
		token, another := issuer.Token("read:orders", c.claims), issuer.Token("read:orders")
		if got := r.ask("/orders", token); got != 200 {
			t.Errorf("%s: got %d before", c.entry, got)
		}
		if code, text := r.post("/revocations", fmt.Sprintf(`{"issuer": %q, %s, "until": %q}`, issuer.URL, c.entry, until), nil); code != 204 {
			t.Errorf("%s: got %d: %s", c.entry, code, text)
		}
		if got := r.ask("/orders", token); got != 401 {
			t.Errorf("%s: got %d after", c.entry, got)
		}
		if got := r.ask("/orders", another); got != 200 {
			t.Errorf("%s: another token got %d", c.entry, got)
		}
	}
	if _, text := r.get("/metrics"); !strings.Contains(text, "bearward_forward_revocations 3\n") {
		t.Errorf("got %s", text)
	}
	for _, name := range []string{"secret-id", "secret-subject", "secret-client"} {
		if strings.Contains(logged.String(), name) {
			t.Errorf("the log has %s: %s", name, logged)
		}
	}
	if !strings.Contains(logged.String(), `"of":"a subject"`) {
		t.Errorf("got %s", logged)
	}
}

func TestRevocationsAreStrict(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	r := serve(t, Options{File: oneIssuer(t, issuer), MaxRevocations: 1})
	until := time.Now().Add(time.Hour).Format(time.RFC3339)
	iss := fmt.Sprintf(`{"issuer": %q, "until": %q`, issuer.URL, until)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	page := http.Header{"Content-Type": {"application/json"}, "Origin": {"http://" + r.ends}}
	other := http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"none"}}
	for _, c := range []struct {
		body   string
		fields http.Header
		code   int
		text   string
	}{
		{iss + `, "token_id": "1"}`, form, 415, "application/json"},
		{iss + `, "token_id": "1"}`, page, 403, "not for pages"},
		{iss + `, "token_id": "1"}`, other, 403, "not for pages"},
		{iss + `, "jti": "1"}`, nil, 400, "there is no setting /jti"},
		{iss + `, "Subject": "1"}`, nil, 400, "there is no setting /Subject"},
		{iss + `, "token_id": 1}`, nil, 400, "/token_id cannot be read here"},
		{iss + `, "until": "tomorrow"}`, nil, 400, "duplicate"},
		{fmt.Sprintf(`{"issuer": %q, "token_id": "1", "until": "tomorrow"}`, issuer.URL), nil, 400, "/until cannot be read here"},
		{iss + `, "token_id": "1"} {}`, nil, 400, "the body:1:"},
		{iss + `}`, nil, 400, "needs one of token_id, subject and client_id"},
		{iss + `, "token_id": "1", "subject": "2"}`, nil, 400, "needs one of token_id, subject and client_id"},
		{iss + `, "subject": "2"}`, nil, 400, "issued_before is required with subject and client_id"},
		{fmt.Sprintf(`{"issuer": %q, "token_id": "1"}`, issuer.URL), nil, 400, "until is required"},
		{fmt.Sprintf(`{"issuer": %q, "token_id": "1", "until": "2020-01-01T00:00:00Z"}`, issuer.URL), nil, 400, "until is more than"},
		{fmt.Sprintf(`{"issuer": "https://other.example", "token_id": "1", "until": %q}`, until), nil, 400, "issuer is none of those"},
		{iss + `, "token_id": "` + strings.Repeat("a", maxEntryBytes) + `"}`, nil, 400, "more than 16384 bytes"},
		{iss + `, "token_id": "1"}`, nil, 204, ""},
		{iss + `, "token_id": "2"}`, nil, 507, "no room"},
		{iss + `, "token_id": "1"}`, nil, 204, ""},
	} {
		if code, text := r.post("/revocations", c.body, c.fields); code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("%.200s\ngot %d: %s\nwant %d: %s", c.body, code, text, c.code, c.text)
		}
	}
	if code, _ := r.get("/revocations"); code != 405 {
		t.Errorf("GET: got %d", code)
	}
}
