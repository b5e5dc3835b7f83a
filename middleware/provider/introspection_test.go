package provider_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/provider"
)

// answering is a Transport that answers every request with a text.
type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.WriteString(string(a))
	return w.Result(), nil
}

// Tokens of ZITADEL that only ZITADEL can read, in six lines.
func ExamplePreset_Introspector() {
	client := introspect.Basic("orders-api", introspect.FixedSecret("secret"))
	tokens, err := provider.ZITADEL("https://tenant.zitadel.cloud", "orders-api").Introspector(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	guard, err := auth.NewGuard(tokens, nil)
	fmt.Println(guard != nil, err)
	// Output: true <nil>
}

// hydra is Ory Hydra whose admin port is known.
func hydra(issuer, introspection string) provider.Preset {
	p := provider.Hydra(issuer, "orders-api")
	p.IntrospectionURL = introspection
	return p
}

// What providers answer, as their documentation shows it.
func TestIntrospector(t *testing.T) {
	client := introspect.Basic("orders-api", introspect.FixedSecret("secret"))
	for name, tt := range map[string]struct {
		preset provider.Preset
		url    string
		answer string
		want   auth.Reason
		check  func(*auth.Principal) bool
	}{
		"Keycloak": {
			provider.Keycloak("https://sso.example/realms/shop", "orders-api"), "https://sso.example/realms/shop/protocol/openid-connect/token/introspect",
			`{"active":true,"iss":"https://sso.example/realms/shop","aud":["orders-api","account"],"sub":"f:1","typ":"Bearer","azp":"app","client_id":"app","username":"alice","token_type":"Bearer",
				"scope":"openid read:orders","realm_access":{"roles":["admin"]},"exp":4102444800,"iat":1700000000}`, "",
			func(p *auth.Principal) bool {
				return p.HasScope("read:orders") && len(p.Roles()) == 1 && p.ClientID() == "app"
			},
		},
		"Keycloak, a refresh token": {
			provider.Keycloak("https://sso.example/realms/shop", "orders-api"), "",
			`{"active":true,"iss":"https://sso.example/realms/shop","aud":"orders-api","sub":"f:1","typ":"Refresh","azp":"app","exp":4102444800,"iat":1700000000}`, auth.ReasonTokenTypeNotAccepted, nil,
		},
		"Keycloak, bound to a DPoP key": { // keycloak#21919, and kc-jkt-type since 26.7
			provider.Keycloak("https://sso.example/realms/shop", "orders-api"), "",
			`{"active":true,"iss":"https://sso.example/realms/shop","aud":"orders-api","sub":"f:1","typ":"DPoP","azp":"app","client_id":"app","token_type":"DPoP",
				"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I","kc-jkt-type":"DPoP"},"scope":"read:orders","exp":4102444800,"iat":1700000000}`, "",
			func(p *auth.Principal) bool { return p.HasScope("read:orders") && p.Confirmation() != nil },
		},
		"PingAM, which names no audience": { // docs.pingidentity.com, /oauth2/introspect
			provider.Preset{Config: auth.Config{Issuer: "https://am.example/am/oauth2/realms/root/realms/alpha", Clients: []string{"myClient"}}, IntrospectionURL: "https://am.example/introspect"}, "",
			`{"active":true,"scope":"write","realm":"/alpha","client_id":"myClient","user_id":"myClient","username":"myClient","token_type":"Bearer","exp":4102444800,"sub":"(age!myClient)","subname":"myClient",
				"iss":"https://am.example/am/oauth2/realms/root/realms/alpha","auth_level":0,"authGrantId":"7tVy","auditTrackingId":"d1e7-12","expires_in":3599}`, "",
			func(p *auth.Principal) bool { return p.HasScope("write") && p.ClientID() == "myClient" },
		},
		"ZITADEL": {
			provider.ZITADEL("https://tenant.zitadel.cloud", "orders-api"), "https://tenant.zitadel.cloud/oauth/v2/introspect",
			`{"active":true,"scope":"openid","client_id":"app","token_type":"Bearer","exp":4102444800,"iat":1700000000,"nbf":1700000000,"sub":"163840776835432705","aud":["orders-api"],"iss":"https://tenant.zitadel.cloud","username":"alice","urn:zitadel:iam:org:project:roles":{"admin":{"1":"x"}}}`, "",
			func(p *auth.Principal) bool { return len(p.Roles()) == 1 },
		},
		"Okta": {
			provider.Okta("dev-1234.okta.com", "default", "api://default"), "https://dev-1234.okta.com/oauth2/default/v1/introspect",
			`{"active":true,"token_type":"Bearer","scope":"openid profile","client_id":"a9VpZDRCeFh3Nkk2VdYa","username":"john","exp":4102444800,"iat":1700000000,"sub":"john","aud":"api://default","iss":"https://dev-1234.okta.com/oauth2/default","jti":"AT.7P4","uid":"00uid"}`, "",
			func(p *auth.Principal) bool { return p.HasScope("profile") },
		},
		"PingOne": {
			provider.PingOne("eu", "b1a2c3d4-0000-4000-8000-123456789abc", "orders"), "https://auth.pingone.eu/b1a2c3d4-0000-4000-8000-123456789abc/as/introspect",
			`{"active":true,"scope":"read","client_id":"c","iss":"https://auth.pingone.eu/b1a2c3d4-0000-4000-8000-123456789abc/as","aud":["orders"],"exp":4102444800,"iat":1700000000,"token_type":"bearer"}`, "", nil,
		},
		"Hydra, by its admin port": {
			hydra("https://hydra.example/", "https://admin.hydra.example/admin/oauth2/introspect"), "",
			`{"active":true,"scope":"offline read:orders","client_id":"app","sub":"alice","exp":4102444800,"iat":1700000000,"nbf":1700000000,"aud":["orders-api"],"iss":"https://hydra.example/","token_type":"Bearer","token_use":"access_token"}`, "",
			func(p *auth.Principal) bool { return p.HasScope("read:orders") && p.Subject() == "alice" },
		},
		"Hydra, a refresh token": {
			hydra("https://hydra.example/", "https://admin.hydra.example/admin/oauth2/introspect"), "",
			`{"active":true,"scope":"offline","client_id":"app","sub":"alice","aud":["orders-api"],"iss":"https://hydra.example/","token_type":"Bearer","token_use":"refresh_token"}`, auth.ReasonTokenTypeNotAccepted, nil,
		},
		"FusionAuth": {
			provider.FusionAuth("https://auth.example", "acme.com", "3c219e58-ed0e-4b18-ad48-f4f92793ae32"), "https://auth.example/oauth2/introspect",
			`{"active":true,"applicationId":"3c219e58-ed0e-4b18-ad48-f4f92793ae32","aud":"3c219e58-ed0e-4b18-ad48-f4f92793ae32","exp":4102444800,"iat":1700000000,"iss":"acme.com","sub":"a"}`, "",
			func(p *auth.Principal) bool { return p.ClientID() != "" },
		},
		"IdentityServer": {
			provider.IdentityServer("https://id.example", "orders"), "https://id.example/connect/introspect",
			`{"active":true,"iss":"https://id.example","aud":"orders","client_id":"app","sub":"a","scope":"read","exp":4102444800,"nbf":1700000000}`, "", nil,
		},
		"inactive": {provider.IdentityServer("https://id.example", "orders"), "", `{"active":false}`, auth.ReasonTokenInactive, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.url != "" && tt.preset.IntrospectionURL != tt.url {
				t.Errorf("the endpoint is %s, want %s", tt.preset.IntrospectionURL, tt.url)
			}
			i, err := tt.preset.Introspector(client, &introspect.Config{Client: &http.Client{Transport: answering(tt.answer)}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
			p, err := i.VerifyToken(context.Background(), "2YotnFZFEjr1zCsicMWpAA")
			if got := reason(err); got != tt.want {
				t.Fatalf("refused for %q (%v), want %q", got, err, tt.want)
			}
			if err != nil && auth.AsError(err).Detail() == "" {
				t.Error("the log says no more than the reason")
			}
			if tt.check != nil && !tt.check(p) {
				t.Errorf("%v %v %v", p.Scopes(), p.Roles(), p.ClientID())
			}
		})
	}
	for name, p := range map[string]provider.Preset{"Hydra": provider.Hydra("https://hydra.example/", "orders"), "Auth0": provider.Auth0("tenant.eu.auth0.com", "orders")} {
		if _, err := p.Introspector(client, nil); err == nil || !strings.Contains(err.Error(), "IntrospectionURL") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := provider.Google().Introspector(client, nil); err == nil {
		t.Error("Google: no error")
	}
}

// What a program asks for beyond a preset is asked of answers, too.
func TestIntrospectorAsksForFixedClaimsThatWereAdded(t *testing.T) {
	answer := func(more string) string {
		return `{"active":true,"iss":"https://sso.example/realms/shop","aud":"orders-api","sub":"f:1","client_id":"app","exp":4102444800` + more + `}`
	}
	for name, tt := range map[string]struct {
		change func(*auth.Config)
		answer string
		want   auth.Reason
	}{
		"the preset's own are of JWTs": {func(*auth.Config) {}, answer(""), ""},
		"added, and met":               {func(c *auth.Config) { c.FixedClaims["tenant"] = "acme" }, answer(`,"tenant":"acme"`), ""},
		"added, and another":           {func(c *auth.Config) { c.FixedClaims["tenant"] = "acme" }, answer(`,"tenant":"other"`), auth.ReasonClaimInvalid},
		"added, and absent":            {func(c *auth.Config) { c.FixedClaims["tenant"] = "acme" }, answer(""), auth.ReasonClaimInvalid},
		"in place of the preset's": {
			func(c *auth.Config) { c.FixedClaims = map[string]string{"tenant": "acme"} }, answer(`,"tenant":"other"`), auth.ReasonClaimInvalid,
		},
		"another value than the preset's": {func(c *auth.Config) { c.FixedClaims["typ"] = "Own" }, answer(`,"typ":"Bearer"`), auth.ReasonClaimInvalid},
		"none":                            {func(c *auth.Config) { c.FixedClaims = nil }, answer(`,"tenant":"other"`), ""},
	} {
		p := provider.Keycloak("https://sso.example/realms/shop", "orders-api")
		tt.change(&p.Config)
		i, err := p.Introspector(introspect.NoClientAuth(), &introspect.Config{Client: &http.Client{Transport: answering(tt.answer)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.VerifyToken(t.Context(), "2YotnFZFEjr1zCsicMWpAA"); reason(err) != tt.want {
			t.Errorf("%s: refused for %q, want %q", name, reason(err), tt.want)
		}
		i.Close()
	}
}

// Signed answers are of the algorithms that the preset names.
func TestSignedAnswersByThePresetsAlgorithms(t *testing.T) {
	p := provider.Hydra("https://hydra.example", "orders-api")
	p.IntrospectionURL, p.Config.Algorithms = "https://hydra.example/introspect", []auth.Algorithm{auth.ES256}
	i, err := p.Introspector(introspect.NoClientAuth(), &introspect.Config{Signed: jwks.Static{}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if got := i.Algorithms(); len(got) != 1 || got[0] != auth.ES256 {
		t.Errorf("signed answers by %v", got)
	}
}
