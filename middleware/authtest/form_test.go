package authtest_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

const tenant = "b1a2c3d4-0000-4000-8000-123456789abc"

var presets = map[string]provider.Preset{
	"auth0":             provider.Auth0("tenant.eu.auth0.com", "https://api.example"),
	"clerk":             provider.Clerk("clerk.shop.example", "https://shop.example"),
	"cloudflare-access": provider.CloudflareAccess("acme.cloudflareaccess.com", "32eafc76"),
	"firebase":          provider.Firebase("my-project"),
	"github-actions":    provider.GitHubActions([]string{"65"}, "https://api.example"),
	"gitlab-ci":         provider.GitLabCI("https://gitlab.com", []string{"72", "73"}, "https://api.example"),
	"google-cloud":      provider.GoogleCloud([]string{"a@b.iam.gserviceaccount.com"}, "https://api.example"),
	"google-iap":        provider.GoogleIAP("/projects/1/apps/a"),
	"kubernetes":        provider.Kubernetes("https://kubernetes.default.svc.cluster.local", "orders-api"),
	"supabase":          provider.Supabase("a.supabase.co"),
	"workos":            provider.WorkOS("acme.authkit.app", "https://api.example"),
	"cognito":           provider.Cognito("eu-central-1", "eu-central-1_AbCdEfGhI", "7lhlkkfbfb4q5kpp90urffao"),
	"dex":               provider.Dex("https://dex.example", "orders-api"),
	"entra":             provider.Entra(tenant, "api"),
	"entra-v1":          provider.EntraV1(tenant, "api://orders"),
	"fusionauth":        provider.FusionAuth("https://auth.example", "acme.com", "e9fdb985-9173-4e01-9d73-ac2d60d1dc8e"),
	"hydra":             provider.Hydra("https://hydra.example/", "https://api.example"),
	"identityserver":    provider.IdentityServer("https://id.example", "orders"),
	"keycloak":          provider.Keycloak("https://sso.example/realms/shop", "orders-api"),
	"okta":              provider.Okta("dev-1234.okta.com", "default", "api://default"),
	"pingone":           provider.PingOne("eu", tenant, "https://api.example"),
	"zitadel":           provider.ZITADEL("https://tenant.zitadel.cloud", "270000000000000000"),
}

// Every preset has an issuer in its form: the API's own guard, as the preset makes it, takes its
// tokens and refuses its bad ones.
func TestIssuersInTheFormOfPresets(t *testing.T) {
	for _, name := range provider.Names() {
		p := presets[name]
		if name == "google" || name == "aws-alb" {
			continue // are no presets for an API
		}
		t.Run(name, func(t *testing.T) {
			options := &authtest.Options{Config: &p.Config, KeySetURL: p.KeySetURL, Claims: p.Example}
			if p.Config.Algorithms == nil {
				options.Algorithm = auth.ES256 // is quicker
			}
			issuer := authtest.NewIssuer(t, options)
			keys, err := p.Source(&jwks.Options{Client: issuer.Client()})
			if err != nil {
				t.Fatal(err)
			}
			guard, err := auth.NewWithKeys(keys, p.Config, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer guard.Close()
			if got := reasonFor(t, guard, issuer.Token("read:orders")); got != "" {
				t.Errorf("a good token: %v", got)
			}
			defects := issuer.Defects()
			for _, d := range defects {
				if got := reasonFor(t, guard, issuer.Token("read:orders", d)); got != d.Reason() {
					t.Errorf("%s: %v, want %v", d, got, d.Reason())
				}
			}
			for _, d := range []authtest.Defect{authtest.Expired, authtest.WrongIssuer, authtest.WrongAudience, authtest.WrongKey, authtest.SenderConstrained} {
				if !slices.Contains(defects, d) {
					t.Errorf("%s is not among the defects", d)
				}
			}
			own, err := p.Guard(&auth.GuardOptions{Keys: &jwks.Options{Client: issuer.Client()}}) // which knows the proxy's header
			if err != nil {
				t.Fatal(err)
			}
			defer own.Close()
			authtest.AssertGuarded(t, issuer, own.Require("read:orders")(http.HandlerFunc(listOrders)),
				auth.Rules{"/": auth.Scopes("read:orders")}, &authtest.GuardedOptions{Header: p.Header})
		})
	}
}

func TestAnIssuerOfAConfigOverASocket(t *testing.T) {
	p := presets["keycloak"]
	issuer := authtest.NewIssuer(t, &authtest.Options{Config: &p.Config, Socket: true})
	if got := reasonFor(t, issuer.Guard(nil), issuer.Token("read:orders")); got != "" {
		t.Errorf("a good token: %v", got)
	}
	if p.Config.Issuer != "https://sso.example/realms/shop" {
		t.Errorf("the Config that was given has changed: %s", p.Config.Issuer)
	}
}

func TestAConfigMayRequireClaimsOfItsOwn(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Config: &auth.Config{
		Issuer: "https://issuer.example", Audiences: []string{"a"}, RequiredClaims: []string{"tenant", "client_id"}, Algorithms: []auth.Algorithm{auth.ES256},
	}})
	if got := reasonFor(t, issuer.Guard(nil), issuer.Token("read:orders")); got != "" {
		t.Errorf("a good token: %v", got)
	}
	if got := reasonFor(t, issuer.Guard(nil), issuer.Token("read:orders", authtest.Claims{"tenant": authtest.Absent})); got != auth.ReasonClaimInvalid {
		t.Errorf("without the claim: %v, want %v", got, auth.ReasonClaimInvalid)
	}
	if issuer.Config().Algorithms[0] != auth.ES256 {
		t.Error("another algorithm")
	}
}
