package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/bearward/bearward/jwks"
)

// GuardOptions adjust a Guard. The zero value, and nil, mean the defaults.
type GuardOptions struct {
	// Realm names the API in challenges (RFC 9110 §11.5). Default "api". Printable ASCII.
	Realm string
	// ResourceMetadata is the URL of the API's RFC 9728 document, named in challenges. Default none.
	ResourceMetadata string
	// Proofs check the members of "cnf". Default none: every sender-constrained token is refused.
	Proofs []Proof
	// OnDecision is told of every verdict, before the handler runs or the refusal is written. It must be quick and safe for
	// concurrent use; a panic in it is contained. Default none. Requests to a Public operation are not judged and not told.
	OnDecision func(context.Context, Decision)
	// ReportOnly names operations whose requests are judged, and told to OnDecision, but let through whatever the verdict: for the time in which a
	// guard is put before an API that is in use. A handler then finds the Principal of a token that was good but short of scopes, and none
	// otherwise. Each name is the exact key of a rule, such as "GET /orders"; there is no name for all operations, an operation that no rule
	// names stays refused, and OnDecision must be set. Default none: every operation is enforced.
	ReportOnly []string
	// WriteRefusal writes the answer to a refused request; the challenge, Retry-After and Cache-Control are set when it is
	// called, and the status is err.Status unless it writes another. Default: problem documents (RFC 9457). gRPC and Echo do not use
	// it: Echo has an HTTPErrorHandler.
	WriteRefusal func(w http.ResponseWriter, r *http.Request, err *Error)
}

// A Decision is one verdict, for hooks. It holds no token.
type Decision struct {
	// Operation is the key of the rule that was asked, which is the route's pattern as the router has it, such as "GET /orders/{id}"; ""
	// when the router did not name it. It is never a path or a method that the caller chose, so it is safe as a metric's label.
	Operation string
	// Err is why the request was not let through, nil when it was.
	Err *Error
	// Principal is whose token was verified; nil for an anonymous request, or when none was verified.
	Principal *Principal
	// Elapsed is how long the verdict took.
	Elapsed time.Duration
	// Repeated is true when this Guard had verified the same credentials in the same request before.
	Repeated bool
	// Cached is true when the token was remembered, and its signature not verified again.
	Cached bool
	// KeyAge is how long ago the keys that the Principal's token was verified with were last fetched. It is 0 without a Principal, and for keys that
	// are not a jwks.Cache's.
	KeyAge time.Duration
	// ReportOnly is true when Err is not nil and the request was let through all the same: GuardOptions.ReportOnly names its operation.
	ReportOnly bool
}

// A Guard is the door of an API: it verifies a request's credentials and compares them with what the operation requires. It is safe
// for concurrent use. Its zero value is not matches.
type Guard struct {
	verifier  TokenVerifier
	proofs    map[string]Proof
	onDecide  func(context.Context, Decision)
	lenient   map[string]bool // operations that are reported on only
	override  func(http.ResponseWriter, *http.Request, *Error)
	metadata  string
	answers   map[Reason]answer
	challenge string // the auth-params that every challenge begins with
	close     func() error
}

// New returns a Guard for an issuer of RFC 9068 access tokens: [jwks.FromIssuer], [NewVerifier] and [NewGuard] with their defaults.
// The issuer must be an https URL, or http on a loopback address; audience is this API's name. New does no I/O; the keys are fetched
// in the background, and [Guard.Close] stops that.
func New(issuer, audience string, opts *GuardOptions) (*Guard, error) {
	if issuer == "" {
		return nil, errors.New("auth: New needs an issuer")
	}
	if audience == "" {
		return nil, errors.New("auth: New needs an audience")
	}
	keys, err := jwks.FromIssuer(issuer, nil)
	if err != nil {
		return nil, err
	}
	g, err := NewWithKeys(keys, Config{Issuer: issuer, Audiences: []string{audience}}, opts)
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	return g, nil
}

// NewWithKeys returns a Guard for one issuer that owns its key cache: [NewVerifier] and [NewGuard] over keys, which [Guard.Close] closes.
// It is New with every setting, for tokens that are not of the RFC 9068 form or keys with [jwks.Options]. With an error, keys stays the
// caller's to close.
func NewWithKeys(keys *jwks.Cache, config Config, opts *GuardOptions) (*Guard, error) {
	if keys == nil {
		return nil, errors.New("auth: NewWithKeys needs a jwks.Cache")
	}
	v, err := NewVerifier(keys, config)
	if err != nil {
		return nil, err
	}
	g, err := NewGuard(v, opts)
	if err != nil {
		return nil, err
	}
	g.close = keys.Close
	return g, nil
}

// NewGuard returns a Guard that verifies tokens by v. The error names what is wrong: a nil v, or the option that cannot be used.
func NewGuard(v TokenVerifier, opts *GuardOptions) (*Guard, error) {
	if isNil(v) {
		return nil, errors.New("auth: NewGuard needs a TokenVerifier")
	}
	if opts == nil {
		opts = new(GuardOptions)
	}
	g := &Guard{verifier: v, onDecide: opts.OnDecision, override: opts.WriteRefusal, metadata: opts.ResourceMetadata}
	realm := opts.Realm
	if realm == "" {
		realm = "api"
	}
	quoted, err := quote(realm)
	if err != nil {
		return nil, fmt.Errorf("auth: GuardOptions.Realm: %w", err)
	}
	g.challenge = "Bearer realm=" + quoted
	if g.metadata != "" {
		if err := checkMetadataURL(g.metadata); err != nil {
			return nil, fmt.Errorf("auth: GuardOptions.ResourceMetadata: %w", err)
		}
		g.challenge += `, resource_metadata="` + g.metadata + `"`
	}
	g.proofs = make(map[string]Proof, len(opts.Proofs))
	for i, p := range opts.Proofs {
		if p == nil {
			return nil, fmt.Errorf("auth: GuardOptions.Proofs[%d] is nil", i)
		}
		if _, ok := g.proofs[p.Confirms()]; ok { // check: proof-twice
			return nil, fmt.Errorf("auth: GuardOptions.Proofs: two proofs for %q", p.Confirms())
		}
		g.proofs[p.Confirms()] = p
	}
	if len(opts.ReportOnly) > 0 && g.onDecide == nil { // check: report-only-untold
		return nil, errors.New("auth: GuardOptions.ReportOnly needs OnDecision: nobody would be told")
	}
	g.lenient = make(map[string]bool, len(opts.ReportOnly))
	for _, name := range opts.ReportOnly {
		if !namesOneOperation(name) { // check: report-only-name
			return nil, fmt.Errorf("auth: GuardOptions.ReportOnly: %q is not the key of a rule for one part of an API", name)
		}
		g.lenient[name] = true
	}
	g.prepare()
	return g, nil
}

// namesOneOperation reports whether name is "/path" or "METHOD /path" whose path begins with a literal: nothing that stands for a whole API.
func namesOneOperation(name string) bool {
	method, path, ok := strings.Cut(name, " ")
	if !ok {
		method, path = "", name
	}
	rest, ok := strings.CutPrefix(path, "/")
	return ok && !strings.ContainsAny(method, "/*") && rest != "" && !strings.ContainsRune("/*{:", rune(rest[0])) && !strings.ContainsAny(path, " \t")
}

// isNil reports whether v is nil, or holds a nil pointer, as the result of a constructor does whose error was not looked at.
func isNil(v any) bool {
	p := reflect.ValueOf(v)
	return v == nil || p.Kind() == reflect.Pointer && p.IsNil()
}

func checkMetadataURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Fragment != "" || strings.Contains(s, "#") { // check: metadata-url
		return errors.New("not an absolute http(s) URL without fragment")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' { // check: metadata-characters
			return errors.New("has a character that a URL must percent-encode")
		}
	}
	return nil
}

// ResourceMetadata returns the URL given in GuardOptions, or "".
func (g *Guard) ResourceMetadata() string { return g.metadata }

// Ready returns nil when the verifier can judge tokens, or cannot tell. It does no I/O. Use it for readiness, never for liveness: a
// restart does not bring an issuer back.
func (g *Guard) Ready() error {
	if r, ok := g.verifier.(interface{ Ready() error }); ok {
		return r.Ready()
	}
	return nil
}

// Close stops the key refresh of a Guard made by [New] or [NewWithKeys], and waits for it. It does nothing for one made by [NewGuard],
// whose key cache belongs to its maker. Stop the server first. It is safe to call twice.
func (g *Guard) Close() error {
	if g.close == nil {
		return nil
	}
	return g.close()
}

// Authorize judges one request: its credentials, and then whether they meet req. With a nil error the request may pass, and the
// returned context carries its Principal; the error is otherwise a *[Error].
//
// Asked again with the context that it returned and the same credentials, it does not verify again, but compares with req anew.
func (g *Guard) Authorize(ctx context.Context, c Credentials, req Requirement) (context.Context, error) {
	req = req.now()
	if req.IsPublic() {
		return ctx, nil
	}
	var start time.Time
	if g.onDecide != nil {
		start = time.Now()
	}
	before := g.earlier(ctx, &c)
	granted, p, cached, err := g.authorize(ctx, &c, req, before)
	reportOnly := err != nil && g.lenient[c.Operation] && err.Reason != ReasonNoRule
	// check: report-only-no-rule
	if g.onDecide != nil {
		g.tell(ctx, Decision{Operation: c.Operation, Err: err, Principal: p, Elapsed: time.Since(start), Repeated: before != nil, Cached: cached,
			KeyAge: g.keyAge(p), ReportOnly: reportOnly})
	}
	switch {
	case reportOnly:
		let := &grant{Context: ctx, guard: g, principal: p}
		if p != nil {
			let.presented = c.presented(len(g.proofs) > 0)
		}
		return let, nil
	case err != nil:
		return ctx, err
	}
	return granted, nil
}

// authorize is the order of checks of a request.
func (g *Guard) authorize(ctx context.Context, c *Credentials, req Requirement, before *grant) (_ context.Context, p *Principal, cached bool, err *Error) {
	if req.IsZero() { // check: zero-requirement
		return nil, nil, false, &Error{Reason: ReasonNoRule}
	}
	if before != nil {
		p = before.principal
	} else {
		p, cached, err = g.authenticate(ctx, c)
		if err != nil && req.IsOptional() && err.Reason == ReasonCredentialsMissing { // check: optional-anonymous
			return &grant{Context: ctx, guard: g}, nil, false, nil
		}
		if err != nil {
			return nil, nil, false, err
		}
	}
	if !req.IsOptional() {
		if err := req.check(ctx, p); err != nil { // check: requirement
			return nil, p, cached, err
		}
	}
	if before != nil {
		return ctx, p, cached, nil
	}
	return &grant{Context: ctx, guard: g, principal: p, presented: c.presented(len(g.proofs) > 0)}, p, cached, nil
}

// authenticate verifies the credentials.
func (g *Guard) authenticate(ctx context.Context, c *Credentials) (p *Principal, cached bool, refused *Error) {
	token, refused := bearerValue(c.Authorization)
	if refused != nil {
		return nil, false, refused
	}
	p, cached, refused = g.verify(ctx, token)
	if refused != nil {
		return nil, false, refused
	}
	if refused := g.prove(ctx, c, p); refused != nil {
		return nil, false, refused
	}
	return p, cached, nil
}

// verify asks the verifier. A token that a Verifier remembers was of the right syntax when it was verified: looking at each of its
// characters again would take longer than all the rest.
func (g *Guard) verify(ctx context.Context, token string) (p *Principal, cached bool, refused *Error) {
	if v := cachingVerifierOf(g.verifier); v != nil {
		if p, refused = v.lookup(ctx, token); p != nil || refused != nil {
			return p, p != nil, refused
		}
		if refused = checkSyntax(token); refused != nil {
			return nil, false, refused
		}
		p, refused = v.verifyUncached(ctx, token)
		return p, false, refused
	}
	if refused := checkSyntax(token); refused != nil {
		return nil, false, refused
	}
	p, err := g.verifier.VerifyToken(ctx, token)
	if err != nil {
		return nil, false, asError(err)
	}
	// check: verifier-without-verdict
	if p == nil {
		return nil, false, &Error{Reason: ReasonInternal, Err: errors.New("auth: the TokenVerifier returned neither a Principal nor an error")}
	}
	return p, false, nil
}

// keyAge returns the age of the keys of p's issuer, when its source can tell.
func (g *Guard) keyAge(p *Principal) time.Duration {
	if p == nil {
		return 0
	}
	v, ok := g.verifier.(*Verifier)
	if is, several := g.verifier.(*Issuers); several {
		v, ok = is.byIssuer[p.issuer]
	}
	if ok {
		if source, ok := v.keys.(interface{ Age() time.Duration }); ok {
			return source.Age()
		}
	}
	return 0
}

// A grant is the record of a verdict, and the context that carries it.
type grant struct {
	context.Context
	guard     *Guard
	principal *Principal // nil for an anonymous request
	presented presented
}

// Value returns the grant itself for the principal's key.
func (gr *grant) Value(key any) any {
	if _, ok := key.(principalKey); ok {
		return gr
	}
	return gr.Context.Value(key)
}

// earlier returns the grant that ctx carries, when this Guard gave it to exactly these credentials and it has not run out since.
func (g *Guard) earlier(ctx context.Context, c *Credentials) *grant {
	gr, ok := ctx.Value(principalKey{}).(*grant)
	if !ok || gr.principal == nil {
		return nil
	}
	if gr.guard != g { // check: verify-once-guard
		return nil
	}
	if !gr.presented.same(c) || !gr.principal.until.IsZero() && !time.Now().Before(gr.principal.until) { // check: verify-once-expired
		return nil
	}
	return gr
}

// tell calls the hook, and contains its panic: a hook must not decide who gets in.
func (g *Guard) tell(ctx context.Context, d Decision) {
	defer func() { _ = recover() }()
	g.onDecide(ctx, d)
}
