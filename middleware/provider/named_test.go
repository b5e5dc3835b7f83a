package provider_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/middleware/provider"
)

func TestNamed(t *testing.T) {
	issuers := map[string]string{
		"auth0": "https://tenant.eu.auth0.com/", "cognito": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_x", "dex": "https://dex.example/dex",
		"entra": "https://login.microsoftonline.com/" + tenant + "/v2.0", "entra-v1": "https://sts.windows.net/" + tenant + "/",
		"fusionauth": "https://auth.example", "hydra": "https://hydra.example/", "identityserver": "https://ids.example", "keycloak": "https://kc.example/realms/a",
		"clerk": "https://clerk.shop.example", "cloudflare-access": "https://acme.cloudflareaccess.com", "firebase": "https://securetoken.google.com/my-project",
		"github-actions": "https://token.actions.githubusercontent.com", "gitlab-ci": "https://gitlab.com", "google-cloud": "https://accounts.google.com",
		"google-iap": "https://cloud.google.com/iap", "kubernetes": "https://kubernetes.default.svc.cluster.local", "supabase": "https://a.supabase.co/auth/v1", "workos": "https://acme.authkit.app",
		"okta": "https://dev.okta.com/oauth2/default", "pingone": "https://auth.pingone.eu/abc/as", "zitadel": "https://z.example",
	}
	audiences := map[string]string{"clerk": "", "firebase": "", "google-iap": "/projects/1/apps/a", "supabase": ""}
	callers := map[string][]string{"clerk": {"https://shop.example"}, "github-actions": {"65"}, "gitlab-ci": {"72"}, "google-cloud": {"1"}}
	refused := map[string]string{"google": "opaque", "aws-alb": "no audience"}
	for _, name := range provider.Names() {
		audience, ok := audiences[name]
		if !ok {
			audience = "api"
		}
		p, err := provider.Named(name, issuers[name], audience, callers[name]...)
		if want, ok := refused[name]; ok {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || p.Config.Issuer != issuers[name] {
			t.Errorf("%s: issuer %q, %v", name, p.Config.Issuer, err)
		}
	}
	for _, other := range []struct{ name, issuer, keys string }{ // of other clouds, and older addresses
		{"entra", "https://login.microsoftonline.us/" + tenant + "/v2.0", ""},
		{"entra", "https://login.partner.microsoftonline.cn/" + tenant + "/v2.0", ""},
		{"entra", "https://login.chinacloudapi.cn/" + tenant + "/v2.0", ""},
		{"entra-v1", "https://sts.chinacloudapi.cn/" + tenant + "/", "https://login.partner.microsoftonline.cn/" + tenant + "/discovery/v2.0/keys"},
		{"entra-v1", "https://sts.windows.net/" + tenant + "/", "https://login.microsoftonline.com/" + tenant + "/discovery/v2.0/keys"},
		{"cognito", "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_x", ""},
		{"cognito", "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_x", ""},
		{"cognito", "https://cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_x", ""},
		{"keycloak", "https://kc.example/auth/realms/a", ""},
	} {
		p, err := provider.Named(other.name, other.issuer, "api")
		if err != nil || p.Config.Issuer != other.issuer || p.KeySetURL != other.keys {
			t.Errorf("%s: issuer %q, keys %q, %v", other.issuer, p.Config.Issuer, p.KeySetURL, err)
		}
	}
	for _, issuer := range []string{
		"https://login.microsoftonline.us.evil.example/" + tenant + "/v2.0", "https://login.microsoftonline.de/" + tenant + "/v2.0", "https://sts.windows.net/" + tenant + "/",
		"http://login.microsoftonline.us/" + tenant + "/v2.0", "https://login.microsoftonline.us/" + tenant + "/v1.0", "https://login.microsoftonline.us:444/" + tenant + "/v2.0",
	} {
		if _, err := provider.Named("entra", issuer, "api"); err == nil {
			t.Errorf("entra for %s was accepted", issuer)
		}
	}
	for _, issuer := range []string{
		"https://cognito-idp.cn-north-1.amazonaws.com/cn-north-1_x", "https://cognito-idp.us-west-2.amazonaws.com.cn/us-west-2_x", "https://cognito-idp.us-west-2.amazonaws.com.evil.example/us-west-2_x",
	} {
		if _, err := provider.Named("cognito", issuer, "api"); err == nil {
			t.Errorf("cognito for %s was accepted", issuer)
		}
	}
	for name, issuer := range map[string]string{
		"auth0": "https://tenant.eu.auth0.com", "okta": "https://dev.okta.com", "entra": "https://login.microsoftonline.com/common/v2.0", "nobody": "https://x.example",
	} {
		if _, err := provider.Named(name, issuer, "api"); err == nil {
			t.Errorf("%s for %s was accepted", name, issuer)
		}
	}
}

// Who may call is asked for where everybody has tokens of the issuer, and refused where rules say
// it.
func TestNamedCallers(t *testing.T) {
	for _, tt := range []struct {
		name, issuer, audience string
		callers                []string
		want                   string
	}{
		{"github-actions", "https://token.actions.githubusercontent.com", "api", nil, "owner is required"},
		{"gitlab-ci", "https://gitlab.com", "api", nil, "namespace is required"},
		{"google-cloud", "https://accounts.google.com", "api", nil, "caller is required"},
		{"clerk", "https://clerk.shop.example", "", nil, "origin is required"},
		{"keycloak", "https://kc.example/realms/a", "api", []string{"alice"}, "keycloak takes no callers"},
		{"supabase", "https://a.supabase.co/auth/v1", "orders-api", nil, `the audience is "authenticated" whatever the API`},
		{"firebase", "https://securetoken.google.com/my-project", "orders-api", nil, `the audience is "my-project"`},
		{"github-actions", "https://token.actions.githubusercontent.com/", "api", []string{"65"}, "the issuer of github-actions"},
		{"github-actions", "https://token.actions.githubusercontent.com/octocat-inc/x", "api", []string{"65"}, "the issuer of github-actions"},
		{"github-actions", "https://token.actions.githubusercontent.com.evil.example", "api", []string{"65"}, "the issuer of github-actions"},
		{"github-actions", "http://github.example/_services/token", "api", []string{"65"}, "is not an https URL"},
		{"cloudflare-access", "https://acme.cloudflareaccess.com/", "a", nil, "the issuer of cloudflare-access"},
	} {
		if _, err := provider.Named(tt.name, tt.issuer, tt.audience, tt.callers...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	for _, issuer := range []string{"https://github.example/_services/token", "https://token.actions.githubusercontent.com/octocat-inc"} {
		p, err := provider.Named("github-actions", issuer, "api", "65")
		if err != nil || p.Config.Issuer != issuer {
			t.Errorf("an enterprise: issuer %q, want %q, %v", p.Config.Issuer, issuer, err)
		}
	}
	p, err := provider.Named("clerk", "https://clerk.shop.example", "orders-api", "https://shop.example")
	if err != nil || !slices.Equal(p.Config.Audiences, []string{"orders-api"}) {
		t.Errorf("Clerk with an audience: %q, %v", p.Config.Audiences, err)
	}
}
