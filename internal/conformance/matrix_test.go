package main_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// The conformance matrix: questions that carry the id of a row of rows/rows.md are put to every
// transport, unchanged. A subtest is named TestMatrix/GROUP/ROW/TRANSPORT/..., which is how the
// report of `make conformance` finds them (internal/conformance).

// canary is in every token's claims and header, in every URL and in a header field of every
// request. It must not come back, and must not be in a log (row B-35).
const canary = "c4n4ry"

const realm = "api"

// A question is a request and what every transport must answer.
type question struct {
	rows          string // ids of the rows that it tests, by spaces
	name          string
	need          string // default "orders"
	authorization []string
	shape         func(*http.Request) // makes it one for HTTP alone
	want          want
}

// A want is the answer's image in the terms of rows/rows.md's shorthand.
type want struct {
	status int
	reason auth.Reason       // gives error, text and code; 0 for 200
	scopes string            // of insufficient_scope
	body   string            // with 200; "" is not compared
	text   string            // of the challenge, word for word; "" is the Reason's own
	params map[string]string // of the challenge, beside or in place of those of the status
}

var (
	accepted  = want{status: 200}
	anonymous = want{status: 200, body: "anonymous"}
	noToken   = want{status: 401, reason: auth.ReasonCredentialsMissing}
	malformed = want{status: 400, reason: auth.ReasonInvalidRequest}
	notJudged = want{status: 503, reason: auth.ReasonUnavailable}
)

func invalid(r auth.Reason) want { return want{status: 401, reason: r} }
func short(scopes string) want {
	return want{status: 403, reason: auth.ReasonInsufficientScope, scopes: scopes}
}
func bearer(token string) []string { return []string{"Bearer " + token} }

// oauthErrors are the error codes that the challenge of a status carries (RFC 6750 §3.1).
var oauthErrors = map[int]string{400: "invalid_request", 401: "invalid_token", 403: "insufficient_scope"}

// A group is a Guard with its transports, and what is asked of them.
type group struct {
	t          *testing.T
	name       string
	transports map[string]transport
	secret     *secrets
	field      [2]string // a header field, or metadata, that goes with what is asked
}

// newGroup opens transports for a verifier. All that its hooks are told goes into a log that must
// not hold what callers sent.
func newGroup(t *testing.T, name string, v auth.TokenVerifier) *group {
	s := new(secrets)
	guard := must(auth.NewGuard(v, &auth.GuardOptions{
		ResourceMetadata: metadataURL,
		OnDecision: func(ctx context.Context, d auth.Decision) {
			auth.LogRefusals(slog.New(slog.NewJSONHandler(s, nil)))(ctx, d)
			if d.Err != nil {
				fmt.Fprintln(s, d.Operation, d.Err, d.Err.Reason, d.Err.Claim(), d.Err.Expected(), d.Err.Err)
			}
			fmt.Fprintln(s, d.Principal)
		},
	}))
	g := &group{t: t, name: name, transports: transports(t, guard), secret: s}
	t.Cleanup(func() { s.check(t) })
	return g
}

const metadataURL = "https://api.example/.well-known/oauth-protected-resource"

// ask puts the questions to every transport.
func (g *group) ask(questions ...question) {
	g.t.Run(g.name, func(t *testing.T) {
		for _, q := range questions {
			g.secret.add(q.authorization)
			for _, row := range strings.Fields(q.rows) {
				t.Run(row, func(t *testing.T) {
					for _, name := range slices.Sorted(maps.Keys(g.transports)) {
						if q.shape != nil && isRPC(name) {
							continue
						}
						t.Run(name+"/"+q.name, func(t *testing.T) { q.put(t, g.transports[name], g.field) })
					}
				})
			}
		}
	})
}

// askWith puts them with one more header field, which is metadata in gRPC.
func (g group) askWith(name, value string, questions ...question) {
	g.field = [2]string{name, value}
	g.ask(questions...)
}

func (q question) put(t *testing.T, d transport, field [2]string) {
	need := q.need
	if need == "" {
		need = "orders"
	}
	a := d(t, request{need: need, authorization: q.authorization, field: field, shape: q.shape})
	if a.status != q.want.status {
		t.Errorf("status %d (%s), want %d", a.status, a.code, q.want.status)
		return
	}
	if a.status == 200 {
		if q.want.body != "" && a.body != q.want.body {
			t.Errorf("the handler saw %q, want %q", a.body, q.want.body)
		}
	} else if e := (&auth.Error{Reason: q.want.reason}); a.code != e.Reason.Code() && !a.bodiless {
		t.Errorf("code %q, want %q", a.code, e.Reason.Code())
	}
	checkChallenge(t, a, q.want)
	checkSecrecy(t, a, q.authorization)
	if (a.retryAfter != "") != (a.status == 503) || a.status == 503 && strings.Trim(a.retryAfter, "0123456789") != "" {
		t.Errorf("Retry-After %q under %d (RFC 9110 §10.2.3)", a.retryAfter, a.status)
	}
	if a.scope != q.want.scopes {
		t.Errorf("scope %q beside the challenge, want %q", a.scope, q.want.scopes)
	}
}

// checkChallenge reads the challenge back with the parser of the tests, and compares it, whole,
// with what is wanted (rows B-13 to B-31).
func checkChallenge(t *testing.T, a answer, w want) {
	if w.status == 200 || w.status >= 500 || w.reason == auth.ReasonNoRule || w.reason == auth.ReasonForbidden {
		if len(a.challenges) != 0 || len(a.metadata) != 0 {
			t.Errorf("a challenge under %d: %q, %v", a.status, a.challenges, a.metadata)
		}
		return
	}
	if len(a.challenges) != 1 {
		t.Errorf("%d field lines of WWW-Authenticate: %q", len(a.challenges), a.challenges)
		return
	}
	for i := range len(a.challenges[0]) {
		if c := a.challenges[0][i]; c < ' ' || c > '~' {
			t.Errorf("byte %#x in %q", c, a.challenges[0])
		}
	}
	read, err := parseChallenges(a.challenges[0])
	if err != nil || len(read) != 1 || read[0].scheme != "Bearer" {
		t.Errorf("%q is read as %v, %v", a.challenges[0], read, err)
		return
	}
	params := map[string]string{"realm": realm, "resource_metadata": metadataURL}
	if w.reason != auth.ReasonCredentialsMissing {
		params["error"] = oauthErrors[w.status]
		params["error_description"] = cmp.Or(w.text, (&auth.Error{Reason: w.reason}).Description())
	}
	if w.scopes != "" {
		params["scope"] = w.scopes
	}
	maps.Copy(params, w.params)
	if !maps.Equal(read[0].params, params) {
		t.Errorf("challenge\n got %v\nwant %v", read[0].params, params)
	}
	if a.metadata != nil { // the same in gRPC's own form (row G-07)
		delete(params, "realm")
		delete(params, "error_description")
		if !maps.Equal(a.metadata, params) {
			t.Errorf("the ErrorInfo says %v, want %v", a.metadata, params)
		}
	}
	for name, value := range read[0].params {
		if strings.ContainsAny(value, `"\`) { // none of them needs a quoted-pair (RFC 6750 §3)
			t.Errorf("%s has a character that RFC 6750 §3 forbids: %q", name, value)
		}
	}
}

// checkSecrecy looks for what the caller sent in a refusal (row B-35).
func checkSecrecy(t *testing.T, a answer, authorization []string) {
	if a.status == 200 {
		return
	}
	for _, s := range append(pieces(authorization), canary, detail) {
		if strings.Contains(a.all, s) {
			t.Errorf("the answer holds %q, which the caller sent, or must not know:\n%s", s, a.all)
		}
	}
}

// pieces are the parts of what was sent that are long enough to be told from anything else.
func pieces(authorization []string) []string {
	var all []string
	for _, v := range authorization {
		for _, p := range strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '.' || r == ',' }) {
			if len(p) >= 12 {
				all = append(all, p)
			}
			if raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(p, "=")); err == nil && len(raw) >= 12 {
				all = append(all, string(raw))
			}
		}
	}
	return all
}

// secrets collects what hooks are told and what callers sent, to compare them at the end.
type secrets struct {
	mu   sync.Mutex
	log  bytes.Buffer
	sent []string
}

func (s *secrets) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *secrets) add(authorization []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, pieces(authorization)...)
}

func (s *secrets) holds(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.log.String(), text)
}

func (s *secrets) check(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log.Len() == 0 {
		t.Error("the hooks were told nothing")
	}
	for _, secret := range append(s.sent, canary) {
		if bytes.Contains(s.log.Bytes(), []byte(secret)) {
			t.Errorf("the log holds %q, which a caller sent", secret)
		}
	}
}

// token is a token of the issuer with the canary in it.
func token(issuer *authtest.Issuer, scope string, changes ...authtest.Change) string {
	marked := []authtest.Change{authtest.Claims{"note": canary, "email": canary + "@example.org"}, authtest.Header{"note": canary}}
	return issuer.Token(scope, append(marked, changes...)...)
}

// A claimSet and a header are JSON objects to be signed as they are.
type object = map[string]any

func encoded(v any) string {
	text, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// keySet parses a key set as a Cache does.
func keySet(t *testing.T, keys ...object) jwks.Static {
	t.Helper()
	doc, err := json.Marshal(object{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwks.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
