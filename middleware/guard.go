package auth

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// A Guard verifies a request's credentials and compares them with what the operation requires. It
// is safe for concurrent use. Its zero value is not usable.
type Guard struct {
	verifier   TokenVerifier
	proofs     map[string]Proof
	onDecision func(context.Context, Decision)
	reportOnly map[string]bool // by operation
	override   func(http.ResponseWriter, *http.Request, *Error)
	metadata   string
	answers    map[Reason]answer
	challenge  string // the auth-params that every challenge begins with
	close      func() error
}

// ResourceMetadata returns the URL given in GuardOptions, or "".
func (g *Guard) ResourceMetadata() string { return g.metadata }

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
// the error is otherwise a *[Error].
//
// Asked again with the context that it returned and the same credentials, it does not verify again,
// but compares with req anew.
func (g *Guard) Authorize(ctx context.Context, c Credentials, req Requirement) (context.Context, error) {
	req = req.now()
	if req.IsPublic() {
		return ctx, nil
	}
	var start time.Time
	if g.onDecision != nil {
		start = time.Now()
	}
	o := outcome{before: g.earlier(ctx, &c)}
	err := g.authorize(ctx, &c, req, &o)
	reportOnly := err != nil && g.reportOnly[c.Operation] && err.Reason != ReasonNoRule
	// check: report-only-no-rule
	if g.onDecision != nil {
		callHook(ctx, g.onDecision, Decision{Operation: c.Operation, Err: err, Principal: o.principal, Elapsed: time.Since(start), Repeated: o.before != nil,
			Cached: o.cached, KeyAge: g.keyAge(o.principal), ReportOnly: reportOnly})
	}
	switch {
	case err != nil && !reportOnly:
		return ctx, err
	case err == nil && o.before != nil:
		return ctx, nil
	}
	return g.grant(ctx, &c, o.principal), nil
}

// An outcome is what authorize found out on its way.
type outcome struct {
	before    *grant     // this Guard's verdict on the same credentials in the same request
	principal *Principal // whose token was verified, whatever became of the request
	cached    bool
}

// authorize is the order of checks of a request, as the package's documentation lists them.
func (g *Guard) authorize(ctx context.Context, c *Credentials, req Requirement, o *outcome) *Error {
	if req.IsZero() { // check: zero-requirement
		return &Error{Reason: ReasonNoRule}
	}
	if o.before != nil {
		o.principal = o.before.principal
	} else {
		token, err := bearerValue(c.Authorization)
		if err != nil {
			if req.IsOptional() && err.Reason == ReasonCredentialsMissing { // check: optional-anonymous
				return nil
			}
			return err
		}
		p, cached, err := g.verify(ctx, token)
		if err != nil {
			return err
		}
		if err := g.prove(ctx, c, p); err != nil {
			return err
		}
		o.principal, o.cached = p, cached
	}
	if req.IsOptional() {
		return nil
	}
	// check: requirement
	return req.check(ctx, o.principal)
}

// verify asks the verifier about a token that is not empty and holds no space.
func (g *Guard) verify(ctx context.Context, token string) (p *Principal, cached bool, refused *Error) {
	if v := cachingVerifierOf(g.verifier); v != nil {
		return verifyCached(ctx, v, token, checkSyntax)
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
