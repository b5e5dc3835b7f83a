package auth

import (
	"time"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/jwks"
)

// examineKey looks for the key and verifies the signature. It returns the key, nil unless the
// signature is good. It asks for keys first: what it tells is what a Guard says that has them.
func (v *Verifier) examineKey(x *examination, s *scratch, parts jose.Compact) *jwks.Key {
	switch {
	case x.failed(partHeader, "form"):
		x.skip("the header cannot be read", partKey, "key", "signature")
		return nil
	case x.failed(partHeader, "alg"):
		x.skip("its algorithm is not accepted", partKey, "key", "signature")
		return nil
	}
	found, findErr := v.fetchKeys(x.ctx, s.head)
	candidates, err := v.cachedKeys(s.head)
	needsFetch := candidates == nil && err == nil // it cannot be told without I/O, as for a key cache that cannot be filled
	if needsFetch {
		candidates, err = found, findErr
	}
	var malformedPart *Error
	s.signature, malformedPart = decodePart(s.signature, parts.Signature, "signature")
	if needsFetch {
		x.first(malformedPart)
		x.first(v.checkBeforeFetch(s, parts, x.now))
	}
	if err != nil {
		x.look(partKey, "key", v.notYetKnown(s, parts, err, x.now))
		if malformedPart == nil {
			x.skip("there is no key to verify it with", partKey, "signature")
		} else {
			x.look(partKey, "signature", malformedPart)
		}
		return nil
	}
	x.look(partKey, "key", nil)
	if malformedPart != nil {
		x.look(partKey, "signature", malformedPart)
		return nil
	}
	key := v.verifyingKey(s, s.head.Algorithm, candidates, parts)
	if key == nil {
		x.look(partKey, "signature", v.badSignature(s.head, candidates, s.signature))
		return nil
	}
	x.Verified = true
	x.look(partKey, "signature", nil)
	return key
}

// examineSender looks at what a Guard asks of a good token: whether it is revoked, and whom it is
// bound to.
func (g *Guard) examineSender(x *examination, p *Principal) {
	if g.revoked != nil {
		if x.refusal == nil {
			x.look(partGuard, "revocation", g.askRevoked(x.ctx, p))
		} else {
			x.skip("it is asked of tokens without a fault", partGuard, "revocation")
		}
	}
	switch {
	case p == nil:
		x.skip("the claims cannot be read", partGuard, "sender")
		return
	case x.failed(partClaims, "cnf"):
		x.skip("cnf cannot be read", partGuard, "sender")
		return
	}
	o := &outcome{verified: p, scheme: g.schemeOf(p)}
	x.look(partGuard, "sender", g.checkSender(o))
	if p.cnf != nil && !x.failed(partGuard, "sender") {
		x.Proof = true
		x.skip("the proof of possession comes with each request", partGuard, "proof")
	}
}

// schemeOf returns the scheme that p's token belongs under.
func (g *Guard) schemeOf(p *Principal) int {
	if p.cnf != nil {
		for _, m := range p.cnf.members {
			if b := g.bindingOf(m.name); b != nil && b.scheme != bearerScheme {
				return b.scheme
			}
		}
	}
	return bearerScheme
}

// examineRule compares p with each thing that a rule asks for.
func (g *Guard) examineRule(x *examination, p *Principal, req Requirement) {
	switch {
	case req.IsZero():
		x.look(partRule, "", errNoRule)
		return
	case req.IsPublic():
		x.look(partRule, req.String(), nil)
		x.refusal = nil // no token is looked at
		return
	case req.IsOptional():
		x.look(partRule, req.String(), nil)
		return
	}
	if req.isReportOnly() && g.onDecision != nil && g.profile == 0 {
		x.ReportOnly = true
	}
	parts := req.node.conjuncts(nil)
	if x.failed(partClaims, x.scope) {
		p = nil
	}
	if p == nil {
		for _, n := range parts {
			x.skip("what it looks at cannot be read", partRule, Requirement{n}.String())
		}
		return
	}
	x.first(g.compare(&evaluation{ctx: x.ctx, guard: g, p: p, at: x.now, free: true}, req))
	for _, n := range parts {
		part := Requirement{n}
		if n.checks {
			x.skip("the API's own checks are asked of requests", partRule, part.String())
			continue
		}
		x.look(partRule, part.String(), g.compare(&evaluation{ctx: x.ctx, guard: g, p: p, at: x.now}, part))
		x.Steps[x.find(partRule, part.String())].Claim = x.scope
	}
}

// conjuncts appends the terms that n asks for, all of them, to to.
func (n *node) conjuncts(to []*node) []*node {
	switch n.kind {
	case kindAll, kindReportOnly:
		for _, c := range n.children {
			to = c.conjuncts(to)
		}
		return to
	}
	return append(to, n)
}

// time returns when e compares.
func (e *evaluation) time() time.Time {
	if e.at.IsZero() {
		return time.Now()
	}
	return e.at
}
