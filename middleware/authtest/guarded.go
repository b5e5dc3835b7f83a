package authtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/cite"
	auth "github.com/bearward/bearward/middleware"
)

// GuardedOptions adjust AssertGuarded. The zero value, and nil, mean the defaults.
type GuardedOptions struct {
	// Paths are the paths to ask for where a pattern has parameters, by the rule's key: "GET /orders/{id}": "/orders/1". Default: every
	// parameter is "1".
	Paths map[string]string
	// Skip names rules that are not asked.
	Skip []string
	// Prepare adds to each request what the routes need besides a token, such as a body's Content-Type. Default nothing.
	Prepare func(*http.Request)
}

// AssertGuarded asks h, the API's own router behind a Guard that trusts issuer, for each operation of rules what attackers and careless clients would,
// and fails the test for every answer that is not what the rows of the conformance matrix ask for. Each failure names the rule, the
// source and the row:
//
//	GET /orders: RFC 9068 §4 (AT-18): a token with the defect Expired: got 200, want 401
//
// It asks without a token, with two, with a token in the query and in a cookie, with a dozen bad tokens, with some of the scopes, with other methods and
// method-override headers, over paths written in other ways, and while the issuer's keys cannot be had; and with a good token, which must be let
// through. The keys of rules are those of httpauth, chi and Echo; what an operation asks for decides what is wanted. The handlers do run: with good
// tokens always, and through every hole.
//
// From outside, a request counts as having reached a handler when it is answered with a 2xx or a 5xx other than 503, or ends in a panic. A route that no rule names is not asked:
// the adapters' Check functions find it. Give h no rate limiter, and its Guard no verifier of other issuers.
func AssertGuarded(tb testing.TB, issuer *Issuer, h http.Handler, rules auth.Rules, opts *GuardedOptions) {
	tb.Helper()
	if err := rules.Validate(); err != nil {
		tb.Fatalf("authtest: AssertGuarded: %v", err)
	}
	if opts == nil {
		opts = new(GuardedOptions)
	}
	for _, name := range append(slices.Collect(maps.Keys(opts.Paths)), opts.Skip...) {
		if _, ok := rules[name]; !ok {
			tb.Fatalf("authtest: AssertGuarded: the options name %q, which is no rule", name)
		}
	}
	server := httptest.NewServer(contained(h))
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	bad := issuer.Defects()
	defects := slices.DeleteFunc(slices.Sorted(maps.Keys(rowOf)), func(d Defect) bool { return !slices.Contains(bad, d) })
	asked := 0
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if slices.Contains(opts.Skip, key) {
			continue
		}
		o, err := newOperation(key, rules[key], opts)
		if err != nil {
			tb.Fatalf("authtest: AssertGuarded: %v", err)
		}
		a := &assertion{tb: tb, issuer: issuer, client: client, url: server.URL, rules: rules, prepare: opts.Prepare, defects: defects, operation: o}
		a.assert()
		if !o.need.IsPublic() {
			if asked++; asked == 1 { // one: an unknown key may cause but a few fetches
				a.keysDown()
			}
		}
	}
	if asked == 0 {
		tb.Fatal("authtest: AssertGuarded: no rule asks for a token")
	}
}

// contained answers a panic with 500: a handler that falls over for want of a Principal was reached, and must not look like a router that hung up.
func contained(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// An operation is one rule, and how to ask for it.
type operation struct {
	key, method, host, path string
	need                    auth.Requirement
}

var parameters = regexp.MustCompile(`\{[^{}]*\}|:[A-Za-z_]\w*|\*`)

func newOperation(key string, need auth.Requirement, opts *GuardedOptions) (operation, error) {
	method, pattern, ok := strings.Cut(key, " ")
	if !ok {
		method, pattern = http.MethodGet, key
	}
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 {
		return operation{}, fmt.Errorf("rule %q has no path", key)
	}
	o := operation{key: key, method: method, host: pattern[:slash], need: need}
	if o.path, ok = opts.Paths[key]; !ok {
		o.path = parameters.ReplaceAllStringFunc(pattern[slash:], func(p string) string {
			if p == "{$}" {
				return ""
			}
			return "1"
		})
	}
	if !strings.HasPrefix(o.path, "/") {
		return o, fmt.Errorf("GuardedOptions.Paths[%q] is %q, which is no path", key, o.path)
	}
	return o, nil
}

type assertion struct {
	operation
	tb      testing.TB
	issuer  *Issuer
	client  *http.Client
	url     string
	rules   auth.Rules
	defects []Defect
	prepare func(*http.Request)
}

// An attempt is a request in another way than the plain one.
type attempt struct {
	method, path string // default: the operation's
	tokens       []string
	header       map[string]string
}

// A reply is what came back.
type reply struct {
	status     int
	challenge  string
	retryAfter string
}

// said are the parameters of a challenge that tell one refusal from another.
var said = regexp.MustCompile(`(?:error|scope)="[^"]*"`)

func (r reply) String() string {
	switch {
	case r.challenge != "" && !said.MatchString(r.challenge):
		return fmt.Sprintf("%d with challenge %s", r.status, r.challenge)
	case r.challenge != "":
		return fmt.Sprintf("%d with %s", r.status, strings.Join(said.FindAllString(r.challenge, -1), ", "))
	}
	return fmt.Sprint(r.status)
}

func (r reply) reached() bool { return r.status < 300 || r.status >= 500 && r.status != 503 }

func (a *assertion) ask(t attempt) reply {
	a.tb.Helper()
	method, path := a.method, a.path
	if t.method != "" {
		method = t.method
	}
	if t.path != "" {
		path = t.path
	}
	r, err := http.NewRequestWithContext(a.tb.Context(), method, a.url, nil)
	if err != nil {
		a.tb.Fatalf("authtest: AssertGuarded: %s: %v", a.key, err)
	}
	raw, query, _ := strings.Cut(path, "?")
	r.URL.Opaque, r.URL.RawQuery = "//"+r.URL.Host+raw, query
	if a.host != "" {
		r.Host = a.host
	}
	for _, token := range t.tokens {
		r.Header.Add("Authorization", "Bearer "+token)
	}
	for name, value := range t.header {
		r.Header.Set(name, value)
	}
	if a.prepare != nil {
		a.prepare(r)
	}
	resp, err := a.client.Do(r)
	if err != nil {
		return reply{status: http.StatusBadRequest} // the router hung up
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return reply{resp.StatusCode, resp.Header.Get("WWW-Authenticate"), resp.Header.Get("Retry-After")}
}

func (a *assertion) failf(row, what, format string, args ...any) {
	a.tb.Helper()
	a.tb.Errorf("%s: %s: %s: %s", a.key, cite.Row(row), what, fmt.Sprintf(format, args...))
}

// want fails the test unless the reply has the status, and the challenge holds what it should.
func (a *assertion) want(row, what string, got reply, status int, challenge ...string) {
	a.tb.Helper()
	if got.status != status {
		a.failf(row, what, "got %s, want %d", got, status)
		return
	}
	for _, part := range challenge {
		if !strings.HasPrefix(got.challenge, "Bearer ") || !strings.Contains(got.challenge, part) {
			a.failf(row, what, "got %s, want a Bearer challenge with %s", got, part)
		}
	}
}

// rowOf are the bad tokens that every operation is asked with, where the form of the tokens makes them bad.
var rowOf = map[Defect]string{
	Expired: "AT-18", NoExpiry: "AT-19", WrongAudience: "AT-14", NoAudience: "AT-15", WrongIssuer: "AT-10", BadSignature: "AT-09", TamperedClaims: "AT-09",
	WrongKey: "AT-38", AlgNoneSigned: "AT-07", HMACWithPublicKey: "J-04", CritHeader: "J-17", DuplicateClaim: "AT-40", SenderConstrained: "S-06", RandomText: "B-24",
}

func (a *assertion) assert() {
	a.tb.Helper()
	if a.need.IsPublic() {
		if got := a.ask(attempt{tokens: []string{a.issuer.Token("", Expired)}}); got.status == 401 || got.status == 403 {
			a.failf("O-08", "a public operation, with a bad token", "got %d", got.status)
		}
		return
	}
	good := strings.Join(a.need.ChallengeScopes(), " ")
	token := a.issuer.Token(good)

	switch got := a.ask(attempt{}); {
	case a.need.IsOptional():
		if got.status == 401 || got.status == 403 || got.status == 503 {
			a.failf("O-08", "an optional operation, without a token", "got %d", got.status)
		}
	default:
		a.want("B-13", "no token", got, 401, "realm=")
		if strings.Contains(got.challenge, "error=") {
			a.failf("B-14", "no token", "the challenge says error: %q", got.challenge)
		}
		a.want("B-15", "another scheme", a.ask(attempt{header: map[string]string{"Authorization": "Basic eDp5"}}), 401, "realm=")
		a.want("B-11", "the token in the query", a.ask(attempt{path: a.path + "?access_token=" + url.QueryEscape(token)}), 401)
		a.want("B-11", "the token in a cookie", a.ask(attempt{header: map[string]string{"Cookie": "access_token=" + token + "; jwt=" + token}}), 401)
		a.bypassAttempts()
	}
	a.want("B-08", "two tokens", a.ask(attempt{tokens: []string{token, token}}), 400, `error="invalid_request"`)
	for _, d := range a.defects {
		a.want(rowOf[d], "a token with the defect "+string(d), a.ask(attempt{tokens: []string{a.issuer.Token(good, d)}}), 401, `error="invalid_token"`)
	}
	a.scopes()
}

// scopes asks with all the scopes that the requirement names, with all but one, with each alone and with none, and wants what the requirement
// itself says.
func (a *assertion) scopes() {
	a.tb.Helper()
	all := a.need.Scopes()
	sets := [][]string{all}
	for i := range all {
		sets = append(sets, slices.Delete(slices.Clone(all), i, i+1), all[i:i+1])
	}
	sets = append(sets, nil)
	slices.SortFunc(sets, slices.Compare)
	for _, set := range slices.CompactFunc(sets, slices.Equal) {
		token := a.issuer.Token(strings.Join(set, " "))
		what := fmt.Sprintf("a good token with scopes %q", set)
		verdict := a.judge(token)
		got := a.ask(attempt{tokens: []string{token}})
		switch {
		case verdict == nil:
			if got.status == 400 || got.status == 401 || got.status == 403 || got.status == 503 {
				a.failf("B-01", what, "got %s", got)
			}
		case verdict.Reason == auth.ReasonInsufficientScope:
			a.want("B-25", what, got, 403, `error="insufficient_scope"`, `scope="`+strings.Join(verdict.Scopes, " ")+`"`)
		default: // a check of the user's own
			if got.reached() {
				a.failf("B-25", what, "got %d, want it refused: %s", got.status, verdict.Reason)
			}
		}
	}
}

// judge is what the requirement says of a token.
func (a *assertion) judge(token string) *auth.Error {
	a.tb.Helper()
	v, err := auth.NewVerifier(a.issuer.Keys(), a.issuer.Config())
	if err != nil {
		a.tb.Fatalf("authtest: AssertGuarded: %v", err)
	}
	g, err := auth.NewGuard(v, nil)
	if err != nil {
		a.tb.Fatalf("authtest: AssertGuarded: %v", err)
	}
	_, err = g.Authorize(context.Background(), auth.Credentials{Operation: a.key, Authorization: []string{"Bearer " + token}}, a.need)
	if err == nil {
		return nil
	}
	return auth.AsError(err)
}

// bypassAttempts asks for the operation in other ways, without a token. None may reach a handler, unless a rule says that it is open.
func (a *assertion) bypassAttempts() {
	a.tb.Helper()
	refused := func(row, what string, t attempt) {
		a.tb.Helper()
		if got := a.ask(t); got.reached() {
			a.failf(row, what+", without a token", "got %d: a handler was reached", got.status)
		}
	}
	_, pattern, _ := strings.Cut(a.key, " ")
	if pattern == "" {
		pattern = a.key
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"} {
		if key, _, ok := a.rules.ForRoute(method, pattern); ok && key != a.key || method == a.method { // another rule's, and asked by that
			continue
		}
		row := "O-11"
		if method == "HEAD" {
			row = "B-36"
		}
		refused(row, "method "+method, attempt{method: method})
	}
	for _, method := range []string{"GET", "POST", "DELETE"} {
		for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
			if method != a.method {
				refused("O-11", header+": "+method, attempt{header: map[string]string{header: method}})
			}
		}
	}
	if len(a.path) < 2 {
		return
	}
	for _, path := range []string{
		"/" + a.path, a.path + "/", a.path + "//", "/." + a.path, "/x/.." + a.path, "/%2e" + a.path, "/x/%2e%2e" + a.path, "/%2F" + a.path[1:], a.path + "%2F", a.path + "/.", a.path + ";x",
		fmt.Sprintf("/%%%02x%s", a.path[1], a.path[2:]), strings.ToUpper(a.path), a.path + "%00", a.path + "%20",
	} {
		if path == a.path || a.isOpen(path) {
			continue
		}
		refused("O-11", "path "+path, attempt{path: path})
	}
}

// isOpen reports whether a public or optional rule may be what answers a path: one whose literal beginning the path has.
func (a *assertion) isOpen(path string) bool {
	for key, need := range a.rules {
		if !need.IsPublic() && !need.IsOptional() {
			continue
		}
		o, err := newOperation(key, need, new(GuardedOptions))
		if err != nil {
			continue
		}
		_, pattern, ok := strings.Cut(key, " ")
		if !ok {
			pattern = key
		}
		pattern = pattern[strings.IndexByte(pattern, '/'):]
		literal := pattern
		if i := parameters.FindStringIndex(pattern); i != nil {
			literal = pattern[:i[0]]
		}
		if path == o.path || literal != pattern && strings.HasPrefix(path, literal) {
			return true
		}
	}
	return false
}

// keysDown asks with a key that nobody knows while the issuer fails: that cannot be judged.
func (a *assertion) keysDown() {
	a.tb.Helper()
	token := a.issuer.Token(strings.Join(a.need.ChallengeScopes(), " "), UnknownKid)
	a.issuer.Fail(http.StatusServiceUnavailable)
	defer a.issuer.Recover()
	const what = "a token whose key cannot be fetched"
	got := a.ask(attempt{tokens: []string{token}})
	a.want("K-11", what, got, 503)
	if got.status == 503 && got.retryAfter == "" {
		a.failf("O-02", what, "no Retry-After")
	}
	if got.status == 503 && got.challenge != "" {
		a.failf("O-02", what, "a challenge: %q", got.challenge)
	}
}
