package auth

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A Requirement says what an operation asks of its caller. It is immutable, and safe for concurrent
// use. The zero Requirement denies every request.
//
// Requirements are made of literals in the program's source. Those without a meaning (a scope with
// a space, Public inside AllOf) panic where they are made, at start. Nothing panics while serving.
type Requirement struct{ node *node }

type nodeKind uint8

const (
	kindScope nodeKind = iota
	kindAll
	kindAny
	kindToken
	kindWith
	kindOptional
	kindPublic
	kindLive
	kindBound
	kindReportOnly
	kindRole
	kindGroup
	kindPermission
	kindSubject
	kindIssuer
	kindACR
	kindWithin
	kindDetail
)

// A node is one term of a Requirement.
type node struct {
	kind     nodeKind
	name     string        // of a scope, role, group, permission or issuer, or a detail's type
	subject  Identity      // of kindSubject
	acr      []string      // of kindACR: one of them, in order of preference
	within   time.Duration // of kindWithin
	children []*node
	check    func(context.Context, *Principal) error // of kindWith
	detail   func(context.Context, []byte) bool      // of kindDetail
	needs    challengeNeeds
	possible []string // the only values of "acr" that can meet it; nil for any
	bound    bool     // no plain token can meet it
	checks   bool     // there is a check of the program's own in it

	optional   bool               // it is Optional, reported on or not
	onlyScopes bool               // it asks for all scopes of needs, and for nothing else
	live       func() Requirement // what kindLive stands for at this time
}

// challengeNeeds is what the challenge of a refusal names.
type challengeNeeds struct {
	scopes []string // sorted
	acr    []string // in order of preference
	within time.Duration
}

// Scopes requires every one of the given scopes. It panics when one of them is not a scope of RFC
// 6749 §3.3.
func Scopes(first string, rest ...string) Requirement { return ofScopes(kindAll, first, rest) }

// AnyScope requires at least one of the given scopes. The challenge of a refusal names the first,
// so that clients do not ask for more than they need. It panics as Scopes does.
func AnyScope(first string, rest ...string) Requirement { return ofScopes(kindAny, first, rest) }

// AllOf requires every one of the given requirements. Checks of the program's own ([Detail],
// [Requirement.With]) are asked last, of callers who meet all else. It panics when one of them is
// the zero Requirement, Public or Optional, and when no value of "acr" could meet all of them.
func AllOf(first Requirement, rest ...Requirement) Requirement {
	return ofRequirements(kindAll, "AllOf", first, rest)
}

// AnyOf requires at least one of the given requirements. A refusal is the first one's, with its
// challenge. It panics as AllOf does.
func AnyOf(first Requirement, rest ...Requirement) Requirement {
	return ofRequirements(kindAny, "AnyOf", first, rest)
}

// AnyToken requires a good token, whatever its scopes.
func AnyToken() Requirement { return Requirement{&node{kind: kindToken}} }

// Bound requires a token that is bound to its sender ("cnf"), by a member that one of
// GuardOptions.Bindings checks. A plain token is refused with 401. Combine it with scopes by
// [AllOf]. [GuardOptions].RequireBound asks it of every operation.
func Bound() Requirement { return Requirement{&node{kind: kindBound, bound: true}} }

// Optional accepts callers without credentials as anonymous: PrincipalFrom then returns false. A
// bad token is still refused, and a token that could not be verified is not taken for none.
func Optional() Requirement { return Requirement{&node{kind: kindOptional, optional: true}} }

// Public accepts every request. Its credentials are not looked at.
func Public() Requirement { return Requirement{&node{kind: kindPublic}} }

// ReportOnly returns r as a rule that is evaluated and reported to OnDecision but not enforced. Use
// it while a guard is put before an API that is in use. The handler finds the Principal of a token
// that was good but short of what r asks, and none otherwise. ReportOnly comes last, as nothing can
// be made of its result. It panics when r is the zero Requirement, Public, a rule of LiveRules or
// ReportOnly already. A Guard without OnDecision cannot enforce it ([Guard.CanEnforce]); where
// [LiveRules] bring it in later, such a Guard enforces r.
func (r Requirement) ReportOnly() Requirement {
	if r.node == nil || r.node.kind != kindOptional {
		r.mustCombine("ReportOnly")
	}
	return Requirement{&node{kind: kindReportOnly, children: []*node{r.node}, needs: r.node.needs, possible: r.node.possible, bound: r.node.bound,
		checks: r.node.checks, optional: r.node.optional}}
}

// With adds a check of the user's own, made on every request after the rest of r was met. Its error
// refuses the request with 403, unless it holds a *[Error], which is then the refusal. [PathValue]
// tells it what stands in the path. The check must be safe for concurrent use. With panics when
// check is nil, or r is the zero Requirement, Public or Optional.
func (r Requirement) With(check func(context.Context, *Principal) error) Requirement {
	if check == nil {
		panic("auth: Requirement.With needs a check")
	}
	r.mustCombine("With")
	return Requirement{&node{kind: kindWith, children: []*node{r.node}, check: check, needs: r.node.needs, possible: r.node.possible, bound: r.node.bound, checks: true}}
}

func ofScopes(kind nodeKind, first string, rest []string) Requirement {
	return ofLeaves(kind, first, rest, func(scope string) *node {
		mustScope(scope)
		return &node{kind: kindScope, name: scope, needs: challengeNeeds{scopes: []string{scope}}, onlyScopes: true}
	})
}

// ofLeaves joins a term for each of the given values.
func ofLeaves[T any](kind nodeKind, first T, rest []T, leaf func(T) *node) Requirement {
	n := &node{kind: kind}
	for _, value := range append([]T{first}, rest...) {
		n.children = append(n.children, leaf(value))
	}
	return Requirement{n.withNeeds()}
}

func ofRequirements(kind nodeKind, name string, first Requirement, rest []Requirement) Requirement {
	return ofLeaves(kind, first, rest, func(r Requirement) *node {
		r.mustCombine(name)
		return r.node
	})
}

// withNeeds fills in what the challenge names: all of an all-of, the first of an any-of; and what
// only a bound token, or one of certain values of "acr", can meet.
func (n *node) withNeeds() *node {
	n.bound = slices.ContainsFunc(n.children, func(c *node) bool { return c.bound })
	if n.kind == kindAny {
		n.bound = !slices.ContainsFunc(n.children, func(c *node) bool { return !c.bound })
	}
	n.checks = slices.ContainsFunc(n.children, func(c *node) bool { return c.checks })
	if n.kind == kindAny {
		n.needs = n.children[0].needs
		for _, c := range n.children {
			if c.possible == nil {
				n.possible = nil
				break
			}
			n.possible = append(n.possible, c.possible...)
		}
		return n
	}
	n.onlyScopes = true
	for _, c := range n.children {
		n.needs.add(c.needs)
		n.onlyScopes = n.onlyScopes && c.onlyScopes
	}
	var ok bool
	if n.possible, ok = possibleACR(n.children); !ok { // check: acr-contradiction
		panic("auth: AllOf of two ACR without a common value: no token could meet it")
	}
	slices.Sort(n.needs.scopes)
	n.needs.scopes = slices.Compact(n.needs.scopes)
	return n
}

// possibleACR returns the values of "acr" that can meet all the terms, nil for any, and false when
// there is none.
func possibleACR(all []*node) (values []string, ok bool) {
	for _, n := range all {
		switch {
		case n.possible == nil:
		case values == nil:
			values = n.possible
		default:
			if values = common(values, n.possible); len(values) == 0 {
				return nil, false
			}
		}
	}
	return values, true
}

// add makes the challenge name what more needs, too: every scope, the values of "acr" that both
// allow, and the shorter time.
func (c *challengeNeeds) add(more challengeNeeds) {
	c.scopes = append(c.scopes, more.scopes...)
	switch both := common(c.acr, more.acr); {
	case len(c.acr) == 0:
		c.acr = more.acr
	case len(both) > 0:
		c.acr = both
	}
	if c.within == 0 || more.within > 0 && more.within < c.within { // check: smallest-max-age
		c.within = more.within
	}
}

// common returns the elements of a that b has, in their order.
func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

func (r Requirement) mustCombine(where string) {
	switch {
	case r.node == nil: // check: zero-stands-alone
		panic("auth: the zero Requirement inside " + where)
	case r.node.kind == kindLive: // check: live-stands-alone
		panic("auth: a rule of LiveRules inside " + where + ": put that into the rules themselves")
	case r.node.kind == kindReportOnly: // check: report-only-outermost
		panic("auth: a Requirement that is only reported on inside " + where + ": ReportOnly comes last")
	case r.node.kind == kindPublic || r.node.kind == kindOptional: // check: public-stands-alone
		panic(fmt.Sprintf("auth: %v stands alone: it cannot be inside %s", r, where))
	}
}

// now returns r, or what a rule of LiveRules asks for at this time.
func (r Requirement) now() Requirement {
	if r.node == nil || r.node.kind != kindLive {
		return r
	}
	return r.node.live()
}

// IsZero reports whether r is the zero Requirement, which denies every request.
func (r Requirement) IsZero() bool { return r.node == nil }

// IsPublic reports whether r is Public.
func (r Requirement) IsPublic() bool { return r.now().node.isPublic() }

// IsOptional reports whether r is Optional.
func (r Requirement) IsOptional() bool { return r.now().node.isOptional() }

func (n *node) isPublic() bool   { return n != nil && n.kind == kindPublic }
func (n *node) isOptional() bool { return n != nil && n.optional }

// isReportOnly reports whether r is evaluated and not enforced.
func (r Requirement) isReportOnly() bool { return r.node != nil && r.node.kind == kindReportOnly }

// needsBound reports whether no plain token can meet r.
func (r Requirement) needsBound() bool { return r.node != nil && r.node.bound }

// ChallengeScopes returns a copy of the scopes that the challenge of a refusal names, sorted.
func (r Requirement) ChallengeScopes() []string {
	n := r.now().node
	if n == nil {
		return nil
	}
	return slices.Clone(n.needs.scopes)
}
