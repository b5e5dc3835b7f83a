package provider

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Names are the names that Named takes.
func Names() []string {
	return []string{
		"auth0", "aws-alb", "clerk", "cloudflare-access", "cognito", "dex", "entra", "entra-v1", "firebase", "fusionauth",
		"github-actions", "gitlab-ci", "google", "google-cloud", "google-iap", "hydra", "identityserver", "keycloak", "kubernetes",
		"okta", "pingone", "supabase", "workos", "zitadel",
	}
}

// Named returns the preset of that name for an issuer given by its URL, for programs that take both
// from flags. The audience is the app client's ID for cognito, and may be empty for clerk, firebase
// and supabase, whose tokens name no API.
//
// Callers are those who may call, where the issuer serves everybody. They are owner IDs for
// github-actions, namespace IDs for gitlab-ci, service accounts for google-cloud and origins for
// clerk. For firebase they are tenants, and there may be none. For the others they are an error.
func Named(name, issuer, audience string, callers ...string) (Preset, error) {
	var audiences []string
	if audience != "" {
		audiences = []string{audience}
	}
	return namedFor(name, issuer, audiences, callers)
}

// namedFor is Named for several audiences.
func namedFor(name, issuer string, audiences, callers []string) (Preset, error) {
	p := named(name, issuer, audiences, callers)
	if p.err == nil && p.Config.Issuer != issuer { // check: named-issuer
		p.err = fmt.Errorf("provider: the issuer of %s for this tenant is %q, not %q", name, p.Config.Issuer, issuer)
	}
	if p.err == nil && len(callers) > 0 && !slices.Contains(callersOf, name) { // check: named-callers
		p.err = fmt.Errorf("provider: %s takes no callers: rules say who may call", name)
	}
	return p, p.err
}

// callersOf are the presets that take callers.
var callersOf = []string{"clerk", "firebase", "github-actions", "gitlab-ci", "google-cloud"}

func named(name, issuer string, audience, callers []string) Preset {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		u = new(url.URL)
	}
	segment := func(i int) string {
		if parts := strings.Split(strings.Trim(u.Path, "/"), "/"); i < len(parts) {
			return parts[i]
		}
		return ""
	}
	switch name {
	case "auth0":
		return Auth0(u.Host, audience...)
	case "aws-alb":
		return AWSALB()
	case "clerk":
		return withAudience(Clerk(u.Host, callers...), audience)
	case "cloudflare-access":
		return CloudflareAccess(u.Host, audience...)
	case "cognito":
		region, _, _ := strings.Cut(strings.TrimPrefix(u.Host, "cognito-idp."), ".")
		return Cognito(region, segment(0), audience...)
	case "dex":
		return Dex(issuer, audience...)
	case "entra":
		if slices.Contains(microsoftV2, u.Host) { // check: entra-cloud
			return entra(u.Host, segment(0), audience)
		}
		return Entra(segment(0), audience...)
	case "entra-v1":
		if _, ok := microsoftV1[u.Host]; ok { // check: entra-v1-cloud
			return entraV1(u.Host, segment(0), audience)
		}
		return EntraV1(segment(0), audience...)
	case "firebase":
		return onlyAudience(Firebase(segment(0), callers...), audience)
	case "fusionauth":
		return FusionAuth(issuer, issuer, audience...)
	case "github-actions":
		return gitHubActions(issuer, callers, audience)
	case "gitlab-ci":
		return GitLabCI(issuer, callers, audience...)
	case "google":
		return Google()
	case "google-cloud":
		return GoogleCloud(callers, audience...)
	case "google-iap":
		return GoogleIAP(audience...)
	case "hydra":
		return Hydra(issuer, audience...)
	case "identityserver":
		return IdentityServer(issuer, audience...)
	case "keycloak":
		return Keycloak(issuer, audience...)
	case "kubernetes":
		return Kubernetes(issuer, audience...)
	case "okta":
		return Okta(u.Host, segment(1), audience...)
	case "pingone":
		return PingOne(strings.TrimPrefix(u.Host, "auth.pingone."), segment(0), audience...)
	case "supabase":
		return onlyAudience(Supabase(u.Host), audience)
	case "workos":
		return WorkOS(u.Host, audience...)
	case "zitadel":
		return ZITADEL(issuer, audience...)
	}
	return refused("%q is no preset; there are %v", name, Names())
}

// withAudience lets the tokens of p name an audience, too.
func withAudience(p Preset, audience []string) Preset {
	p.Config.Audiences = audience
	return p
}

// onlyAudience refuses any audience than the one that p knows itself.
func onlyAudience(p Preset, audience []string) Preset {
	if p.err == nil && len(audience) > 0 && !slices.Equal(audience, p.Config.Audiences) { // check: named-audience
		return refused("the audience is %q whatever the API: leave it out", p.Config.Audiences[0])
	}
	return p
}
