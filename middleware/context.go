package auth

import (
	"context"
	"time"
)

// A grant is the record of a verdict, and the context that carries it.
type grant struct {
	context.Context
	guard     *Guard
	principal *Principal // nil for an anonymous request
	presented *presented // nil likewise; fmt prints where it points to, and not the token there
}

// grant returns ctx with the verdict on c, whose Principal may be nil.
func (g *Guard) grant(ctx context.Context, c *Credentials, p *Principal) *grant {
	if p == nil {
		return &grant{Context: ctx, guard: g}
	}
	both := &struct { // one allocation
		grant
		of presented
	}{grant{Context: ctx, guard: g, principal: p}, c.presented(len(g.proofs) > 0)}
	both.grant.presented = &both.of
	return &both.grant
}

// Value returns the grant itself for the principal's key.
func (gr *grant) Value(key any) any {
	if _, ok := key.(principalKey); ok {
		return gr
	}
	return gr.Context.Value(key)
}

// earlier returns the grant that ctx carries, when this Guard gave it to exactly these credentials
// and it has not expired since.
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

type principalKey struct{}

// PrincipalFrom returns the Principal of the request: the one that the innermost Guard accepted, or
// that WithPrincipal put there. It returns nil and false for an anonymous request; a nil Principal
// answers every method as empty.
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
