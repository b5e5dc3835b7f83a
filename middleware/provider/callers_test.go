package provider_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/provider"
)

// everybodys are presets of issuers that serve everybody, and who is none of their callers.
var everybodys = []struct {
	name, file, sample string
	preset             provider.Preset
	edits              map[string]any // that make the sample a token of p with the audience "orders-api"
	others             map[string]any // that make it somebody else's
}{
	{"one owner", "github-actions", "environment prod", provider.GitHubActions([]string{"65"}, "orders-api"), nil, map[string]any{"repository_owner_id": "66"}},
	{"two owners", "github-actions", "environment prod", provider.GitHubActions([]string{"64", "65"}, "orders-api"), nil, map[string]any{"repository_owner_id": "66"}},
	{"one namespace", "gitlab-ci", "job", provider.GitLabCI("https://gitlab.example.com", []string{"72"}, "orders-api"), nil, map[string]any{"namespace_id": "73"}},
	{"two namespaces", "gitlab-ci", "job", provider.GitLabCI("https://gitlab.example.com", []string{"71", "72"}, "orders-api"), nil, map[string]any{"namespace_id": "73"}},
	{"a service account", "google-cloud", "service account to Cloud Run", provider.GoogleCloud([]string{"billing@my-project.iam.gserviceaccount.com"}, "orders-api"), nil,
		map[string]any{"email": "other@my-project.iam.gserviceaccount.com"}},
	{"one tenant", "firebase", "password user", provider.Firebase("my-project", "acme-1"), inTenant("acme-1"), inTenant("acme-2")},
	{"two tenants", "firebase", "password user", provider.Firebase("my-project", "acme-0", "acme-1"), inTenant("acme-1"), inTenant("acme-2")},
	{"an origin", "clerk", "session token v2", provider.Clerk("clerk.your-site.com", "https://example.com"), nil, map[string]any{"azp": "https://evil.example"}},
}

// inTenant are claims of a user of Firebase who belongs to a tenant.
func inTenant(id string) map[string]any {
	return map[string]any{"firebase": map[string]any{"sign_in_provider": "password", "tenant": id}}
}

// Who asks for more of a token by claims and checks of his own does not let everybody in.
func TestCallersAreCheckedWhateverConfigBecomes(t *testing.T) {
	for _, tt := range everybodys {
		for how, change := range map[string]func(*auth.Config){
			"as it is":     func(*auth.Config) {},
			"other claims": func(c *auth.Config) { c.FixedClaims = map[string]string{"more": "yes"} },
			"no claims":    func(c *auth.Config) { c.FixedClaims = nil },
			"other checks": func(c *auth.Config) {
				c.Checks = []func(*auth.Principal) error{func(*auth.Principal) error { return nil }}
			},
			"none of these": func(c *auth.Config) { c.FixedClaims, c.Checks = nil, nil },
		} {
			p := tt.preset
			p.Config.Audiences = []string{"orders-api"}
			change(&p.Config)
			edits := map[string]any{"aud": "orders-api", "more": "yes"}
			maps.Copy(edits, tt.edits)
			r := newRig(t, tt.file, tt.sample, p, edits)
			if _, err := r.verify(nil, nil); err != nil {
				t.Errorf("%s, %s: %v", tt.name, how, err)
			}
			if _, err := r.verify(nil, tt.others); reason(err) != auth.ReasonClaimInvalid && reason(err) != auth.ReasonClaimsRefused {
				t.Errorf("%s, %s: somebody else: %v", tt.name, how, err)
			}
			for claim := range tt.others { // in forms that others might read as the caller's
				for _, value := range []any{nil, "", " ", []string{"65", "72"}, 65, 72, true, map[string]any{"65": "72"}, "065", "65 ", "65\x00", "６５", "HTTPS://EXAMPLE.COM", "https://example.com/",
					"https://example.com.evil.example", "billing@my-project.iam.gserviceaccount.com.evil.example", "Billing@my-project.iam.gserviceaccount.com"} {
					if _, err := r.verify(nil, map[string]any{claim: value}); err == nil {
						t.Errorf("%s, %s: %s is %v, and accepted", tt.name, how, claim, value)
					}
				}
			}
		}
	}
}

// So it is where no tenant is named: users of tenants are others.
func TestTenantsAreRefusedWhateverConfigBecomes(t *testing.T) {
	p := provider.Firebase("my-project")
	p.Config.Checks = nil
	r := newRig(t, "firebase", "password user", p, nil)
	if _, err := r.verify(nil, nil); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"acme-1", ""} {
		if _, err := r.verify(nil, inTenant(id)); reason(err) != auth.ReasonClaimsRefused {
			t.Errorf("a user of tenant %q: %v", id, err)
		}
	}
}

// So it is where the issuer is asked about the token.
func TestCallersAreCheckedInAnswers(t *testing.T) {
	answer := `{"active":true,"iss":"https://token.actions.githubusercontent.com","aud":"orders-api","sub":"repo","client_id":"c","repository_owner_id":"66"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answer))
	}))
	defer s.Close()
	p := provider.GitHubActions([]string{"65"}, "orders-api")
	p.IntrospectionURL = s.URL
	i := must(p.Introspector(introspect.Basic("api", introspect.FixedSecret("secret")), nil))
	defer i.Close()
	if _, err := i.VerifyToken(t.Context(), "opaque"); reason(err) != auth.ReasonClaimsRefused {
		t.Errorf("another owner: %v", err)
	}
}
