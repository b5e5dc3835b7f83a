package auth

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// A scheme is an authentication scheme that a Guard takes tokens under (RFC 9110 §11.1).
type scheme struct {
	name    string        // as challenges spell it
	binding SchemeBinding // nil for Bearer
	params  string        // the auth-params of every challenge, after its realm
}

// bearerScheme is the place of Bearer among the schemes of a Guard. Those of Bindings follow.
const bearerScheme = 0

// everyScheme stands for all of them: a request with several Authorization values.
const everyScheme = -1

// presentedToken returns the token that the one value of the Guard's field holds, unexamined, and
// its scheme.
func (g *Guard) presentedToken(values []string) (token string, scheme int, refused *Error) {
	if g.header != nil {
		token, refused = g.header.token(values)
		return token, bearerScheme, refused
	}
	return g.inAuthorization(values)
}

// inAuthorization is presentedToken for Authorization (RFC 6750 §2.1, RFC 9110 §11.4).
func (g *Guard) inAuthorization(values []string) (token string, scheme int, refused *Error) {
	if len(values) == 0 {
		return "", bearerScheme, missingHeader
	}
	if len(values) > 1 { // check: one-authorization
		return "", everyScheme, invalidRequest("several Authorization values, of which there must be one")
	}
	value := values[0]
	if rest, ok := strings.CutPrefix(value, "Bearer "); ok { // the usual spelling, told at a glance
		return strings.TrimLeft(rest, " "), bearerScheme, nil
	}
	end := strings.IndexAny(value, " \t,")
	if end < 0 {
		end = len(value)
	}
	name := value[:end]
	if name == "" && value != "" { // check: empty-scheme
		return "", bearerScheme, invalidRequest("a space or a comma in front of the scheme")
	}
	for i := range g.schemes {
		if strings.EqualFold(name, g.schemes[i].name) { // check: schemes
			return strings.TrimLeft(value[end:], " "), i, nil
		}
	}
	return "", bearerScheme, missingCredentials(value, name)
}

// Refusals of requests without credentials. They are made once, and tell operators what was there.
var (
	missingHeader      = missing("no Authorization header")
	missingScheme      = missing("a token without a scheme: it must be Authorization: Bearer TOKEN")
	missingOtherScheme = missing("a scheme that is not accepted: it must be Authorization: Bearer TOKEN")
	missingDPoP        = missing("the scheme DPoP, for which no Binding is configured (GuardOptions.Bindings)")
)

// missingCredentials refuses a value of a scheme that no Binding has and that is not Bearer.
func missingCredentials(value, name string) *Error {
	switch {
	case value == name && strings.Count(value, ".") == 2:
		return missingScheme
	case strings.EqualFold(name, "DPoP"):
		return missingDPoP
	}
	return missingOtherScheme
}

func missing(note string) *Error {
	return &Error{Reason: ReasonCredentialsMissing, about: &detail{note: note}}
}

// hasScheme reports whether name, in any case, is one of g's schemes.
func (g *Guard) hasScheme(name string) bool {
	return slices.ContainsFunc(g.schemes, func(s scheme) bool { return strings.EqualFold(s.name, name) })
}

// addBindings takes up GuardOptions.Bindings.
func (g *Guard) addBindings(bindings []Binding) error {
	g.schemes = []scheme{{name: "Bearer"}}
	if len(bindings) > 0 {
		g.readsFields = []string{}
	}
	for i, b := range bindings {
		if isNil(b) || reflect.ValueOf(b).Kind() != reflect.Pointer { // check: binding-pointer
			return fmt.Errorf("auth: GuardOptions.Bindings[%d] is nil, or not a pointer", i)
		}
		mb := memberBinding{b, b.Member(), bearerScheme, b.Fields()}
		if mb.member == "" || g.bindingOf(mb.member) != nil { // check: binding-twice
			return fmt.Errorf("auth: GuardOptions.Bindings: no member of cnf, or two Bindings for it: %q", mb.member)
		}
		for _, f := range mb.fields {
			if !isHTTPToken(f) { // check: binding-fields
				return fmt.Errorf("auth: GuardOptions.Bindings[%d]: %q is not the name of a header field", i, f)
			}
			g.readsFields = append(g.readsFields, http.CanonicalHeaderKey(f))
		}
		if sb, ok := b.(SchemeBinding); ok {
			if err := g.addScheme(sb); err != nil {
				return err
			}
			mb.scheme = len(g.schemes) - 1
		}
		g.bindings = append(g.bindings, mb)
	}
	slices.Sort(g.readsFields)
	g.readsFields = slices.Compact(g.readsFields)
	g.bearerIsPlain = len(bindings) > 0 && len(g.schemes) == len(bindings)+1
	return nil
}

func (g *Guard) addScheme(b SchemeBinding) error {
	name := b.Scheme()
	if !isHTTPToken(name) || g.hasScheme(name) { // check: scheme-name
		return fmt.Errorf("auth: GuardOptions.Bindings: %q is not the name of a scheme, or one that is taken", name)
	}
	algorithms, params := b.Algorithms(), ""
	for _, a := range algorithms {
		if !isHTTPToken(a) { // check: scheme-algorithms
			return fmt.Errorf("auth: GuardOptions.Bindings: scheme %s has proofs of %q, which is not the name of an algorithm", name, a)
		}
	}
	if len(algorithms) > 0 {
		params = `, algs="` + strings.Join(algorithms, " ") + `"`
	}
	g.schemes = append(g.schemes, scheme{name, b, params})
	return nil
}

// isHTTPToken reports whether s is a token (RFC 9110 §5.6.2).
func isHTTPToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
