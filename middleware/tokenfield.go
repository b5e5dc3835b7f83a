package auth

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const authorizationField = "Authorization"

// notForTokens are the fields that GuardOptions.Header cannot name: they have other meanings.
var notForTokens = []string{authorizationField, "Cookie", "Dpop", "Host", "Proxy-Authorization"}

// A tokenField is GuardOptions.Header: the field that carries a bare token, and what is refused of
// it. The Errors are made once: read only.
type tokenField struct {
	name                             string // in canonical form
	missing, several, scheme, nobody *Error
}

// useHeader takes up GuardOptions.Header. The Bindings are known by then.
func (g *Guard) useHeader(name string) error {
	if name == "" {
		return nil
	}
	field := http.CanonicalHeaderKey(name)
	switch {
	case !isHTTPToken(name): // check: header-name
		return fmt.Errorf("auth: GuardOptions.Header: %q is not the name of a header field", name)
	case slices.Contains(notForTokens, field): // check: header-taken
		return fmt.Errorf("auth: GuardOptions.Header cannot be %s, which has a meaning of its own", field)
	case len(g.schemes) > 1: // check: header-with-scheme
		return fmt.Errorf("auth: GuardOptions.Header does not go with Bindings of scheme %s: their tokens come in Authorization", g.schemes[1].name)
	case slices.Contains(g.readsFields, field): // check: header-of-binding
		return fmt.Errorf("auth: GuardOptions.Header is %s, which one of the Bindings reads", field)
	}
	g.header = &tokenField{
		name:    field,
		missing: missing("no " + field + " header, in which the token comes in place of Authorization (GuardOptions.Header)"),
		several: invalidRequest("several values of " + field + ", which has one (GuardOptions.Header)"),
		scheme:  invalidRequest("a scheme in front of the token in " + field + ": it must be the token alone (GuardOptions.Header)"),
		nobody:  invalidRequest("an empty " + field + " (GuardOptions.Header)"),
	}
	g.readsFields = append(g.readsFields, field)
	slices.Sort(g.readsFields)
	return nil
}

// TokenField returns the name of the header field that carries the token, in canonical form:
// GuardOptions.Header, or Authorization.
func (g *Guard) TokenField() string {
	if g.header == nil {
		return authorizationField
	}
	return g.header.name
}

// inHeader returns c with the values of GuardOptions.Header in the place of those of Authorization,
// which is not read.
func (g *Guard) inHeader(ctx context.Context, c Credentials) Credentials {
	c.complete(ctx)
	c.Authorization = c.Header[g.header.name] // check: header-alone
	return c
}

// token returns the token that the one value of the field is, unexamined.
func (f *tokenField) token(values []string) (token string, refused *Error) {
	switch {
	case len(values) == 0:
		return "", f.missing
	case len(values) > 1 || strings.Contains(values[0], ","): // check: header-one
		return "", f.several
	case values[0] == "": // check: header-empty
		return "", f.nobody
	case len(values[0]) > len("Bearer ") && strings.EqualFold(values[0][:len("Bearer ")], "Bearer "):
		return "", f.scheme
	}
	return values[0], nil
}

// tellCaches tells caches what an answer depends on, before the handler runs. They know that of
// Authorization alone (RFC 9111 §3.5), and not where a request needs none (RFC 9110 §12.5.5).
func (g *Guard) tellCaches(answer http.Header) {
	if answer == nil {
		return
	}
	if field := g.TokenField(); !slices.Contains(answer["Vary"], field) {
		answer.Add("Vary", field) // check: vary
	}
}

// keepPrivate tells caches that the answer to a caller is for that caller alone, where nothing in
// front of the Guard has said so.
func (g *Guard) keepPrivate(answer http.Header, p *Principal) {
	if answer == nil || p == nil {
		return
	}
	if said := strings.ToLower(strings.Join(answer["Cache-Control"], ",")); !strings.Contains(said, "private") && !strings.Contains(said, "no-store") {
		answer.Set("Cache-Control", "private") // check: header-private
	}
}
