package auth

import (
	"context"
	"net/http"
	"time"
)

// A grant is the record of a decision, and the context that carries it.
type grant struct {
	context.Context
	guard     *Guard
	principal *Principal // nil for an anonymous request
	scheme    int        // which of guard's the caller used
	presented *presented // with a Principal or a proof; fmt prints where it points to, and not the token there
}

// A grantRecord is a grant and what it was made on, in one allocation.
type grantRecord struct {
	grant
	of presented
}

// A boundRecord is the grantRecord of a sender-constrained token.
type boundRecord struct {
	grantRecord
	bound boundRequest
}

// A requestRecord is the grantRecord of a plain token, and the http.Request that carries it to the
// handler, in one allocation.
type requestRecord struct {
	grantRecord
	request http.Request
}

// grant returns ctx with what o found out about c.
func (g *Guard) grant(ctx context.Context, c *Credentials, o *outcome) *grant {
	if o.principal == nil && o.bound == nil {
		return &grant{Context: ctx, guard: g}
	}
	r := o.record
	switch {
	case r != nil:
	case o.forRequest:
		both := new(requestRecord)
		r, o.request = &both.grantRecord, &both.request
	default:
		r = new(grantRecord)
	}
	r.of.authorization, r.of.bound = c.Authorization[0], o.bound
	r.Context, r.guard, r.principal, r.scheme, r.presented = ctx, g, o.principal, o.scheme, &r.of
	return &r.grant
}

// grantOf returns the innermost grant that ctx carries, or nil.
func grantOf(ctx context.Context) *grant {
	gr, _ := ctx.Value(principalKey{}).(*grant)
	return gr
}

// Value returns the grant itself for the principal's key.
func (gr *grant) Value(key any) any {
	if _, ok := key.(principalKey); ok {
		return gr
	}
	return gr.Context.Value(key)
}

// earlier returns gr, the innermost grant that ctx carries, when this Guard gave it to exactly
// these credentials and it has not expired since.
func (g *Guard) earlier(ctx context.Context, gr *grant, c *Credentials) *grant {
	if gr == nil || gr.principal == nil {
		return nil
	}
	if gr.guard != g { // check: verify-once-guard
		return nil
	}
	if !gr.presented.same(ctx, c) || !gr.principal.until.IsZero() && !time.Now().Before(gr.principal.until) { // check: verify-once-expired
		return nil
	}
	if is, several := g.verifier.(*Issuers); several && !is.trusts(gr.principal.verifiedBy) { // check: verify-once-removed
		return nil
	}
	return gr
}

type principalKey struct{}

// PrincipalFrom returns the Principal of the request: the one that the innermost Guard accepted, or
// that WithPrincipal put there. It returns nil and false for an anonymous request; the methods of a
// nil Principal return empty values.
func PrincipalFrom(ctx context.Context) (*Principal, bool) {
	switch v := ctx.Value(principalKey{}).(type) {
	case *grant:
		return v.principal, v.principal != nil
	case *Principal:
		return v, v != nil
	}
	return nil, false
}

// WithPrincipal returns a context in which PrincipalFrom finds p: for the unit tests of handlers.
// No Guard trusts it.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}
