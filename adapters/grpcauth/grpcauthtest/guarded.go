package grpcauthtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/internal/cite"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// Options adjust AssertGuarded. The zero value, and nil, mean the defaults.
type Options struct {
	// Messages are the bytes of the messages to send, by method ("/pkg.Service/Method"), as
	// proto.Marshal makes them. Give them for messages with required fields, and for other codecs
	// than proto. Default: no bytes, which is the empty message of every proto3 type.
	Messages map[string][]byte
	// Skip names rules, and methods, that are not asked.
	Skip []string
	// Claims are what good tokens of a rule have beyond what its requirement names, by the rule's
	// key. Checks of the program's own may ask for them (Requirement.With, auth.Detail). Default
	// none.
	Claims map[string]authtest.Claims
	// Implies is the GuardOptions.Implies of the server's Guard. Default none.
	Implies map[string][]string
	// Metadata is sent with each call, besides the token. Default nothing.
	Metadata metadata.MD
	// DialOptions are for the connection, such as the transport credentials of a server that has
	// TLS. Default: plain text.
	DialOptions []grpc.DialOption
	// StreamsEnd checks that each stream ends with its token and the greatest leeway. That takes
	// six minutes, which pass at once inside a testing/synctest bubble and nowhere else. Default
	// false. A stream that its handler ends before is not judged. It is not for servers with
	// grpcauth.Options.AllowExpiredStreams.
	StreamsEnd bool
	// Prover is for servers with a dpop.Binding. Every token is then bound to the Prover's key, and
	// each call has a proof (RFC 9449). What a thief of tokens would try is tried too. Nonces that
	// answers bring are put into later proofs. Default nil: plain tokens.
	Prover *authtest.Prover
	// Origin is what the server's dpop.New was given, such as "https://api.example". It goes with
	// Prover.
	Origin string
	// Certificate is for servers with an mtls.Binding. Every token is then bound to the
	// Certificate, and the connection has it (RFC 8705). What a thief of tokens would try is tried
	// too. It goes with TLS, and not with Prover: a server that has both is asked twice. Default
	// nil: plain tokens.
	Certificate *authtest.Certificate
	// TLS is how clients connect: RootCAs that know the server's certificate, and ServerName where
	// it is not for localhost. Its Certificates do not count. It goes with Certificate.
	TLS *tls.Config
}

// A Server is what AssertGuarded asks: a *grpc.Server, or another one that speaks gRPC.
type Server interface {
	// GetServiceInfo tells the methods of each service.
	GetServiceInfo() map[string]grpc.ServiceInfo
	// Serve returns when the listener is closed.
	Serve(net.Listener) error
}

// AssertGuarded tests server, the API's own, behind a Guard that trusts issuer. It calls each
// method of rules as attackers and careless clients would. It fails the test for every answer that
// breaks a row of the conformance matrix. Each failure names the rule, the source and the row:
//
//	/shop.v1.Orders/*: RFC 9068 §4 (AT-18): Watch, a token with the defect Expired: got OK, want UNAUTHENTICATED
//
// It calls unary methods and all kinds of streams without a token, with two, and with a token under
// other metadata keys. It calls them with every bad token that the issuer's Config refuses, and
// with some of the scopes. It calls them without what else the rule names
// (authtest.Issuer.ClaimsFor). Streams are also left without any message. A good token must be
// accepted. A method of each kind is called while the issuer's keys cannot be had.
//
// With Options.Prover, each question but those about thieves has a token that is bound, and a
// proof. A thief has a bound token, and neither its key nor a new proof. He sends it under Bearer,
// and under DPoP without a proof. He sends it with a proof of his own key, with one that was used
// before, and with every authtest.ProofDefect. Where the rule needs a bound token (auth.Bound), a
// plain one is refused.
//
// With Options.Certificate, each token is bound to that certificate, which the connection has. A
// thief has the token, and no certificate. Or he has another one, of the same CA as the owner's
// (authtest.Certificate.Another). The owner's certificate is no secret: he sends it in the metadata
// that proxies write. He connects from 192.0.2.1, which is no proxy's address. A token that is
// bound to a key besides is refused without a proof. Connections that the server refuses at the
// handshake ask its guard nothing, and the test's log says so.
//
// Then it tries to go around the guard. It sends method names that are almost right, and metadata
// that name another call (x-original-url) or a user (x-forwarded-user). It adds those of gRPC-Web
// and of tools, and calls as a health probe, which interceptors of one's own may let past. It tries
// each without a token, and with a token that is good for all the API but this method. Methods that
// no rule names, health and reflection among them, are refused. The keys of rules are those of
// grpcauth.
//
// Server has its services registered and need not serve: AssertGuarded serves it in memory until it
// returns, and does not stop it. The handlers do run, with empty messages: with good tokens always,
// and wherever the guard fails. Give server no rate limiter, and its Guard no verifier of other
// issuers. Give each call of AssertGuarded a Guard of its own, since unknown keys may cause only a
// few fetches.
//
// Rules that cannot be used, and options that name what is not there, end the test.
func AssertGuarded(tb testing.TB, issuer *authtest.Issuer, server Server, rules auth.Rules, opts *Options) {
	tb.Helper()
	if err := rules.Validate(); err != nil {
		tb.Fatalf("grpcauthtest: AssertGuarded: %v", err)
	}
	if opts == nil {
		opts = new(Options)
	}
	if (opts.Prover == nil) != (opts.Origin == "") {
		tb.Fatal("grpcauthtest: AssertGuarded: Options.Prover and Origin go together")
	}
	if (opts.Certificate == nil) != (opts.TLS == nil) {
		tb.Fatal("grpcauthtest: AssertGuarded: Options.Certificate and TLS go together")
	}
	if opts.Prover != nil && opts.Certificate != nil {
		tb.Fatal("grpcauthtest: AssertGuarded: Options.Prover and Certificate do not go together: ask twice")
	}
	methods := methodsOf(server, rules)
	checkNames(tb, methods, rules, opts)
	a := &assertion{tb: tb, issuer: issuer, conns: serve(server, opts), rules: rules, options: opts, methods: methods, tokens: map[string]string{}}
	defer a.conns.hangUp()
	a.connect()
	a.prepare()

	used, asked, downUnary, downStream := map[string]bool{}, false, false, false
	for _, m := range methods {
		used[m.rule] = true
		if slices.Contains(opts.Skip, m.name) || slices.Contains(opts.Skip, m.rule) {
			continue
		}
		a.method, a.claims = m, issuer.ClaimsFor(m.need)
		maps.Copy(a.claims, opts.Claims[m.rule])
		if m.rule == "" {
			a.unnamed()
			continue
		}
		answers, down := a.named(), &downUnary
		if m.stream() {
			down = &downStream
		}
		asked = asked || !m.need.IsPublic()
		if answers && !*down { // one of each: an unknown key may cause but a few fetches
			*down = true
			a.keysDown()
		}
	}
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if !used[key] && !slices.Contains(opts.Skip, key) {
			tb.Errorf("%s: %s: no registered method uses this rule", key, cite.Row("O-07"))
		}
	}
	if !asked {
		tb.Fatal("grpcauthtest: AssertGuarded: no rule asks for a token")
	}
}

// A method is one that is registered, and its rule.
type method struct {
	name           string // "/pkg.Service/Method"
	client, server bool   // which sides stream
	rule           string // "" when no rule names it
	need           auth.Requirement
}

func (m method) stream() bool { return m.client || m.server }

// methodsOf returns what is registered, by name. The exact rule of a method wins.
func methodsOf(server Server, rules auth.Rules) (all []method) {
	services := server.GetServiceInfo()
	for _, service := range slices.Sorted(maps.Keys(services)) {
		for _, info := range services[service].Methods {
			m := method{name: "/" + service + "/" + info.Name, client: info.IsClientStream, server: info.IsServerStream}
			for _, key := range []string{"/" + service + "/*", m.name} {
				if need, ok := rules[key]; ok {
					m.rule, m.need = key, need
				}
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b method) int { return strings.Compare(a.name, b.name) })
	return all
}

// checkNames ends the test when the options name what is not there.
func checkNames(tb testing.TB, methods []method, rules auth.Rules, opts *Options) {
	tb.Helper()
	for _, name := range slices.Concat(slices.Collect(maps.Keys(opts.Messages)), slices.Collect(maps.Keys(opts.Claims)), opts.Skip) {
		_, isRule := rules[name]
		if !isRule && !slices.ContainsFunc(methods, func(m method) bool { return m.name == name }) {
			tb.Fatalf("grpcauthtest: AssertGuarded: the options name %q, which is neither a rule nor a registered method", name)
		}
	}
}

type assertion struct {
	method
	tb      testing.TB
	issuer  *authtest.Issuer
	conns   *connections
	conn    *grpc.ClientConn            // the owner's, of tokens that are bound to a certificate
	probe   *grpc.ClientConn            // the same, with the user agent of health probes
	thief   map[string]*grpc.ClientConn // by what certificate he has
	rules   auth.Rules
	methods []method
	options *Options
	guard   *auth.Guard       // verifies tokens as the server's own should
	scopes  []string          // all that the rules name
	bad     []badToken        // refused by the issuer's Config
	claims  authtest.Claims   // of a good token for the method, beyond those of every token
	tokens  map[string]string // good ones, by their scope claim and others
	nonces  bool              // the server asks for them
}

// failf fails the test over one question that the method was asked.
func (a *assertion) failf(row, what, format string, args ...any) {
	a.tb.Helper()
	key := a.rule
	if short, whole := strings.CutSuffix(key, "*"); whole {
		what = strings.TrimPrefix(a.name, short) + ", " + what
	} else {
		key = a.name
	}
	a.tb.Errorf("%s: %s: %s: %s", key, cite.Row(row), what, fmt.Sprintf(format, args...))
}

// A badToken is one that the issuer's Config refuses.
type badToken struct {
	defect authtest.Defect
	token  string
	reason auth.Reason
}

// prepare makes what all methods are asked with.
func (a *assertion) prepare() {
	a.tb.Helper()
	v, err := auth.NewVerifier(a.issuer.Keys(), a.issuer.Config())
	if err == nil {
		a.guard, err = auth.NewGuard(v, &auth.GuardOptions{
			OnDecision: func(context.Context, auth.Decision) {}, // for rules only reported on
			Bindings:   a.bindings(),
			Implies:    a.options.Implies,
		})
	}
	if err != nil {
		a.tb.Fatalf("grpcauthtest: AssertGuarded: %v", err)
	}
	for _, need := range a.rules {
		a.scopes = append(a.scopes, need.Names("scope")...)
	}
	slices.Sort(a.scopes)
	a.scopes = slices.Compact(a.scopes)
	ours := a.issuer.Defects()
	for _, d := range authtest.Defects() {
		if d == authtest.DERSignature && !slices.Contains(ours, d) {
			continue // of other algorithms
		}
		token := a.newToken(strings.Join(a.scopes, " "), d)
		refusal := a.refusalOf(token, auth.AnyToken())
		if refusal == nil || refusal.Reason == auth.ReasonKeyUnknown { // which may ask the issuer for keys
			continue
		}
		a.bad = append(a.bad, badToken{d, token, refusal.Reason})
	}
}

// token returns a good token with scopes and what else the rule names. Signing takes most of the
// time, so each is made once.
func (a *assertion) token(scopes ...string) string {
	a.tb.Helper()
	scope := strings.Join(scopes, " ")
	at := fmt.Sprintf("%s %v", scope, map[string]any(a.claims))
	if a.tokens[at] == "" {
		a.tokens[at] = a.newToken(scope)
	}
	return a.tokens[at]
}

// refusalOf returns why need is not met with a token, nil when it is.
func (a *assertion) refusalOf(token string, need auth.Requirement) *auth.Error {
	a.tb.Helper()
	_, err := a.guard.Authorize(context.Background(), auth.Credentials{Operation: a.rule, Authorization: []string{"Bearer " + token}}, need)
	if err == nil {
		return nil
	}
	return auth.AsError(err)
}

// acceptsAll reports whether the requirement accepts a call without credentials.
func (a *assertion) acceptsAll() bool {
	_, err := a.guard.Authorize(context.Background(), auth.Credentials{Operation: a.rule}, a.need)
	return err == nil
}
