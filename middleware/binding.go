package auth

import (
	"context"
	"errors"
	"slices"
)

// A Binding checks one way in which a token is bound to its sender, by one member of the token's
// "cnf" (RFC 7800 §3.1). Packages dpop and mtls have such; write one only for another member.
// Implementations must be pointers ([NewGuard] refuses others), and safe for concurrent use.
type Binding interface {
	// Member returns the name of the member that Check reads, such as "x5t#S256" (RFC 8705 §3.1).
	Member() string
	// Fields returns the names of the header fields that Check reads, beside what the connection
	// and the request line tell; nil for none. Over gRPC, Check sees no others.
	Fields() []string
	// Check returns nil when c proves that its sender is the one that the member's JSON text names.
	// Any error refuses the token. It may be a *[Error] of ReasonBindingNotProved or of one of the
	// ReasonProof…. With ReasonUnavailable or ReasonInternal the token was not judged. Any other
	// error counts as ReasonBindingNotProved.
	//
	// A Guard calls it once for each request, however many guards stand in a row, and after the
	// token was found good. What Check writes into c.Answer goes out with the answer, whatever that
	// will be. It must not keep c or member.
	Check(ctx context.Context, token string, c *Credentials, p *Principal, member []byte) error
}

// A SchemeBinding is a [Binding] whose tokens come under an authentication scheme of its own (RFC
// 9449 §7.1: "DPoP"). A token that it binds is refused under Bearer. A token that it does not bind
// is refused under its scheme.
type SchemeBinding interface {
	Binding
	// Scheme returns the name of the scheme, as challenges spell it. Callers may use any case.
	Scheme() string
	// Algorithms returns the JWS algorithms of the proofs that Check accepts. Every challenge of
	// the scheme names them as algs (RFC 9449 §7.1), and metadata of package resource too.
	Algorithms() []string
}

var errUnboundMember = errors.New("no configured Binding checks this member of cnf")

// bindingReasons are those that a Binding may refuse with.
var bindingReasons = []Reason{
	ReasonBindingNotProved, ReasonProofInvalid, ReasonProofExpired, ReasonProofReplayed, ReasonProofNonceRequired,
	ReasonUnavailable, ReasonInternal,
}

// checkSender compares the scheme with what the token is bound by.
func (g *Guard) checkSender(o *outcome) *Error {
	p := o.verified
	if p.cnf == nil {
		switch {
		case o.scheme != bearerScheme: // check: scheme-of-unbound
			return &Error{Reason: ReasonSchemeMismatch, about: &detail{claim: "cnf", expected: "a member that scheme " + g.schemes[o.scheme].name + " proves"}}
		case g.requireBound: // check: require-bound
			return errBindingRequired
		}
		return nil
	}
	if p.cnf.err != nil {
		return bindingRefused(p.cnf.err)
	}
	return g.checkScheme(p.cnf.members, o)
}

// checkBindings compares the scheme with what the token is bound by, and then asks a Binding about
// every member of cnf. A member that no Binding checks refuses the token: it is never taken for a
// plain bearer token (RFC 9700 §4.10.1).
func (g *Guard) checkBindings(ctx context.Context, c *Credentials, token string, o *outcome) *Error {
	p := o.verified
	if refused := g.checkSender(o); refused != nil || p.cnf == nil {
		return refused
	}
	if o.rechecking { // without the request's proof, which is spent
		for _, m := range p.cnf.members {
			if o.bound.find(g.bindingOf(m.name).binding, m.value) == nil { // check: recheck-proved
				return unboundMember(m.name)
			}
		}
		return nil
	}
	record := new(boundRecord)
	o.record, o.bound = &record.grantRecord, &record.bound
	o.bound.sent = *c
	o.bound.members = o.bound.one[:0]
	sent := &o.bound.sent // on the heap, where the Credentials of a plain token need not be
	sent.complete(ctx)
	for _, m := range p.cnf.members {
		b := g.bindingOf(m.name)
		if !provedBefore(o.innermost, sent, b, m.value) { // check: prove-once
			text := append(o.bound.text[:0], m.value...)                       // a copy: what is remembered is nobody's to change
			if err := b.binding.Check(ctx, token, sent, p, text); err != nil { // check: binding-check
				return bindingError(err)
			}
		}
		o.bound.members = append(o.bound.members, provedMember{b, m.value, sent.fields(b.fields)})
	}
	return nil
}

// checkScheme looks whether a Binding checks every member, and whether their scheme is the one
// used.
func (g *Guard) checkScheme(members []confirmed, o *outcome) *Error {
	if len(members) == 0 { // check: binding-empty
		return unboundMember("")
	}
	scheme := bearerScheme
	for _, m := range members {
		b := g.bindingOf(m.name)
		if b == nil { // check: binding-member
			return unboundMember(m.name)
		}
		if b.scheme != bearerScheme {
			if scheme != bearerScheme && scheme != b.scheme { // check: scheme-of-two
				return errSchemeOfBound
			}
			scheme = b.scheme
		}
	}
	if scheme != o.scheme { // check: scheme-of-bound
		return &Error{Reason: ReasonSchemeMismatch, about: &detail{claim: "cnf", expected: "the scheme of the Binding that checks its members",
			note: "it came under " + g.schemes[o.scheme].name + ", and is bound by what comes under " + g.schemes[scheme].name}}
	}
	return nil
}

// A memberBinding is a Binding of a Guard, and what it says of itself.
type memberBinding struct {
	binding Binding
	member  string   // of cnf
	scheme  int      // its place among the Guard's: Bearer when it has none of its own
	fields  []string // of the header
}

// bindingOf returns the Binding that checks a member of cnf, nil when there is none.
func (g *Guard) bindingOf(member string) *memberBinding {
	for i := range g.bindings {
		if g.bindings[i].member == member {
			return &g.bindings[i]
		}
	}
	return nil
}

// errBindingRequired and errSchemeOfBound are made once: read only.
var (
	errBindingRequired = &Error{Reason: ReasonBindingRequired, about: &detail{claim: "cnf", expected: "a member that a configured Binding checks"}}
	errSchemeOfBound   = &Error{Reason: ReasonSchemeMismatch, about: &detail{claim: "cnf", expected: "the scheme of the Binding that checks its members"}}
)

// unboundMember refuses a token for a member of cnf that no Binding checks, "" for a cnf without
// any.
func unboundMember(name string) *Error {
	refused := bindingRefused(errUnboundMember)
	refused.about.note = memberNote(name)
	return refused
}

func bindingRefused(err error) *Error {
	return &Error{Reason: ReasonBindingNotProved, Err: err, about: &detail{claim: "cnf", expected: "members that a configured Binding checks"}}
}

// bindingError returns what Check said as a refusal.
func bindingError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e != nil && slices.Contains(bindingReasons, e.Reason) { // check: binding-reasons
		return e
	}
	return bindingRefused(err)
}

// ReadsFields returns the names of the header fields that g reads beside Authorization, in
// canonical form and sorted: those of its Bindings, and GuardOptions.Header. It returns nil when g
// has neither: nothing then reads more of Credentials than Operation, Authorization, Answer and
// Params.
func (g *Guard) ReadsFields() []string { return slices.Clone(g.readsFields) }

// boundRequest is what the proofs of a sender-constrained token were checked against, by value.
type boundRequest struct {
	sent    Credentials // of which Header may change; what Bindings read of it is in members
	members []provedMember
	one     [1]provedMember // backs members for the usual one
	text    [64]byte        // backs the text that a Binding is given: a hash in base64url, usually
}

// A provedMember is a member of cnf that a Binding checked.
type provedMember struct {
	by     *memberBinding
	value  string
	fields [][]string // the values of the Binding's fields
}

// find returns the record of a member that b checked, nil when there is none.
func (r *boundRequest) find(b Binding, value string) *provedMember {
	if r == nil {
		return nil
	}
	for i := range r.members {
		if m := &r.members[i]; m.by.binding == b && m.value == value { // check: prove-once-binding
			return m
		}
	}
	return nil
}

// sameRequest reports whether c tells of the connection and the request what r has.
func (r *boundRequest) sameRequest(c *Credentials) bool {
	was := &r.sent
	return c.Method == was.Method && c.Target == was.Target && c.Peer == was.Peer && sameConnection(c.TLS, was.TLS) // check: prove-once-request
}

// same reports whether every proof of r was checked against exactly what c has.
func (r *boundRequest) same(c *Credentials) bool {
	if !r.sameRequest(c) {
		return false
	}
	for i := range r.members {
		if !r.members[i].same(c) {
			return false
		}
	}
	return true
}

func (m *provedMember) same(c *Credentials) bool {
	return slices.EqualFunc(m.fields, c.fields(m.by.fields), slices.Equal[[]string]) // check: prove-once-fields
}

// provedBefore reports whether a guard in front, of this request and with exactly these
// credentials, had the Binding of b check the member: a proof is spent once.
func provedBefore(innermost *grant, c *Credentials, b *memberBinding, member string) bool {
	for gr := innermost; gr != nil; gr = grantOf(gr.Context) {
		if !gr.presented.sameToken(c) { // check: prove-once-token
			continue
		}
		bound := gr.presented.bound
		if m := bound.find(b.binding, member); m != nil && bound.sameRequest(c) && m.same(c) {
			return true
		}
	}
	return false
}
