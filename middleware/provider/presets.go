package provider

import (
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// Auth0 is for an API registered with Auth0, by tenant or custom domain, in either token dialect.
// The two domains make different issuers: give the one that your applications use. Permissions
// (RBAC) are in Principal.Permissions. A token that was asked for without this audience is opaque,
// and refused.
func Auth0(domain string, audience ...string) Preset {
	return of(auth.Config{
		Issuer:         "https://" + domain + "/", // with the slash: the one most often forgotten
		Audiences:      audience,
		Types:          []string{"JWT", "at+jwt"},
		ClientIDClaims: []string{"azp", "client_id"},
		RequiredClaims: []string{"sub", "client_id", "iat"},
	}, host("domain", domain), given("audience", audience))
}

// Okta is for a custom authorization server of Okta, such as "default". The org authorization
// server, which has no ID, is refused: Okta does not publish the keys of its tokens, so an API
// cannot check them.
func Okta(domain, authorizationServer string, audience ...string) Preset {
	if authorizationServer == "" {
		return refused("Okta's org authorization server cannot guard an API: the keys of its access tokens are not published. " +
			"Create a custom authorization server, and name it, such as default")
	}
	p := of(auth.Config{
		Issuer:         "https://" + domain + "/oauth2/" + authorizationServer,
		Audiences:      audience,
		Types:          []string{"", "JWT", "at+jwt"},
		ScopeClaim:     "scp",
		ScopeArray:     true,
		ClientIDClaims: []string{"cid"},
		RequiredClaims: []string{"sub", "client_id", "iat", "jti"},
	}, host("domain", domain), segmentOf("authorization server", authorizationServer), given("audience", audience))
	p.IntrospectionURL = p.Config.Issuer + "/v1/introspect"
	return p
}

// Cognito is for a user pool of Amazon Cognito. Its access tokens name no audience, so the app
// clients that may call are given instead. With resource binding (RFC 8707) a token does name one,
// and Config.Audiences has to be set. Groups are in Principal.Groups. The region tells the cloud:
// cn-… is China's, eusc-… the European Sovereign Cloud's, us-gov-… GovCloud's.
func Cognito(region, userPool string, clients ...string) Preset {
	return of(auth.Config{
		Issuer:         "https://cognito-idp." + region + "." + awsDomain(region) + "/" + userPool,
		Clients:        clients,
		Types:          []string{""},
		Algorithms:     []auth.Algorithm{auth.RS256},
		FixedClaims:    map[string]string{"token_use": "access"}, // an ID token says id
		IDTokenClaims:  []string{},
		RequiredClaims: []string{"sub", "client_id", "iat", "jti"},
		GroupsClaim:    []string{"cognito:groups"},
	}, host("region", region), segmentOf("user pool", userPool), given("app client", clients))
}

// Keycloak is for a realm, given by its URL: https://host/realms/name. A client appears in "aud"
// only through an Audience mapper or a client role; give the name that the mapper adds. The realm's
// roles are in Principal.Roles; a client's are at Config.RolesClaim {"resource_access", client,
// "roles"}. Where the API reaches Keycloak at another address than the tokens name, set KeySetURL.
func Keycloak(realmURL string, audience ...string) Preset {
	p := of(auth.Config{
		Issuer:         realmURL,
		Audiences:      audience,
		Types:          []string{"JWT", "at+jwt"},
		ClientIDClaims: []string{"azp", "client_id"},
		FixedClaims:    map[string]string{"typ": "Bearer"}, // or DPoP, of a bound one; an ID token says ID, a refresh token Refresh
		IDTokenClaims:  []string{"at_hash", "c_hash"},      // before version 25, access tokens hold the login's nonce
		RequiredClaims: []string{"sub", "client_id", "iat"},
		RolesClaim:     []string{"realm_access", "roles"},
	}, realm(realmURL), given("audience", audience))
	p.IntrospectionURL = realmURL + "/protocol/openid-connect/token/introspect"
	return p
}

// IdentityServer is for Duende IdentityServer, and for IdentityServer4 from version 3 on, which is
// archived. The audience is the API resource's name. A client that acts for itself has no subject.
func IdentityServer(issuer string, audience ...string) Preset {
	p := of(auth.Config{
		Issuer:         issuer,
		Audiences:      audience,
		Types:          []string{"at+jwt"},
		ScopeArray:     true, // or a string, with EmitScopesAsSpaceDelimitedStringInJwt
		RequiredClaims: []string{"client_id"},
		RolesClaim:     []string{"role"},
	}, given("issuer", []string{issuer}), given("audience", audience))
	p.IntrospectionURL = strings.TrimRight(issuer, "/") + "/connect/introspect"
	return p
}

// Entra is for an API registered with Microsoft Entra ID whose manifest asks for tokens of version 2.
// The audience is the API's client ID. An application that acts for itself has app roles and no
// scopes: they count as its scopes, and are in Principal.Roles. [Named] also knows the issuers of
// the US Government's cloud and of China's.
func Entra(tenantID string, audience ...string) Preset {
	return entra("login.microsoftonline.com", tenantID, audience)
}

// entra is Entra at the host of one of Microsoft's clouds.
func entra(host, tenantID string, audience []string) Preset {
	return microsoft("https://"+host+"/"+tenantID+"/v2.0", tenantID, "2.0", "azp", audience)
}

// EntraV1 is Entra for tokens of version 1, which an API gets unless its manifest says otherwise.
// The audience is the API's client ID or App ID URI, as applications ask for it. [Named] also knows
// the issuers of China's cloud; for the US Government's, whose issuer is the same, set KeySetURL to
// https://login.microsoftonline.us/TENANT/discovery/v2.0/keys.
func EntraV1(tenantID string, audience ...string) Preset {
	return entraV1("sts.windows.net", tenantID, audience)
}

// entraV1 is EntraV1 at the host of one of Microsoft's clouds.
func entraV1(host, tenantID string, audience []string) Preset {
	p := microsoft("https://"+host+"/"+tenantID+"/", tenantID, "1.0", "appid", audience)
	p.KeySetURL = "https://" + microsoftV1[host] + "/" + tenantID + "/discovery/v2.0/keys" // the issuer's host serves none
	return p
}

// The hosts of the issuers of Microsoft's clouds: the public one, the US Government's and China's
// (Microsoft identity platform, "National clouds"). Those of version 1 have their keys at another.
var (
	microsoftV2 = []string{"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn"}
	microsoftV1 = map[string]string{"sts.windows.net": "login.microsoftonline.com", "sts.chinacloudapi.cn": "login.partner.microsoftonline.cn"}
)

// awsDomain returns the domain of the cloud that region is of.
func awsDomain(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "amazonaws.com.cn"
	case strings.HasPrefix(region, "eusc-"):
		return "amazonaws.eu"
	}
	return "amazonaws.com"
}

func microsoft(issuer, tenantID, version, clientID string, audience []string) Preset {
	return of(auth.Config{
		Issuer:         issuer,
		Audiences:      audience,
		Algorithms:     []auth.Algorithm{auth.RS256}, // the keys have no "alg"
		Types:          []string{"JWT"},
		ScopeClaim:     "scp",
		ScopeFallback:  "roles",
		ClientIDClaims: []string{clientID},
		FixedClaims:    map[string]string{"tid": tenantID, "ver": version},
		RequiredClaims: []string{"sub", "client_id", "iat"},
	}, guid("tenant ID", tenantID), given("audience", audience))
}

// ZITADEL is for an application whose access tokens are JWTs. The audience is the project's ID or a
// client ID of it. The tokens carry no scopes: use Requirement.With on Principal.Roles.
func ZITADEL(issuer string, audience ...string) Preset {
	p := of(auth.Config{
		Issuer:         issuer,
		Audiences:      audience,
		Types:          []string{"JWT", "at+jwt"},
		RequiredClaims: []string{"sub", "client_id", "iat", "jti"},
		RolesClaim:     []string{"urn:zitadel:iam:org:project:roles"},
	}, given("issuer", []string{issuer}), given("audience", audience))
	p.IntrospectionURL = strings.TrimRight(issuer, "/") + "/oauth/v2/introspect"
	return p
}

// Hydra is for Ory Hydra with strategies.access_token set to jwt. The issuer is urls.self.issuer
// verbatim, often with a slash at its end. Publish the key set that signs access tokens by
// webfinger.jwks.broadcast_keys.
func Hydra(issuer string, audience ...string) Preset {
	return of(auth.Config{
		Issuer:         issuer,
		Audiences:      audience,
		Types:          []string{"JWT", "at+jwt"},
		ScopeClaim:     "scp",
		ScopeArray:     true,
		ScopeFallback:  "scope", // strategies.jwt.scope_claim
		RequiredClaims: []string{"sub", "iat", "jti"},
	}, given("issuer", []string{issuer}), given("audience", audience))
}

// Dex is for the access tokens of Dex, which nothing tells from its ID tokens. Both are accepted,
// so whatever an application's own front end learns opens the API. The audience is a client ID.
// There are no scopes: use Requirement.With on Principal.Groups.
func Dex(issuer string, audience ...string) Preset {
	p := of(auth.Config{
		Issuer:                issuer,
		Audiences:             audience,
		Types:                 []string{""},
		RequiredClaims:        []string{"sub", "iat"},
		InsecureAllowIDTokens: true,
	}, given("issuer", []string{issuer}), given("audience", audience))
	p.IntrospectionURL = strings.TrimRight(issuer, "/") + "/token/introspect"
	return p
}

// FusionAuth is for an application of FusionAuth whose key is an RSA or EC key; an HMAC cannot be
// used. The issuer is the tenant's setting, which need not be a URL; baseURL is where FusionAuth
// runs. The audience is the application's ID.
func FusionAuth(baseURL, issuer string, application ...string) Preset {
	p := of(auth.Config{
		Issuer:         issuer,
		Audiences:      application,
		Types:          []string{"JWT"},
		ClientIDClaims: []string{"applicationId"},
		RequiredClaims: []string{"sub", "iat"},
	}, given("base URL", []string{baseURL}), given("issuer", []string{issuer}), given("application", application))
	p.KeySetURL = baseURL + "/.well-known/jwks.json"
	p.IntrospectionURL = baseURL + "/oauth2/introspect"
	return p
}

// PingOne is for a custom resource of a PingOne environment. The top-level domain is the region's:
// com, eu, ca, asia. The audience is the resource's.
func PingOne(topLevelDomain, environment string, audience ...string) Preset {
	p := of(auth.Config{
		Issuer:         "https://auth.pingone." + topLevelDomain + "/" + environment + "/as",
		Audiences:      audience,
		Types:          []string{"", "at+jwt"}, // always at+jwt from March 2027
		RequiredClaims: []string{"client_id", "iat"},
	}, host("top-level domain", topLevelDomain), segmentOf("environment", environment), given("audience", audience))
	p.IntrospectionURL = p.Config.Issuer + "/introspect"
	return p
}

// Google is refused: Google's access tokens are opaque, and for Google's own APIs. Its ID tokens
// say who logged in to an application, not what a caller may do.
func Google() Preset {
	return refused("Google's access tokens are opaque and cannot guard an API; " +
		"let your own authorization server log people in with Google")
}
