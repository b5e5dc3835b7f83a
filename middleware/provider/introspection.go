package provider

import (
	"errors"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// Introspector returns what verifies opaque tokens by asking their issuer. Such are Keycloak's
// lightweight tokens, IdentityServer's reference tokens, and the opaque ones of ZITADEL and Ory
// Hydra. The caller closes it. Config may be nil; its Claims are the preset's, and where it sets
// AudienceByServer the answer may name any audience.
//
// An answer has the form of RFC 7662 and not that of the provider's JWTs. Scopes are in "scope",
// the client in "client_id", and no other claim is required. What says that a token is another than
// an access token is looked at as for every issuer.
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
		Issuer: own.Issuer, Audiences: own.Audiences, Clients: own.Clients, Algorithms: own.Algorithms,
		ScopeArray: true, ClientIDClaims: append([]string{"client_id"}, own.ClientIDClaims...),
		RolesClaim: own.RolesClaim, GroupsClaim: own.GroupsClaim, PermissionsClaim: own.PermissionsClaim,
		Leeway: own.Leeway, MaxAge: own.MaxAge, MaxLifetime: own.MaxLifetime,
		MaxTokenBytes: own.MaxTokenBytes, CacheSize: own.CacheSize, Checks: own.Checks,
	}
	return introspect.New(p.IntrospectionURL, client, c)
}
