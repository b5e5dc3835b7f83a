package authtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// goodToken returns the header and the claims of a good token in the issuer's form.
func (is *Issuer) goodToken(key *signingKey, scope string) (header, claims Claims) {
	header = Claims{"typ": "at+jwt", "alg": is.keys.alg.String(), "kid": key.id}
	claims = standardClaims(is.URL, is.Audience, scope, fmt.Sprintf("token-%d", is.issued.Add(1)))
	if is.form == nil {
		return header, claims
	}
	c := is.form
	if len(c.Types) > 0 {
		if header["typ"] = c.Types[0]; c.Types[0] == "" {
			delete(header, "typ")
		}
	}
	if is.Audience == "" {
		delete(claims, "aud") // c.Clients make up for it
	}
	client := "client"
	if len(c.Clients) > 0 {
		client = c.Clients[0]
	}
	claims.rename("client_id", first(c.ClientIDClaims, "client_id"), client)
	if scope != "" {
		claims.rename("scope", first([]string{c.ScopeClaim}, "scope"), scopesAs(c.ScopeForm, scope))
	}
	for name, value := range c.FixedClaims {
		claims[name] = value
	}
	for _, name := range c.RequiredClaims {
		if claims[name] == nil && name != "client_id" {
			claims[name] = "test" // its value is for a check of the user's own: see Claims
		}
	}
	return header, claims
}

// standardClaims are the claims of a good access token (RFC 9068 §2.2).
func standardClaims(issuer, audience, scope, id string) Claims {
	now := time.Now()
	c := Claims{
		"iss": issuer, "sub": "alice", "aud": audience, "client_id": "client", "jti": id,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if scope != "" {
		c["scope"] = scope
	}
	return c
}

// rename puts value under name, in place of what stood under old.
func (c Claims) rename(old, name string, value any) {
	delete(c, old)
	c[name] = value
}

// first returns the first of names that is not empty, or otherwise the default.
func first(names []string, otherwise string) string {
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return otherwise
}

// scopesAs returns scopes as form holds them.
func scopesAs(form auth.ScopeForm, scope string) any {
	if form == auth.ScopeArray {
		return strings.Fields(scope)
	}
	return scope
}

// isDefect reports whether the issuer's Config refuses a token with d for its Reason: in another form than RFC 9068's, some are no defects.
func (is *Issuer) isDefect(v *auth.Verifier, d Defect) bool {
	token, err := is.make("read", []Change{d})
	if err != nil {
		return false
	}
	_, err = v.VerifyToken(is.tb.Context(), token)
	return err != nil && auth.AsError(err).Reason == d.Reason()
}

// Defects returns the defects that tokens of this issuer can have and that its [Issuer.Guard] refuses, each for its Reason.
func (is *Issuer) Defects() []Defect {
	is.tb.Helper()
	all := slices.DeleteFunc(Defects(), func(d Defect) bool {
		b := d.bend()
		return b.config != nil || b.only != nil && !b.only(is.keys.alg)
	})
	if is.form == nil {
		return all
	}
	v, err := auth.NewVerifier(is.Keys(), is.Config())
	if err != nil {
		is.tb.Fatalf("authtest: Defects: %v", err)
	}
	// Binding is the Guard's to check, not the Verifier's.
	return slices.DeleteFunc(all, func(d Defect) bool { return d.Reason() != auth.ReasonBindingNotProved && !is.isDefect(v, d) })
}
