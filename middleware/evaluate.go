package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An evaluation is one comparison of a Principal with a Requirement.
type evaluation struct {
	ctx   context.Context
	guard *Guard
	p     *Principal
	at    time.Time // the zero time for now
	free  bool      // what costs nothing is asked: checks of the program's own count as met
}

// lacks are the kinds of what a caller lacks, the ones that come first having precedence.
type lacks uint8

const (
	lacksSense  lacks = 1 << iota // a claim that the rule needs cannot be read
	lacksBound                    // it is a plain token
	lacksLogin                    // acr or auth_time falls short
	lacksScope                    // scopes are missing
	lacksDetail                   // no entry of authorization_details does
	lacksOther                    // what a client can do nothing about
)

// A shortfall is what a caller lacks of what a term asks for. The zero shortfall means that it is
// met.
type shortfall struct {
	lacks lacks
	by    *node // the term of the first of lacks
	err   error // what a check of the program's own said
}

func (s shortfall) met() bool { return s.lacks == 0 }

// and joins what is lacking of two terms that are both asked for.
func (s shortfall) and(more shortfall) shortfall {
	if s.met() || !more.met() && more.first() < s.first() {
		s.by, s.err = more.by, more.err
	}
	s.lacks |= more.lacks
	return s
}

// first returns the one of s.lacks that has precedence.
func (s shortfall) first() lacks { return s.lacks & -s.lacks }

// meets reports whether p meets r, which needs a token.
func (g *Guard) meets(ctx context.Context, p *Principal, r Requirement) *Error {
	if r.node.onlyScopes && p.hasScopesOf(r.node) { // the usual rule and the usual token, whatever scopes imply
		return nil
	}
	return g.compare(&evaluation{ctx: ctx, guard: g, p: p}, r)
}

// compare is meets, at the time of e.
func (g *Guard) compare(e *evaluation, r Requirement) *Error {
	n, p := r.node, e.p
	if n.bound && p.cnf == nil { // check: requirement-bound
		return errBindingRequired // whatever else is missing: another token is needed first
	}
	s := n.met(e)
	if s.met() {
		return nil
	}
	var refused *Error
	switch first := s.first(); {
	case first == lacksBound:
		return errBindingRequired
	case first == lacksSense:
		refused = &Error{Reason: ReasonClaimInvalid, Err: s.err}
	case first == lacksLogin:
		refused = &Error{Reason: ReasonInsufficientUserAuthentication, acr: n.needs.acr, within: n.needs.within}
		if s.lacks&lacksScope != 0 { // check: step-up-scope
			refused.Scopes = r.ChallengeScopes()
		}
	case first == lacksScope: // check: requirement-scopes
		return &Error{Reason: ReasonInsufficientScope, Scopes: r.ChallengeScopes()}
	case first == lacksDetail:
		refused = &Error{Reason: ReasonInsufficientScope}
	default:
		if e, ok := errors.AsType[*Error](s.err); ok && e != nil && e.Reason.known() {
			return e
		}
		refused = &Error{Reason: ReasonForbidden, Err: s.err}
	}
	if s.by != nil {
		refused.about = s.by.about(p)
		refused.about.note = "the operation needs " + r.String()
	}
	return refused
}

// met returns what the caller lacks of n.
func (n *node) met(e *evaluation) shortfall {
	if n == nil {
		return shortfall{lacks: lacksScope}
	}
	switch n.kind {
	case kindToken:
		return shortfall{}
	case kindReportOnly:
		return n.children[0].met(e)
	case kindWith:
		if s := n.children[0].met(e); !s.met() { // check: with-scopes
			return s
		}
		if e.free {
			return shortfall{}
		}
		// check: with-check
		if err := n.check(e.ctx, e.p); err != nil {
			return shortfall{lacks: lacksOther, err: err}
		}
		return shortfall{}
	case kindAll:
		return n.all(e)
	case kindAny:
		return n.any(e)
	case kindDetail:
		return n.detailed(e)
	}
	if lacks := n.leaf(e); lacks != 0 {
		return shortfall{lacks: lacks, by: n}
	}
	return shortfall{}
}

// leaf returns what the caller lacks of a term that is one comparison, 0 for nothing.
func (n *node) leaf(e *evaluation) lacks {
	var met bool
	lacking := lacksOther
	switch n.kind {
	case kindScope:
		met, lacking = e.guard.Grants(e.p, n.name), lacksScope // check: scope-missing
	case kindBound:
		met, lacking = e.p.cnf != nil, lacksBound // check: bound-term
	case kindRole:
		met = slices.Contains(e.p.told().roles, n.name) // check: role-missing
	case kindGroup:
		met = slices.Contains(e.p.told().groups, n.name) // check: group-missing
	case kindPermission:
		met = slices.Contains(e.p.told().permissions, n.name) // check: permission-missing
	case kindSubject:
		met = e.p.Identity() == n.subject // check: subject-other
	case kindIssuer:
		met = e.p.Issuer() == n.name // check: issuer-other
	case kindACR:
		met, lacking = slices.Contains(n.acr, e.p.told().acr), lacksLogin // check: acr-short
	case kindWithin:
		met, lacking = e.p.authenticatedWithin(n.within, e.time()), lacksLogin // check: auth-time-short
	}
	if met {
		return 0
	}
	return lacking
}

// all asks checks of the program's own last, of callers who have all else.
func (n *node) all(e *evaluation) shortfall {
	if n.checks && !e.free { // check: checks-last
		e.free = true
		s := n.all(e)
		if e.free = false; !s.met() {
			return s
		}
	}
	var s shortfall
	for _, c := range n.children {
		s = s.and(c.met(e)) // check: all-of
	}
	return s
}

func (n *node) any(e *evaluation) shortfall {
	var first shortfall
	for i, c := range n.children {
		s := c.met(e)
		if s.met() {
			return s
		}
		if i == 0 {
			first = s
		}
	}
	// check: any-of
	return first
}

// detailed asks the check of a Detail about each entry of its type.
func (n *node) detailed(e *evaluation) shortfall {
	told := e.p.told()
	if told.detailsErr != nil { // check: details-malformed
		return shortfall{lacksSense, n, told.detailsErr}
	}
	for _, entry := range told.details {
		if entry.Type != nil && *entry.Type == n.name && (e.free || n.detail(e.ctx, entry.raw)) { // check: detail-type
			return shortfall{}
		}
	}
	// check: detail-missing
	return shortfall{lacks: lacksDetail, by: n}
}

// authenticatedWithin reports whether p says that its user was authenticated at most d before now.
// The leeway is for an issuer whose clock is ahead.
func (p *Principal) authenticatedWithin(d time.Duration, now time.Time) bool {
	at := p.told().authTime
	if at.Time().After(now.Add(p.leeway)) { // check: auth-time-future
		return false
	}
	return at.Given && now.Sub(at.Time()) <= d
}

// Grants reports whether p has scope, or another that implies it ([GuardOptions].Implies): what
// rules ask, for handlers. [Principal.HasScope] asks for the scope itself. A nil Principal has
// none.
func (g *Guard) Grants(p *Principal, scope string) bool {
	if p.HasScope(scope) {
		return true
	}
	for _, wider := range g.impliedBy[scope] {
		if p.HasScope(wider) { // check: implies
			return true
		}
	}
	return false
}

// addImplies takes up GuardOptions.Implies: impliedBy has, for each scope, all that imply it, by
// however many steps.
func (g *Guard) addImplies(implies map[string][]string) error {
	g.impliedBy = map[string][]string{}
	for scope, narrower := range implies {
		for _, s := range append([]string{scope}, narrower...) {
			if !isScope(s) { // check: implies-scopes
				return fmt.Errorf("auth: GuardOptions.Implies: %q is not a scope (RFC 6749 §3.3)", s)
			}
		}
		seen := map[string]bool{scope: true}
		for next := slices.Clone(narrower); len(next) > 0; next = next[1:] {
			if s := next[0]; !seen[s] { // check: implies-cycle
				seen[s] = true
				g.impliedBy[s] = append(g.impliedBy[s], scope)
				next = append(next, implies[s]...) // check: implies-transitive
			}
		}
	}
	return nil
}
