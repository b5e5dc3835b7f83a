package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
)

// A node is one term of a Requirement.
type node struct {
	kind     nodeKind
	scope    string
	children []*node
	check    func(context.Context, *Principal) error
	needs    []string           // the scopes that a challenge names, sorted
	bound    bool               // no plain token can meet it
	checks   bool               // there is a With in it
	live     func() Requirement // what kindLive stands for at this time
}

// Scopes requires every one of the given scopes. It panics when one of them is not a scope of RFC
// 6749 §3.3.
func Scopes(first string, rest ...string) Requirement { return ofScopes(kindAll, first, rest) }

// AnyScope requires at least one of the given scopes. The challenge of a refusal names the first,
// so that clients do not ask for more than they need. It panics as Scopes does.
func AnyScope(first string, rest ...string) Requirement { return ofScopes(kindAny, first, rest) }

// AllOf requires every one of the given requirements. It panics when one of them is the zero
// Requirement, Public or Optional.
func AllOf(first Requirement, rest ...Requirement) Requirement {
	return ofRequirements(kindAll, "AllOf", first, rest)
}

// AnyOf requires at least one of the given requirements. The challenge of a refusal names the
// scopes of the first. It panics as AllOf does.
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
func Optional() Requirement { return Requirement{&node{kind: kindOptional}} }

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
	return Requirement{&node{kind: kindReportOnly, children: []*node{r.node}, needs: r.node.needs, bound: r.node.bound, checks: r.node.checks}}
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
	return Requirement{&node{kind: kindWith, children: []*node{r.node}, check: check, needs: r.node.needs, bound: r.node.bound, checks: true}}
}

func ofScopes(kind nodeKind, first string, rest []string) Requirement {
	n := &node{kind: kind}
	for _, s := range append([]string{first}, rest...) {
		mustScope(s)
		n.children = append(n.children, &node{kind: kindScope, scope: s, needs: []string{s}})
	}
	return Requirement{n.withNeeds()}
}

func ofRequirements(kind nodeKind, name string, first Requirement, rest []Requirement) Requirement {
	n := &node{kind: kind}
	for _, r := range append([]Requirement{first}, rest...) {
		r.mustCombine(name)
		n.children = append(n.children, r.node)
	}
	return Requirement{n.withNeeds()}
}

// withNeeds fills in what the challenge names: all of an all-of, the first of an any-of; and
// whether only a bound token can meet n.
func (n *node) withNeeds() *node {
	n.bound = slices.ContainsFunc(n.children, func(c *node) bool { return c.bound })
	if n.kind == kindAny {
		n.bound = !slices.ContainsFunc(n.children, func(c *node) bool { return !c.bound })
	}
	n.checks = slices.ContainsFunc(n.children, func(c *node) bool { return c.checks })
	of := n.children
	if n.kind == kindAny {
		of = of[:1]
	}
	for _, c := range of {
		n.needs = append(n.needs, c.needs...)
	}
	slices.Sort(n.needs)
	n.needs = slices.Compact(n.needs)
	return n
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
func (r Requirement) IsPublic() bool { return r.is(kindPublic) }

// IsOptional reports whether r is Optional.
func (r Requirement) IsOptional() bool { return r.is(kindOptional) }

func (r Requirement) is(kind nodeKind) bool {
	n := r.now().node
	if n != nil && n.kind == kindReportOnly {
		n = n.children[0]
	}
	return n != nil && n.kind == kind
}

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
	return slices.Clone(n.needs)
}

// Scopes returns every scope that r names, in whatever alternative, sorted: for tables, and for
// tests that try them all. [Requirement.ChallengeScopes] has those alone that a challenge names.
func (r Requirement) Scopes() []string {
	n := r.now().node
	if n == nil {
		return nil
	}
	scopes := n.scopes(nil)
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// scopes appends the scopes below n to all.
func (n *node) scopes(all []string) []string {
	if n.kind == kindScope {
		all = append(all, n.scope)
	}
	for _, c := range n.children {
		all = c.scopes(all)
	}
	return all
}

// The outcomes of terms that a client can do something about: the token lacks scopes, or is not
// bound.
var (
	errScopes = errors.New("scopes missing")
	errPlain  = errors.New("not a bound token")
)

// check reports whether p meets r. It is only asked of requirements that need a token.
func (r Requirement) check(ctx context.Context, p *Principal) *Error {
	if r.node.bound && p.cnf == nil { // check: requirement-bound
		return errBindingRequired // whatever else is missing: another token is needed first
	}
	switch err := r.node.met(ctx, p); {
	case err == nil:
		return nil
	case err == errPlain:
		return errBindingRequired
	case err == errScopes: // check: requirement-scopes
		return &Error{Reason: ReasonInsufficientScope, Scopes: r.ChallengeScopes()}
	default:
		if e, ok := errors.AsType[*Error](err); ok && e != nil && e.Reason.known() {
			return e
		}
		return &Error{Reason: ReasonForbidden, Err: err}
	}
}

// met returns nil when p meets n, errScopes when scopes are missing, and otherwise the error of a
// With. Missing scopes come first, in an all-of and in an any-of alike: they are what the caller
// can do something about.
func (n *node) met(ctx context.Context, p *Principal) error {
	if n == nil {
		return errScopes
	}
	switch n.kind {
	case kindScope:
		if !p.HasScope(n.scope) { // check: scope-missing
			return errScopes
		}
		return nil
	case kindToken:
		return nil
	case kindBound:
		if p.cnf == nil { // check: bound-term
			return errPlain
		}
		return nil
	case kindReportOnly:
		return n.children[0].met(ctx, p)
	case kindWith:
		if err := n.children[0].met(ctx, p); err != nil { // check: with-scopes
			return err
		}
		// check: with-check
		return n.check(ctx, p)
	case kindAll:
		return n.all(ctx, p)
	case kindAny:
		return n.any(ctx, p)
	}
	return errScopes
}

func (n *node) all(ctx context.Context, p *Principal) error {
	var first error
	for _, c := range n.children {
		err := c.met(ctx, p)
		if err == errScopes || err == errPlain { // check: all-of
			return err
		}
		if first == nil { // check: all-of-checks
			first = err
		}
	}
	return first
}

func (n *node) any(ctx context.Context, p *Principal) error {
	var refused, lacking error
	for _, c := range n.children {
		switch err := c.met(ctx, p); {
		case err == nil:
			return nil
		case err == errScopes || err == errPlain:
			if lacking == nil {
				lacking = err
			}
		case refused == nil:
			refused = err
		}
	}
	// check: any-of
	if lacking != nil {
		return lacking
	}
	return refused
}

// String returns r in words, for tables of who may call what: "read:orders and (admin or owner)". A
// scope that is one of these words, or "nobody", is between quotes: the scope "public" opens
// nothing.
func (r Requirement) String() string {
	n := r.now().node
	if n == nil {
		return "nobody"
	}
	words, _ := n.words(false)
	return words
}

// words returns n in words, between parentheses where it is nested and they are needed, and whether
// ParseRules reads them as n.
func (n *node) words(nested bool) (words string, parsable bool) {
	switch n.kind {
	case kindScope:
		return quotedScope(n.scope), true
	case kindToken:
		return "any token", true
	case kindOptional:
		return "optional", true
	case kindPublic:
		return "public", true
	case kindBound:
		return "bound token", true
	case kindReportOnly:
		words, parsable = n.children[0].words(false)
		return "report-only " + words, parsable
	case kindWith:
		words, _ = n.children[0].words(true)
		return words + " with a check", false
	case kindLive:
		return n.live().String(), false
	}
	if len(n.children) == 1 {
		return n.children[0].words(nested)
	}
	joint := " and "
	if n.kind == kindAny {
		joint = " or "
	}
	parsable = true
	var parts []string
	for _, c := range n.children {
		part, ok := c.words(true)
		parts, parsable = append(parts, part), parsable && ok
	}
	words = strings.Join(parts, joint)
	if nested {
		words = "(" + words + ")"
	}
	return words, parsable
}

// quotedScope returns a scope as text: between quotes where it would be taken for a word of ours.
func quotedScope(scope string) string {
	if isRuleWord(scope) || scope == "nobody" || strings.ContainsAny(scope, "()=#") { // check: scope-quoted
		return `"` + scope + `"`
	}
	return scope
}
