package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

// environ sets the variables of NAME=value for the test, and no others of the prefix.
func environ(t *testing.T, variables ...string) {
	t.Helper()
	set := map[string]string{}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		set[name] = value
	}
	t.Cleanup(setenv(set))
}

// form is the form of a preset's tokens.
func form(p provider.Preset) *auth.Config { return &p.Config }

func TestFromEnv(t *testing.T) {
	for _, tt := range []struct {
		name      string
		variables []string
		tokens    authtest.Options
	}{
		{"RFC 9068", []string{"BEARWARD_ISSUER=https://issuer.example", "BEARWARD_AUDIENCE=https://api.example"}, authtest.Options{}},
		{"the second audience", []string{"BEARWARD_ISSUER=https://issuer.example", "BEARWARD_AUDIENCE=orders, https://api.example"}, authtest.Options{}},
		{"a preset", []string{"BEARWARD_PRESET=keycloak", "BEARWARD_ISSUER=https://sso.example/realms/shop", "BEARWARD_AUDIENCE=orders-api"},
			authtest.Options{Config: form(provider.Keycloak("https://sso.example/realms/shop", "orders-api"))}},
		{"a preset with callers", []string{"BEARWARD_PRESET=gitlab-ci", "BEARWARD_ISSUER=https://gitlab.com", "BEARWARD_AUDIENCE=orders-api", "BEARWARD_CALLERS=72, 73"},
			authtest.Options{Config: form(provider.GitLabCI("https://gitlab.com", []string{"73"}, "orders-api"))}},
		{"a preset without audience", []string{"BEARWARD_PRESET=clerk", "BEARWARD_ISSUER=https://clerk.shop.example", "BEARWARD_CALLERS=https://shop.example"},
			authtest.Options{Config: form(provider.Clerk("clerk.shop.example", "https://shop.example")), KeySetURL: "https://clerk.shop.example/.well-known/jwks.json"}},
		{"keys elsewhere", []string{"BEARWARD_ISSUER=https://issuer.example", "BEARWARD_AUDIENCE=https://api.example", "BEARWARD_KEY_SET_URL=https://keys.example/set"},
			authtest.Options{KeySetURL: "https://keys.example/set"}},
		{"a proxy", []string{"BEARWARD_PRESET=cloudflare-access", "BEARWARD_ISSUER=https://acme.cloudflareaccess.com", "BEARWARD_AUDIENCE=a"},
			authtest.Options{Config: form(provider.CloudflareAccess("acme.cloudflareaccess.com", "a")), KeySetURL: "https://acme.cloudflareaccess.com/cdn-cgi/access/certs"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			environ(t, tt.variables...)
			issuer := authtest.NewIssuer(t, &tt.tokens)
			guard, err := provider.FromEnv(&auth.GuardOptions{Keys: &jwks.Options{Client: issuer.Client()}})
			if err != nil {
				t.Fatal(err)
			}
			defer guard.Close()
			poll(t, func() bool { return guard.Ready() == nil })
			ask := func(changes ...authtest.Change) error {
				token := issuer.Token("read", changes...)
				c := auth.Credentials{Authorization: []string{"Bearer " + token}}
				if tt.name == "a proxy" {
					c = auth.Credentials{Header: http.Header{"Cf-Access-Jwt-Assertion": {token}}}
				}
				_, err := guard.Authorize(t.Context(), c, auth.Scopes("read"))
				return err
			}
			if err := ask(); err != nil {
				t.Error(err)
			}
			if err := ask(authtest.WrongAudience); err == nil {
				t.Error("a token for another API is accepted")
			}
		})
	}
}

// What the environment says is understood, or there is no Guard.
func TestFromEnvIsStrict(t *testing.T) {
	good := []string{"BEARWARD_ISSUER=https://issuer.example", "BEARWARD_AUDIENCE=https://api.example"}
	for name, tt := range map[string]struct {
		variables []string
		want      []string
	}{
		"nothing":             {nil, []string{"BEARWARD_ISSUER is required", "BEARWARD_AUDIENCE is required"}},
		"no issuer":           {good[1:], []string{"BEARWARD_ISSUER is required"}},
		"no audience":         {good[:1], []string{"BEARWARD_AUDIENCE is required"}},
		"an empty audience":   {append(good[:1:1], "BEARWARD_AUDIENCE= "), []string{"BEARWARD_AUDIENCE is set, and empty"}},
		"an empty preset":     {append(good[:2:2], "BEARWARD_PRESET="), []string{"BEARWARD_PRESET is set, and empty"}},
		"an empty part":       {append(good[:1:1], "BEARWARD_AUDIENCE=a,,b"), []string{`BEARWARD_AUDIENCE has an empty part: "a,,b"`}},
		"two unknown":         {append(good[:2:2], "BEARWARD_AUDIENCES=a", "BEARWARD_TENANT=b"), []string{"BEARWARD_AUDIENCES is none of BEARWARD_ISSUER, BEARWARD_AUDIENCE", "BEARWARD_TENANT is none of"}},
		"a Service's":         {append(good[:2:2], "BEARWARD_SERVICE_HOST=10.0.0.1", "BEARWARD_PORT=tcp://10.0.0.1:80"), []string{"BEARWARD_SERVICE_HOST is none of", "BEARWARD_PORT is none of", "enableServiceLinks: false"}},
		"an unknown preset":   {append(good[:2:2], "BEARWARD_PRESET=keycloack"), []string{`BEARWARD_PRESET "keycloack" is none of auth0, `, ", keycloak, "}},
		"another's issuer":    {append(good[:2:2], "BEARWARD_PRESET=google-iap"), []string{"google-iap", "BEARWARD_ISSUER"}},
		"callers of nobody":   {append(good[:2:2], "BEARWARD_CALLERS=alice"), []string{"BEARWARD_CALLERS needs BEARWARD_PRESET"}},
		"a preset's callers":  {append(good[:1:1], "BEARWARD_AUDIENCE=a", "BEARWARD_PRESET=gitlab-ci"), []string{"namespace is required", "BEARWARD_CALLERS"}},
		"no preset's callers": {append(good[:2:2], "BEARWARD_PRESET=zitadel", "BEARWARD_CALLERS=alice"), []string{"zitadel takes no callers"}},
	} {
		t.Run(name, func(t *testing.T) {
			environ(t, tt.variables...)
			g, err := provider.FromEnv(&auth.GuardOptions{Keys: &jwks.Options{Client: &http.Client{Transport: nowhere{}}}})
			if err == nil {
				g.Close()
				t.Fatal("there is a Guard")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
		})
	}
}
