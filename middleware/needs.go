package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// Role requires every one of the given roles ([Principal.Roles]), byte for byte. Roles are those of
// any issuer that the Guard trusts; [Issuer] narrows that. A token without them is refused with 403
// and no challenge, as other scopes would not help. It panics when a name is empty or not UTF-8.
func Role(first string, rest ...string) Requirement { return ofNames(kindRole, first, rest) }

// Group requires every one of the given groups ([Principal.Groups]), as [Role] does with roles.
func Group(first string, rest ...string) Requirement { return ofNames(kindGroup, first, rest) }

// Permission requires every one of the given permissions ([Principal.Permissions]), as [Role] does
// with roles.
func Permission(first string, rest ...string) Requirement {
	return ofNames(kindPermission, first, rest)
}

// Subject requires the caller to be one of the given users or clients ([Principal.Identity]). An
// issuer is part of each: another could give its own users the same names (RFC 9700 §4.15). Others
// are refused with 403. It panics when an issuer or a subject is empty or not UTF-8, or an issuer
// has a vertical bar.
func Subject(first Identity, rest ...Identity) Requirement {
	return ofLeaves(kindAny, first, rest, func(id Identity) *node {
		mustName("the issuer of a Subject", id.Issuer)
		mustName("a Subject", id.Subject)
		if strings.Contains(id.Issuer, "|") { // check: subject-bar
			panic("auth: an issuer of a Subject has a vertical bar: it would not be told from the subject")
		}
		return &node{kind: kindSubject, subject: id}
	})
}

// Issuer requires the token to be of one of the given issuers, where the Guard trusts several.
// Others are refused with 403. It panics when a name is empty or not UTF-8.
func Issuer(first string, rest ...string) Requirement {
	return ofLeaves(kindAny, first, rest, func(name string) *node {
		mustName("an Issuer", name)
		return &node{kind: kindIssuer, name: name}
	})
}

// ACR requires the user to have been authenticated in one of the given ways: the claim "acr" is one
// of them. They are listed in order of preference (RFC 9470 §3). Others are refused with 401
// insufficient_user_authentication, which tells the client to have the user authenticate again. ACR
// panics when a value is empty. It also panics when a challenge could not list it: space, quote,
// backslash, and what is not printable ASCII.
func ACR(first string, rest ...string) Requirement {
	n := &node{kind: kindACR}
	for _, value := range append([]string{first}, rest...) {
		if !isScope(value) { // check: acr-characters
			panic(fmt.Sprintf("auth: ACR: %q is not printable ASCII without space, quote and backslash", value))
		}
		if !slices.Contains(n.acr, value) {
			n.acr = append(n.acr, value)
		}
	}
	n.needs.acr, n.possible = n.acr, n.acr
	return Requirement{n}
}

// AuthenticatedWithin requires the user to have been authenticated at most d ago, by the claim
// "auth_time". Others, and tokens without it, are refused as by [ACR], with max_age (RFC 9470 §3).
// So are those of a time to come, beyond the leeway that their verifier grants. It panics unless d
// is a number of whole seconds, at least one.
func AuthenticatedWithin(d time.Duration) Requirement {
	if d < time.Second || d%time.Second != 0 { // check: within-seconds
		panic(fmt.Sprintf("auth: AuthenticatedWithin(%v): whole seconds, at least one", d))
	}
	return Requirement{&node{kind: kindWithin, within: d, needs: challengeNeeds{within: d}}}
}

// Detail requires an entry of the claim "authorization_details" of exactly the given type, that
// allows accepts (RFC 9396 §9.1). Each such entry is decoded into a T of its own, as
// [Principal.Claims] does; one that cannot be decoded grants nothing. Without one, a token is
// refused with 403 insufficient_scope, without a scope. A claim that is no array of objects, each
// with a type, is refused with 401. [PathValue] tells allows what stands in the path. Allows must
// be safe for concurrent use. Detail panics when typ is empty or not UTF-8, or allows is nil.
func Detail[T any](typ string, allows func(context.Context, *T) bool) Requirement {
	mustName("the type of a Detail", typ)
	if allows == nil {
		panic("auth: Detail needs a check")
	}
	return Requirement{&node{kind: kindDetail, name: typ, checks: true, detail: func(ctx context.Context, entry []byte) bool {
		var v T
		return json.Unmarshal(entry, &v) == nil && allows(ctx, &v)
	}}}
}

func ofNames(kind nodeKind, first string, rest []string) Requirement {
	return ofLeaves(kindAll, first, rest, func(name string) *node {
		mustName("a "+kind.word(), name)
		return &node{kind: kind, name: name}
	})
}

func mustName(what, name string) {
	if !isName(name) { // check: rule-name
		panic(fmt.Sprintf("auth: %s is empty, or not UTF-8: %q", what, name))
	}
}

func isName(s string) bool { return s != "" && utf8.ValidString(s) }

// Names returns what r names of one kind, in whatever alternative, sorted: for tables, and for
// tests that try them all. The kind is "scope", or a word that [ParseRules] knows before a colon,
// such as "role", "acr" or "detail"; it returns nil for any other. Subjects are as in
// "ISSUER|SUBJECT". [Requirement.ChallengeScopes] has those scopes alone that a challenge names.
func (r Requirement) Names(kind string) []string {
	n := r.now().node
	if n == nil {
		return nil
	}
	names := n.names(kind, nil)
	slices.Sort(names)
	return slices.Compact(names)
}

// names appends the names of a kind below n to all.
func (n *node) names(kind string, all []string) []string {
	if n.word() == kind {
		switch n.kind {
		case kindACR:
			all = append(all, n.acr...)
		case kindWithin:
			all = append(all, inWords(n.within))
		case kindSubject:
			all = append(all, n.subject.Issuer+"|"+n.subject.Subject)
		default:
			all = append(all, n.name)
		}
	}
	for _, c := range n.children {
		all = c.names(kind, all)
	}
	return all
}
