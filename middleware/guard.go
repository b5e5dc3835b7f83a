package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// A Guard verifies a request's credentials and compares them with what the operation requires.
// [New] makes one for the usual API, [NewWithKeys], [NewWithVerifiers] and [NewGuard] for others.
// It is safe for concurrent use. Its zero value is not usable.
type Guard struct {
	verifier      TokenVerifier
	revoked       func(context.Context, *Principal) (bool, error)
	bindings      []memberBinding
	schemes       []scheme // Bearer, and then those of bindings
	bearerIsPlain bool     // every Binding has a scheme of its own, and there is one
	requireBound  bool
	header        *tokenField // nil for Authorization
	profile       Profile
	impliedBy     map[string][]string // the scopes that imply each, by GuardOptions.Implies
	tellScopes    bool                // in every 401
	readsFields   []string
	onDecision    func(context.Context, Decision)
	override      func(http.ResponseWriter, *http.Request, *Error)
	metadata      string
	bodies        map[Reason][]byte   // of the problem documents without scopes
	lines         map[Reason][]string // of WWW-Authenticate without scopes, by scheme
	challenge     string              // the auth-params that every challenge begins with, after its scheme
	close         func() error
}

// ResourceMetadata returns the URL given in GuardOptions, or "".
func (g *Guard) ResourceMetadata() string { return g.metadata }

// Bindings returns GuardOptions.Bindings, and whether every token must be bound by one of them
// (GuardOptions.RequireBound): for documents that tell clients so.
func (g *Guard) Bindings() (all []Binding, required bool) {
	for i := range g.bindings {
		all = append(all, g.bindings[i].binding)
	}
	return all, g.requireBound
}

// Ready returns nil when the verifier can verify tokens, or cannot tell. It does no I/O. Use it for
// readiness, never for liveness: a restart does not bring an issuer back.
func (g *Guard) Ready() error {
	if r, ok := g.verifier.(interface{ Ready() error }); ok {
		return r.Ready()
	}
	return nil
}

// Close stops the key refresh of a Guard made by [New], [NewWithKeys] or [NewWithVerifiers], and
// waits for it. It does nothing for one made by [NewGuard], whose key cache belongs to its maker.
// Stop the server first. It is safe to call twice.
func (g *Guard) Close() error {
	if g.close == nil {
		return nil
	}
	return g.close()
}

// Authorize decides on one request: it verifies its credentials, and then asks whether they meet
// req. With a nil error the request is accepted, and the returned context carries its Principal;
// the error is otherwise a *[Error]. Under a rule that is only reported on
// ([Requirement.ReportOnly]), every request is accepted, and OnDecision is told what would have
// been refused.
//
// Asked again with the context that it returned and the same credentials, it does not verify again,
// but compares with req again. Guards in a row that share a Binding check a request's proof once.
//
// An adapter has duties. It sends the header in Credentials.Answer with every answer: what Bindings
// say, and what caches must know. It gives every value of the field in Credentials.Authorization,
// and what its router found in the path in Credentials.Params. It writes a refusal by
// [Guard.Refuse], or sets its header by [Guard.SetRefusalHeader].
// authtest.AssertGuarded asks for all but the answer's header and Params.
func (g *Guard) Authorize(ctx context.Context, c Credentials, req Requirement) (context.Context, error) {
	return g.authorizeFirst(ctx, &c, req, new(outcome))
}

// authorizeFirst is Authorize, with an o that knows nothing yet of the request.
func (g *Guard) authorizeFirst(ctx context.Context, c *Credentials, req Requirement, o *outcome) (context.Context, error) {
	if g.header != nil {
		*c = g.inHeader(ctx, *c)
	}
	o.innermost = grantOf(ctx)
	o.before = g.earlier(ctx, o.innermost, c)
	return g.decide(ctx, c, req, o)
}

// Recheck authorizes a request again that goes on, such as an open stream, by the context that
// Authorize returned for it. It verifies the token, asks GuardOptions.Revoked and compares with
// req, as if for the first time. Bindings are not asked, since a request's proof is spent; those
// that had proved the token count. With another context, or another token, it is Authorize.
func (g *Guard) Recheck(ctx context.Context, c Credentials, req Requirement) (context.Context, error) {
	if g.header != nil {
		c = g.inHeader(ctx, c)
	}
	o := outcome{innermost: grantOf(ctx)}
	for gr := o.innermost; gr != nil; gr = grantOf(gr.Context) {
		if gr.guard == g && gr.presented.sameToken(&c) { // check: recheck-credentials
			o.rechecking, o.bound = true, gr.presented.bound
			break
		}
	}
	return g.decide(ctx, &c, req, &o)
}

// decide authorizes a request, tells OnDecision, and makes the context of its handler.
func (g *Guard) decide(ctx context.Context, c *Credentials, req Requirement, o *outcome) (context.Context, error) {
	req = req.now()
	if req.node.isPublic() {
		return ctx, nil
	}
	if g.header != nil || req.node.isOptional() || req.isReportOnly() {
		g.tellCaches(c.Answer)
	}
	var start time.Time
	if g.onDecision != nil {
		start = time.Now()
	}
	err := g.authorize(ctx, c, req, o)
	if err != nil {
		err = g.challenged(err, req, o)
	}
	reportOnly := err != nil && req.isReportOnly()
	if g.onDecision == nil { // check: report-only-untold
		reportOnly = false
	}
	if g.profile != 0 { // check: profile-report-only
		reportOnly = false
	}
	if g.onDecision != nil {
		callHook(ctx, g.onDecision, Decision{Operation: c.Operation, Err: err, Principal: o.principal, Elapsed: time.Since(start), Repeated: o.before != nil,
			Cached: o.cached, KeyAge: g.keyAge(o.principal), ReportOnly: reportOnly})
	}
	if err != nil && !reportOnly {
		return ctx, err
	}
	if g.header != nil {
		g.keepPrivate(c.Answer, o.principal)
	}
	if err == nil && o.before != nil {
		return ctx, nil
	}
	return g.grant(ctx, c, o), nil
}

// An outcome is what authorize found out on its way.
type outcome struct {
	innermost  *grant        // the last decision on the same request, of any Guard
	before     *grant        // this Guard's decision on the same credentials in the same request
	rechecking bool          // the proofs in bound count, and no Binding is asked
	scheme     int           // which of the Guard's schemes the caller used
	verified   *Principal    // whose token is good; its proofs may be missing
	bound      *boundRequest // what the proofs were checked against
	record     *grantRecord  // beside bound, for the grant
	forRequest bool          // the grant goes into an http.Request
	request    *http.Request // beside the grant, to be filled in; nil when it has to be made
	principal  *Principal    // who the caller is, whatever became of the request
	cached     bool
}

// authorize is the order of checks of a request, as the package's documentation lists them.
func (g *Guard) authorize(ctx context.Context, c *Credentials, req Requirement, o *outcome) *Error {
	if req.IsZero() { // check: zero-requirement
		return errNoRule
	}
	if o.before != nil {
		o.principal, o.scheme, o.bound = o.before.principal, o.before.scheme, o.before.presented.bound
	} else {
		token, scheme, err := g.presentedToken(c.Authorization)
		if err != nil {
			if o.scheme = scheme; req.node.isOptional() && err.Reason == ReasonCredentialsMissing { // check: optional-anonymous
				return nil
			}
			return err
		}
		o.scheme = scheme
		if o.verified, o.cached, err = g.verify(ctx, token); err != nil {
			return err
		}
		if g.revoked != nil {
			if err := g.askRevoked(ctx, o.verified); err != nil {
				return err
			}
		}
		if o.verified.cnf != nil || scheme != bearerScheme || g.requireBound { // else there is nothing to compare
			if err := g.checkBindings(ctx, c, token, o); err != nil {
				o.cached = false
				return err
			}
		}
		o.principal = o.verified
	}
	if req.node.isOptional() {
		return nil
	}
	if req.node.checks {
		checks := &paramsContext{Context: ctx, params: c.Params}
		defer checks.done()
		ctx = checks
	}
	// check: requirement
	return g.meets(ctx, o.principal, req)
}

// errNoRule is made once: read only.
var errNoRule = &Error{Reason: ReasonNoRule}

// verify asks the verifier about a token that is not empty and holds no space.
func (g *Guard) verify(ctx context.Context, token string) (p *Principal, cached bool, refused *Error) {
	if v := cachingVerifierOf(g.verifier); v != nil {
		return verifyCached(ctx, v, token, checkSyntax)
	}
	if refused := checkSyntax(token); refused != nil {
		return nil, false, refused
	}
	p, refused = askVerifier(ctx, g.verifier, token)
	return p, false, refused
}

// askVerifier asks a verifier that may be of any make.
func askVerifier(ctx context.Context, v TokenVerifier, token string) (*Principal, *Error) {
	p, err := v.VerifyToken(ctx, token)
	if err != nil {
		return nil, asError(err)
	}
	// check: verifier-without-result
	if p == nil {
		return nil, &Error{Reason: ReasonInternal, Err: errors.New("auth: the TokenVerifier returned neither a Principal nor an error")}
	}
	return p, nil
}

// maxRevokedTime bounds how long GuardOptions.Revoked may take.
const maxRevokedTime = 250 * time.Millisecond

// askRevoked asks GuardOptions.Revoked, which there is, about a good token. What it cannot tell is
// not judged.
func (g *Guard) askRevoked(ctx context.Context, p *Principal) (refused *Error) {
	defer func() {
		if v := recover(); v != nil { // check: revoked-panic
			refused = revokedUnknown("panicked", fmt.Errorf("panic: %v", v))
		}
	}()
	limited, cancel := context.WithTimeout(ctx, maxRevokedTime)
	defer cancel()
	revoked, err := g.revoked(limited, p)
	switch {
	case err != nil: // check: revoked-error
		if limited.Err() != nil {
			return revokedUnknown("did not answer in time", err)
		}
		return revokedUnknown("returned an error", err)
	case revoked: // check: revoked
		return &Error{Reason: ReasonTokenRevoked}
	case limited.Err() != nil: // check: revoked-late
		return revokedUnknown("did not answer in time", limited.Err())
	}
	return nil
}

// revokedUnknown says that GuardOptions.Revoked could not tell. What it says itself may be
// anything, and is not told to the log unless it has a Detail.
func revokedUnknown(what string, err error) *Error {
	e := &Error{Reason: ReasonUnavailable, Err: fmt.Errorf("auth: GuardOptions.Revoked %s: %w", what, err)}
	if _, ok := errors.AsType[detailed](err); !ok {
		e.about = &detail{note: "GuardOptions.Revoked " + what}
	}
	return e
}
