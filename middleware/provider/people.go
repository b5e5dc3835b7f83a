package provider

import (
	"slices"

	auth "github.com/bearward/bearward/middleware"
)

// Presets of services that log people in to an application whose front end calls its own API.

// WorkOS is for APIs and MCP servers that are registered with WorkOS Connect. The domain is that of
// AuthKit, such as acme.authkit.app, or one of your own. The audience is a Resource Indicator of
// the dashboard. The environment's client ID, which the tokens of machines name, tells no API from
// another of the same environment.
//
// Refused are the session tokens of AuthKit, which have another issuer and no audience, and ID
// tokens, which have no "jti". Sources: workos.com/docs "Token claims" of AuthKit Connect, and
// "Access token" of the reference, whose sample has no client_id: so it is not required.
func WorkOS(domain string, audience ...string) Preset {
	return of(auth.Config{
		Issuer:         "https://" + domain,
		Audiences:      audience,
		Types:          []string{"", "JWT", "at+jwt"},
		Algorithms:     []auth.Algorithm{auth.RS256},
		RequiredClaims: []string{"sub", "iat", "jti"},
	}, host("domain", domain), given("audience", audience))
}

// Clerk is for the session tokens of Clerk, by the host of the Frontend API: clerk.your-site.com,
// or NAME.clerk.accounts.dev in development. They name no audience. So the origins of the front
// ends are given that may call, such as https://shop.example, and a token needs one of them in
// "azp". Principal.ClientID is that origin, and the role in the organization is in Principal.Roles.
// Its permissions are asked for by [ClerkPermissions]. Where a JWT template adds an "aud", set
// Config.Audiences, too.
//
// Refused are sessions that are pending, since an organization is yet to be chosen. So are the ID
// and OAuth tokens of Clerk, which have no "sid". A token lives for a minute, and Config.Leeway
// lets it live 30 s longer. Sources: clerk.com/docs "Session tokens" and "Manual JWT verification".
func Clerk(domain string, allowed ...string) Preset {
	allowed = slices.Clone(allowed)
	origin := func(p *auth.Principal) error {
		if !slices.Contains(allowed, p.ClientID()) { // whatever the audience // check: clerk-origin
			return refusal("the origin is none of those that may call")
		}
		return nil
	}
	p := of(auth.Config{
		Issuer:         "https://" + domain,
		Clients:        allowed,
		Types:          []string{"JWT"},
		Algorithms:     []auth.Algorithm{auth.RS256},
		ClientIDClaims: []string{"azp"},
		RequiredClaims: []string{"sub", "client_id", "iat", "sid"},
		RolesClaim:     []string{"o", "rol"},
		Checks: []func(*auth.Principal) error{
			origin,
			auth.CheckClaims(func(c *struct {
				Status *string `json:"sts"`
			}) error {
				if c.Status != nil && *c.Status != "active" { // check: clerk-pending
					return refusal("the session is not active")
				}
				return nil
			}),
		},
	}, host("domain", domain), origins(allowed))
	if p.err == nil {
		p.KeySetURL = p.Config.Issuer + "/.well-known/jwks.json"
	}
	return p.calledBy(origin)
}

// Supabase is for the users of a Supabase project, by the host of its API: PROJECT.supabase.co, or
// a domain of one's own. The project needs JWT signing keys: tokens that are signed by the legacy
// secret are refused, as are the anon and service_role keys. The audience of all tokens is
// "authenticated", which names no API: a token opens all APIs that trust the project.
//
// Refused are users who signed in anonymously; Config.Checks may be set to nil to let them in.
// Roles are those of app_metadata, which the server alone writes. Never decide by user_metadata,
// which users write themselves. Sources: supabase.com/docs "JWT Claims Reference" and "JSON Web
// Token".
func Supabase(domain string) Preset {
	p := of(auth.Config{
		Issuer:         "https://" + domain + "/auth/v1",
		Audiences:      []string{"authenticated"},
		Types:          []string{"JWT"},
		Algorithms:     []auth.Algorithm{auth.ES256, auth.RS256},
		FixedClaims:    map[string]string{"role": "authenticated"},
		RequiredClaims: []string{"sub", "iat", "session_id"},
		RolesClaim:     []string{"app_metadata", "roles"},
		Checks: []func(*auth.Principal) error{auth.CheckClaims(func(c *struct {
			Anonymous bool `json:"is_anonymous"`
		}) error {
			if c.Anonymous { // check: supabase-anonymous
				return refusal("the user is anonymous")
			}
			return nil
		})},
	}, host("domain", domain))
	if p.err == nil {
		p.KeySetURL = p.Config.Issuer + "/.well-known/jwks.json"
	}
	return p
}

// Firebase is for the users of a project of Firebase Authentication or Identity Platform, by their
// ID tokens, which is what their front end sends. The project is its ID, which is the audience,
// too. With tenants, the users of those alone may call; without, those of no tenant. Custom claims
// stand at the top level: roles in "roles", for one.
//
// Refused are users who signed in anonymously, other tenants' and other projects' users, though all
// projects share their keys, custom tokens, and session cookies. A user who was disabled keeps
// access until the token expires, within an hour. Sources: firebase.google.com/docs "Verify ID
// Tokens" and "Security Rules and Firebase Authentication", docs.cloud.google.com "Managing
// Identity Platform tenants programmatically".
func Firebase(project string, tenants ...string) Preset {
	tenants = slices.Clone(tenants)
	tenant := auth.CheckClaims(func(c *firebaseClaims) error { return c.checkTenant(tenants) })
	p := of(auth.Config{
		Issuer:         "https://securetoken.google.com/" + project,
		Audiences:      []string{project},
		Types:          []string{"JWT"},
		Algorithms:     []auth.Algorithm{auth.RS256},
		RequiredClaims: []string{"sub", "iat", "auth_time"},
		Checks:         []func(*auth.Principal) error{auth.CheckClaims((*firebaseClaims).check), tenant},
	}, segmentOf("project", project))
	if p.err == nil && slices.Contains(tenants, "") { // check: firebase-tenant-empty
		return refused("a tenant of Firebase is empty")
	}
	if p.err == nil {
		firebase := map[string]any{"sign_in_provider": "password"}
		if len(tenants) > 0 {
			firebase["tenant"] = tenants[0]
		}
		p.Example = map[string]any{"auth_time": 1, "firebase": firebase}
	}
	return p.calledBy(tenant)
}

type firebaseClaims struct {
	Subject   string  `json:"sub"`
	IssuedAt  float64 `json:"iat"`
	LoginTime float64 `json:"auth_time"`
	Firebase  struct {
		Provider string  `json:"sign_in_provider"`
		Tenant   *string `json:"tenant"`
	} `json:"firebase"`
}

// check refuses what is no ID token of a user who signed in.
func (c *firebaseClaims) check() error {
	switch {
	case c.Firebase.Provider == "":
		return refusal("firebase.sign_in_provider is missing")
	case c.Firebase.Provider == "anonymous": // check: firebase-anonymous
		return refusal("the user is anonymous")
	case c.LoginTime > c.IssuedAt: // check: firebase-auth-time
		return refusal("auth_time is after iat")
	case len(c.Subject) > 128: // check: firebase-subject
		return refusal("sub is longer than 128 bytes")
	}
	return nil
}

// checkTenant refuses users of other tenants: all tenants of a project share issuer and audience.
func (c *firebaseClaims) checkTenant(tenants []string) error {
	switch {
	case len(tenants) == 0 && c.Firebase.Tenant != nil: // check: firebase-no-tenant
		return refusal("the user is of a tenant")
	case len(tenants) > 0 && (c.Firebase.Tenant == nil || !slices.Contains(tenants, *c.Firebase.Tenant)): // check: firebase-tenant
		return refusal("the user is of none of the tenants that may call")
	}
	return nil
}
