package openapiauth

import (
	"slices"
	"strings"

	"github.com/pb33f/go-yaml"

	auth "github.com/bearward/bearward/middleware"
)

// A need is what a list of Security Requirement Objects comes to. The zero need is that of a list
// with faults.
type need struct {
	requirement auth.Requirement
	open        bool // callers without a token are let in
}

// maxTerms bounds how many alternatives an operation has, and how many scopes each of them.
const maxTerms = 100

// needOf reads a list of Security Requirement Objects, of which a caller must meet one.
func (r *reader) needOf(n *yaml.Node, where string) need {
	if !is(n, yaml.SequenceNode) { // check: security-list
		r.faults.add(n, where, "security is a list: [] to make an operation public")
		return need{}
	}
	if len(n.Content) > maxTerms { // check: alternatives
		r.faults.add(n, where, "more than %d alternatives", maxTerms)
		return need{}
	}
	if len(n.Content) == 0 {
		return need{auth.Public(), true}
	}
	before := r.faults.count
	anonymous := false
	var alternatives []auth.Requirement
	for _, item := range n.Content {
		o, ok := r.faults.table(item, where)
		switch {
		case !ok:
		case len(o) == 0:
			anonymous = true
		default:
			if req := r.alternative(o, where); !req.IsZero() {
				alternatives = append(alternatives, req)
			}
		}
	}
	switch {
	case r.faults.count > before:
		return need{}
	case anonymous:
		return need{auth.Optional(), true}
	case len(alternatives) == 0:
		r.faults.add(n, where, "nobody could call it: every alternative is one of Options.IgnoreSchemes")
		return need{}
	case len(alternatives) == 1:
		return need{alternatives[0], false}
	}
	return need{auth.AnyOf(alternatives[0], alternatives[1:]...), false}
}

// alternative reads a Security Requirement Object, all of whose schemes a caller must meet. It
// returns the zero Requirement for one that is left out, and for one with faults.
func (r *reader) alternative(o object, where string) auth.Requirement {
	var scopes []string
	var leftOut *field
	token, faulty := false, false
	for _, at := range o {
		s := r.schemes[at.name]
		if s == nil {
			r.faults.add(at.key, where, "the document defines no security scheme %q", at.name)
			faulty = true
			continue
		}
		list, ok := r.scopes(at, s, where)
		switch {
		case !ok || s.kind == "":
			faulty = true
		case s.token:
			token = true
			if len(scopes) <= maxTerms {
				scopes = union(scopes, list)
			}
		case slices.Contains(r.opts.IgnoreSchemes, at.name):
			leftOut = &at
		case s.bearer:
			r.faults.add(at.key, where, "the tokens of %q are not the Guard's: name it in Options.TokenSchemes or Options.IgnoreSchemes", at.name) // check: token-unchecked
			faulty = true
		default:
			r.faults.add(at.key, where, "%q is of type %s, which a Guard does not check: see Options.IgnoreSchemes", at.name, s.kind) // check: scheme-unchecked
			faulty = true
		}
	}
	switch {
	case token && leftOut != nil: // check: half-checked
		// Half a check is not what the document asks for.
		r.faults.add(leftOut.key, where, "%q is asked for together with a token, and would not be checked: see Options.SkipOperations", leftOut.name)
		return auth.Requirement{}
	case faulty || !token:
		return auth.Requirement{}
	case len(scopes) > maxTerms: // check: scopes-of-all
		r.faults.add(o[0].key, where, "more than %d scopes", maxTerms)
		return auth.Requirement{}
	case len(scopes) == 0:
		return auth.AnyToken()
	}
	return auth.Scopes(scopes[0], scopes[1:]...)
}

// union appends to a list what it does not have yet.
func union(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// scopes reads what a Security Requirement Object asks for of one scheme: scopes, or the roles of
// other schemes (OpenAPI 3.1), which are asked of the token as scopes are.
func (r *reader) scopes(at field, s *scheme, where string) (list []string, ok bool) {
	if !is(at.value, yaml.SequenceNode) { // check: scope-list
		r.faults.add(at.value, where, "what is asked of %q is a list of scopes, be it empty", at.name)
		return nil, false
	}
	if len(at.value.Content) > maxTerms { // check: scopes-of-one
		r.faults.add(at.value, where, "more than %d scopes", maxTerms)
		return nil, false
	}
	ok = true
	for _, item := range at.value.Content {
		item = follow(item)
		scope, isText := r.faults.text(item, item, where, "a scope of "+at.name)
		switch {
		case !isText:
			ok = false
		case s.bearer && !isScope(scope):
			r.faults.add(item, where, "%q is not a scope (RFC 6749 §3.3)", scope)
			ok = false
		case s.declared != nil && !s.declared[scope]: // check: scope-declared
			r.faults.add(item, where, "no flow of %q declares the scope %q", at.name, scope)
			ok = false
		case strings.HasPrefix(s.kind, "http ") && r.version < "3.1" && !(s.bearer && r.opts.HTTPScopes): // check: roles-before-31
			r.faults.add(item, where, "%q is of type %s, which has no scopes before OpenAPI 3.1: see Options.HTTPScopes", at.name, s.kind)
			ok = false
		default:
			list = append(list, scope)
		}
	}
	return list, ok
}

// isScope reports whether s is one scope-token (RFC 6749 §3.3).
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
