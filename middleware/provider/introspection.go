package provider

import (
	"errors"
	"maps"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// Introspector returns what verifies opaque tokens by asking their issuer. Such are Keycloak's
// lightweight tokens, IdentityServer's reference tokens, and the opaque ones of ZITADEL and Ory
// Hydra. The caller closes it. Config may be nil; its Claims are the preset's, and where it sets
// AudienceByServer the answer may name any audience.
//
// An answer has the form of RFC 7662 and not that of the provider's JWTs. Scopes are in "scope",
// the client in "client_id". Of Config.FixedClaims, what differs from the preset's own is asked
// for: its own are of JWTs. No other claim is required. What says that a token is another than an
// access token is looked at as for every issuer.
func (p Preset) Introspector(client introspect.ClientAuth, config *introspect.Config) (*introspect.Introspector, error) {
	if p.err != nil {
		return nil, p.err
	}
	if p.IntrospectionURL == "" { // check: introspection-url
		return nil, errors.New("provider: Preset.IntrospectionURL is not known: the provider has none, or it must be set")
	}
	var c introspect.Config
	if config != nil {
		c = *config
	}
	own := p.config()
	c.Claims = auth.Config{
		Issuer: own.Issuer, Audiences: own.Audiences, Clients: own.Clients, Algorithms: own.Algorithms, FixedClaims: p.added(),
		ScopeArray: true, ClientIDClaims: append([]string{"client_id"}, own.ClientIDClaims...),
		RolesClaim: own.RolesClaim, GroupsClaim: own.GroupsClaim, PermissionsClaim: own.PermissionsClaim,
		Leeway: own.Leeway, MaxAge: own.MaxAge, MaxLifetime: own.MaxLifetime,
		MaxTokenBytes: own.MaxTokenBytes, CacheSize: own.CacheSize, Checks: own.Checks,
	}
	return introspect.New(p.IntrospectionURL, client, c)
}

// added returns those of Config.FixedClaims that are not the preset's own.
func (p Preset) added() map[string]string {
	all := maps.Clone(p.Config.FixedClaims)
	maps.DeleteFunc(all, func(claim, value string) bool {
		own, ok := p.fixed[claim]
		return ok && own == value // check: introspection-fixed
	})
	return all
}
