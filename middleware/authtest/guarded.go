package authtest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/cite"
	auth "github.com/bearward/bearward/middleware"
)

// GuardedOptions adjust AssertGuarded. The zero value, and nil, mean the defaults.
type GuardedOptions struct {
	// Paths are the paths to ask for where a pattern has parameters, by the rule's key:
	// "GET /orders/{id}": "/orders/1". Default: every parameter is "1".
	Paths map[string]string
	// Skip names rules that are not asked.
	Skip []string
	// Claims are what good tokens of a rule have beyond what its requirement names, by the rule's
	// key. Checks of the program's own may ask for them (Requirement.With, auth.Detail). Default
	// none.
	Claims map[string]Claims
	// Implies is the GuardOptions.Implies of the API's Guard. Default none.
	Implies map[string][]string
	// Prepare adds to each request what the routes need besides a token, such as a body's
	// Content-Type. Default nothing.
	Prepare func(*http.Request)
	// Header is the GuardOptions.Header of the API's Guard: each token comes in that field, bare.
	// It does not go with Prover. Default: tokens come in Authorization.
	Header string
	// Prover is for APIs with a dpop.Binding. Every token is then bound to the Prover's key, and
	// each request has a proof (RFC 9449). What a thief of tokens would try is tried too. Nonces
	// that answers bring are put into later proofs. Default nil: plain tokens.
	Prover *Prover
	// Origin is what the API's dpop.New was given, such as "https://api.example". It goes with
	// Prover.
	Origin string
	// Certificate is for APIs with an mtls.Binding. Every token is then bound to the Certificate,
	// and each request comes by a TLS connection that has it (RFC 8705). What a thief of tokens
	// would try is tried too. It does not go with Prover: an API that has both is asked twice.
	// Default nil: plain tokens, and no TLS.
	Certificate *Certificate
}

// AssertGuarded sends h, the API's own router behind a Guard that trusts issuer, the requests of
// attackers and careless clients, for each operation of rules. It fails the test for every answer
// that is not what the rows of the conformance matrix ask for. Each failure names the rule, the
// source and the row, what was sent, what came and what was wanted:
//
//	GET /orders: RFC 9068 §4 (AT-18): a token with the defect Expired: got 200, want 401
//
// It asks without a token, with two, and with a token in the query and in a cookie. It asks with
// every bad token that the issuer's Config refuses. It asks with some of the scopes, by every
// method of a rule for all methods, and while the issuer's keys are not available. A good token
// must be accepted. It has what the rule names besides scopes ([Issuer.ClaimsFor]). Tokens that
// lack that, one thing at a time, must be refused with what the rule says of it.
//
// Then it tries to go around the guard. It sends other methods (OPTIONS among them), and method
// overrides by header, query and form. It writes paths in other ways, encoded twice too. It asks
// other hosts, and adds headers that name another URL (X-Original-URL) or a user
// (X-Forwarded-User). It adds those of a WebSocket, a preflight or a health probe, which guards of
// one's own may let past. It tries each
// without a token, and with a token that is good for all the API but this operation. The answer to
// a good token is the reference. It tells the operation's handler from a page of another route and
// from a NotFound handler, which anybody may have. Handlers with the same answer, and handlers
// whose answer is another each time, cannot be told apart: let those of different rules answer
// differently.
//
// Routes for callers without a token (auth.Optional) answer with Vary: Authorization, or must not
// be stored (RFC 9110 §12.5.5, RFC 9111 §3.5).
//
// With GuardedOptions.Header, a good token in Authorization alone must not count, nor one in the
// field with "Bearer" in front. An answer to a good token must tell caches of the field (RFC 9111
// §3.5).
//
// With GuardedOptions.Prover, each question but those about thieves has a token that is bound, and
// a proof. A thief has a bound token, and neither its key nor a new proof. He sends it under
// Bearer, and under DPoP without proof. He sends it with a proof of his own key, with one that was
// used before, and with every [ProofDefect]. Where the rule needs a bound token ([auth.Bound]), a
// plain one is refused.
//
// With GuardedOptions.Certificate, each token is bound to that certificate, which the connection
// has. A thief has the token, and no certificate. Or he has another one, of the same CA as the
// owner's ([Certificate.Another]). The owner's certificate is no secret: he sends it in the fields
// that proxies write. He connects from 192.0.2.1, which is no proxy's address. A token that is
// bound to a key besides is refused without a proof.
//
// The keys of rules are those of httpauth, chi and Echo; what an operation asks for decides what is
// wanted. The handlers do run: with good tokens always, and wherever the guard fails. One rule
// takes about 230 requests over a loopback socket; twenty take about a second.
//
// A rule that is only reported on (Requirement.ReportOnly) accepts every request: it is not asked,
// and the test's log says so.
//
// A request counts as having reached a handler when it ends in a panic, or is answered with a 2xx
// or a 5xx. 501, 503 and 505 are a server's, and do not count. So does the answer to the good
// token. A refusal with a handler's answer behind it fails, too. What runs in front of the guard
// and shows in no answer, such as reading a body, is not seen. A route that no rule names is not
// asked: the adapters' Check functions find it. Give h no rate limiter, and its Guard no verifier
// of other issuers. A Guard whose Config is not the default's needs an issuer of that Config:
// [Options].Config.
func AssertGuarded(tb testing.TB, issuer *Issuer, h http.Handler, rules auth.Rules, opts *GuardedOptions) {
	tb.Helper()
	if err := rules.Validate(); err != nil {
		tb.Fatalf("authtest: AssertGuarded: %v", err)
	}
	if opts == nil {
		opts = new(GuardedOptions)
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(opts.Paths)), slices.Collect(maps.Keys(opts.Claims)), opts.Skip) {
		if _, ok := rules[name]; !ok {
			tb.Fatalf("authtest: AssertGuarded: the options name %q, which is no rule", name)
		}
	}
	if (opts.Prover == nil) != (opts.Origin == "") {
		tb.Fatal("authtest: AssertGuarded: GuardedOptions.Prover and Origin go together")
	}
	if opts.Header != "" && opts.Prover != nil {
		tb.Fatal("authtest: AssertGuarded: GuardedOptions.Header and Prover do not go together")
	}
	if opts.Prover != nil && opts.Certificate != nil {
		tb.Fatal("authtest: AssertGuarded: GuardedOptions.Prover and Certificate do not go together: ask twice")
	}
	k := newKit(tb, issuer, rules, opts)
	defer k.serve(h)()
	for key, need := range rules {
		o, err := newOperation(key, need, opts)
		if err != nil {
			tb.Fatalf("authtest: AssertGuarded: %v", err)
		}
		k.operations[key] = o
	}
	asked, down := 0, false
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if slices.Contains(opts.Skip, key) {
			continue
		}
		a := &assertion{kit: k, operation: k.operations[key], claims: issuer.ClaimsFor(rules[key])}
		merge(a.claims, opts.Claims[key])
		whole := a.assert()
		if !a.need.IsPublic() {
			asked++
		}
		if whole && !down { // one: an unknown key may cause but a few fetches
			down = true
			a.keysDown()
		}
	}
	if asked == 0 {
		tb.Fatal("authtest: AssertGuarded: no rule asks for a token")
	}
}

// serve serves h until what it returns is called.
func (k *kit) serve(h http.Handler) func() {
	server := httptest.NewUnstartedServer(contained(h))
	if k.options.Certificate == nil {
		server.Start()
		k.client = server.Client()
	} else {
		k.serveTLS(server)
	}
	k.client.CheckRedirect, k.url = noRedirect, server.URL
	return func() {
		server.CloseClientConnections() // so that streams end
		server.Close()
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// contained answers a panic with 500: a handler that panics for want of a Principal was reached,
// and must not look like a router that closed the connection.
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

// A kit is what the questions about all operations share.
type kit struct {
	tb         testing.TB
	issuer     *Issuer
	options    *GuardedOptions
	client     *http.Client
	thief      map[string]*http.Client // by what certificate he has, if GuardedOptions.Certificate is given
	url        string
	nonces     bool // the API asks for them
	rules      auth.Rules
	operations map[string]operation
	guard      *auth.Guard // verifies tokens as the API's own should
	scopes     []string    // all that the rules name
	bad        []badToken
	tokens     map[string]string // good ones, by their scope claim and others
	refusals   map[[2]string]*auth.Error
	hinted     bool            // at Options.Config
	told       map[string]bool // ways around the guard, by pattern
}

// A badToken is one that the issuer's Config refuses.
type badToken struct {
	defect Defect
	token  string
	status int // of its refusal
}

func newKit(tb testing.TB, issuer *Issuer, rules auth.Rules, opts *GuardedOptions) *kit {
	tb.Helper()
	k := &kit{tb: tb, issuer: issuer, rules: rules, options: opts, operations: map[string]operation{}, tokens: map[string]string{}, refusals: map[[2]string]*auth.Error{}, told: map[string]bool{}}
	v, err := auth.NewVerifier(issuer.Keys(), issuer.Config())
	if err == nil {
		k.guard, err = auth.NewGuard(v, &auth.GuardOptions{
			OnDecision: func(context.Context, auth.Decision) {}, // for rules only reported on
			Bindings:   k.bindings(),
			Implies:    opts.Implies,
		})
	}
	if err != nil {
		tb.Fatalf("authtest: AssertGuarded: %v", err)
	}
	for _, need := range rules {
		k.scopes = append(k.scopes, need.Names("scope")...)
	}
	slices.Sort(k.scopes)
	k.scopes = slices.Compact(k.scopes)
	for _, d := range Defects() {
		token, err := issuer.make(k.everyScope(), append(k.bound(), d))
		if err != nil { // not for tokens of this issuer
			continue
		}
		refusal := k.refusalOf(token, auth.AnyToken())
		if refusal == nil || refusal.Reason == auth.ReasonKeyUnknown { // which may ask the issuer for keys
			continue
		}
		k.bad = append(k.bad, badToken{d, token, refusal.Status()})
	}
	return k
}

// everyScope is a scope claim for all the API.
func (k *kit) everyScope() string { return strings.Join(k.scopes, " ") }

// token returns a good token with scopes and what else the rule names.
func (a *assertion) token(scope string) string {
	a.tb.Helper()
	return a.tokenWith(scope, a.claims)
}

// tokenWith returns a good token. Signing takes most of the time, so each is made once.
func (k *kit) tokenWith(scope string, claims Claims) string {
	k.tb.Helper()
	at := fmt.Sprintf("%s %v", scope, map[string]any(claims))
	if k.tokens[at] == "" {
		k.tokens[at] = k.issuer.Token(scope, append(k.bound(), claims)...)
	}
	return k.tokens[at]
}

// refusalOf returns why need is not met with a token, nil when it is.
func (k *kit) refusalOf(token string, need auth.Requirement) *auth.Error {
	k.tb.Helper()
	at := [2]string{token, need.String()}
	if e, ok := k.refusals[at]; ok {
		return e
	}
	_, err := k.guard.Authorize(k.tb.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, need)
	if err != nil {
		k.refusals[at] = auth.AsError(err)
	} else {
		k.refusals[at] = nil
	}
	return k.refusals[at]
}

// acceptsAll reports whether the requirement accepts a request without credentials.
func (a *assertion) acceptsAll() bool {
	_, err := a.guard.Authorize(a.tb.Context(), auth.Credentials{}, a.need)
	return err == nil
}

// An assertion asks about one operation.
type assertion struct {
	*kit
	operation
	reference *reply // to a good token, nil when none is accepted
	stable    bool   // the same request has the same answer
	claims    Claims // of a good token, beyond those of every token
}

func (a *assertion) failf(row, what, format string, args ...any) {
	a.tb.Helper()
	a.tb.Errorf("%s: %s: %s: %s", a.key, cite.Row(row), what, fmt.Sprintf(format, args...))
}

// want fails the test unless the reply has the status, and the challenge holds what it should.
func (a *assertion) want(row, what string, got reply, status int, challenge ...string) bool {
	a.tb.Helper()
	if got.status != status {
		a.failf(row, what, "got %s, want %d", got, status)
		return false
	}
	for _, part := range challenge {
		if said := got.challengeOf(a.scheme()); !strings.HasPrefix(said, a.scheme()+" ") || !strings.Contains(said, part) {
			a.failf(row, what, "got %s, want a %s challenge with %s", got, a.scheme(), part)
			return false
		}
	}
	return true
}
