package provider_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

// TestSiblings are good tokens of the same issuer and for the same audience that are another's, or
// nobody's. Each is the accepted sample with what tells it apart.
func TestSiblings(t *testing.T) {
	type claims = map[string]any
	for _, tt := range []struct {
		name   string
		of     string // the case
		claims claims
		want   auth.Reason
	}{
		{"a subject that is no service account", "Kubernetes, for this API", claims{"sub": "system:node:worker"}, auth.ReasonClaimsRefused},
		{"a token for a year", "Kubernetes, for this API", claims{"exp": 365 * 24 * time.Hour}, auth.ReasonTokenTooOld},
		{"another owner's job", "GitHub Actions", claims{"repository_owner_id": "66", "repository_owner": "octo-org"}, auth.ReasonClaimInvalid},
		{"another owner's job, for two owners", "GitHub Actions, one of two owners", claims{"repository_owner_id": "66"}, auth.ReasonClaimsRefused},
		{"an owner that is a number", "GitHub Actions, one of two owners", claims{"repository_owner_id": 65}, auth.ReasonClaimsRefused},
		{"a job without an owner", "GitHub Actions", claims{"repository_owner_id": nil}, auth.ReasonClaimInvalid},
		{"another enterprise's issuer", "GitHub Actions", claims{"iss": "https://token.actions.githubusercontent.com/octocat-inc"}, auth.ReasonIssuerNotTrusted},
		{"another namespace's job", "GitLab CI", claims{"namespace_id": "73", "namespace_path": "my-group"}, auth.ReasonClaimInvalid},
		{"another namespace's job, for two", "GitLab CI, one of two namespaces", claims{"namespace_id": "73"}, auth.ReasonClaimsRefused},
		{"a person's login with GitLab", "GitLab CI", claims{"namespace_id": nil, "project_id": nil, "sub": "1"}, auth.ReasonClaimInvalid},
		{"an ID token without a nonce", "WorkOS, of the reference", claims{"jti": nil, "sid": nil, "name": "Leroy Jenkins"}, auth.ReasonClaimInvalid},
		{"another environment's client ID", "WorkOS, of the reference", claims{"aud": "client_987654321"}, auth.ReasonAudienceMismatch},
		{"another origin", "Clerk", claims{"azp": "https://evil.example"}, auth.ReasonAudienceMismatch},
		{"no origin", "Clerk", claims{"azp": nil}, auth.ReasonAudienceMismatch},
		{"an audience", "Clerk", claims{"aud": "orders-api"}, auth.ReasonAudienceMismatch},
		{"no session", "Clerk", claims{"sid": nil}, auth.ReasonClaimInvalid},
		{"a session that has ended", "Clerk", claims{"sts": "ended"}, auth.ReasonClaimsRefused},
		{"an anonymous user", "Supabase", claims{"is_anonymous": true}, auth.ReasonClaimsRefused},
		{"an anonymous user, as text", "Supabase", claims{"is_anonymous": "true"}, auth.ReasonClaimsRefused},
		{"the service's role", "Supabase", claims{"role": "service_role"}, auth.ReasonClaimInvalid},
		{"nobody's role", "Supabase", claims{"role": "anon"}, auth.ReasonClaimInvalid},
		{"no session of Supabase", "Supabase", claims{"session_id": nil}, auth.ReasonClaimInvalid},
		{"a session token of the team", "Cloudflare Access, person", claims{"type": "org"}, auth.ReasonClaimInvalid},
		{"nobody", "Cloudflare Access, service token", claims{"common_name": nil}, auth.ReasonClaimsRefused},
		{"another application", "Cloudflare Access, person", claims{"aud": []string{"0000fc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"}}, auth.ReasonAudienceMismatch},
		{"another team", "Cloudflare Access, person", claims{"iss": "https://otherteam.cloudflareaccess.com"}, auth.ReasonIssuerNotTrusted},
		{"another service account", "Google Cloud", claims{"email": "other@my-project.iam.gserviceaccount.com"}, auth.ReasonClaimsRefused},
		{"an address that is not verified", "Google Cloud", claims{"email_verified": false}, auth.ReasonClaimsRefused},
		{"an address that is verified as text", "Google Cloud", claims{"email_verified": "true"}, auth.ReasonClaimsRefused},
		{"no address", "Google Cloud", claims{"email": nil, "email_verified": nil}, auth.ReasonClaimsRefused},
		{"another account by ID", "Google Cloud, by ID", claims{"sub": "208876543210987654321"}, auth.ReasonClaimsRefused},
		{"a person with a nonce", "Google Cloud", claims{"nonce": "n"}, auth.ReasonIDToken},
		{"the issuer without a scheme", "Google Cloud", claims{"iss": "accounts.google.com"}, auth.ReasonIssuerNotTrusted},
		{"another backend", "Google IAP", claims{"aud": "/projects/123456789012/global/backendServices/1"}, auth.ReasonAudienceMismatch},
		{"a token of IAP without a subject", "Google IAP", claims{"sub": nil}, auth.ReasonClaimInvalid},
		{"a token for an hour", "Google IAP", claims{"exp": time.Hour}, auth.ReasonTokenTooOld},
		{"an anonymous user of Firebase", "Firebase", claims{"firebase": claims{"sign_in_provider": "anonymous"}}, auth.ReasonClaimsRefused},
		{"no provider", "Firebase", claims{"firebase": nil}, auth.ReasonClaimsRefused},
		{"a tenant's user, where none is named", "Firebase", claims{"firebase": claims{"sign_in_provider": "password", "tenant": "acme-1"}}, auth.ReasonClaimsRefused},
		{"another tenant's user", "Firebase, user of a tenant", claims{"firebase": claims{"sign_in_provider": "password", "tenant": "acme-2"}}, auth.ReasonClaimsRefused},
		{"no tenant's user", "Firebase, user of a tenant", claims{"firebase": claims{"sign_in_provider": "password"}}, auth.ReasonClaimsRefused},
		{"another project", "Firebase", claims{"iss": "https://securetoken.google.com/other", "aud": "other"}, auth.ReasonIssuerNotTrusted},
		{"another project's audience", "Firebase", claims{"aud": "other"}, auth.ReasonAudienceMismatch},
		{"a session cookie", "Firebase", claims{"iss": "https://session.firebase.google.com/my-project"}, auth.ReasonIssuerNotTrusted},
		{"a login that is to come", "Firebase", claims{"auth_time": time.Now().Add(time.Hour).Unix()}, auth.ReasonClaimsRefused},
		{"a subject that is too long", "Firebase", claims{"sub": strings.Repeat("x", 129)}, auth.ReasonClaimsRefused},
		{"no login time", "Firebase", claims{"auth_time": nil}, auth.ReasonClaimInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := slices.IndexFunc(cases, func(c sampleCase) bool { return c.name == tt.of })
			if i < 0 || cases[i].reason != "" {
				t.Fatalf("%q is no case that is accepted", tt.of)
			}
			if lifetime, ok := tt.claims["exp"].(time.Duration); ok {
				tt.claims["exp"] = time.Now().Add(lifetime).Unix()
			}
			r := newRig(t, cases[i].file, cases[i].sample, cases[i].preset, cases[i].edits)
			if _, err := r.verify(nil, nil); err != nil {
				t.Fatalf("the token that it is a sibling of: %v", err)
			}
			if _, err := r.verify(nil, tt.claims); reason(err) != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// More can be asked of a job, whether there is one owner or two.
func TestJobsOfOneRepository(t *testing.T) {
	for _, owners := range [][]string{{"65"}, {"64", "65"}} {
		p := provider.GitHubActions(owners, "https://github.com/octo-org")
		p.Config.FixedClaims["repository_id"] = "74"
		r := newRig(t, "github-actions", "environment prod", p, nil)
		if _, err := r.verify(nil, nil); err != nil {
			t.Errorf("owners %q: %v", owners, err)
		}
		if _, err := r.verify(nil, map[string]any{"repository_id": "75"}); reason(err) != auth.ReasonClaimInvalid {
			t.Errorf("owners %q: another repository: %v", owners, err)
		}
	}
}

// Where a JWT template adds an audience, the origin counts all the same.
func TestClerkWithAnAudience(t *testing.T) {
	p := provider.Clerk("clerk.your-site.com", "https://example.com")
	p.Config.Audiences = []string{"orders-api"}
	r := newRig(t, "clerk", "session token v2", p, map[string]any{"aud": "orders-api"})
	if _, err := r.verify(nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := r.verify(nil, map[string]any{"azp": "https://evil.example"}); reason(err) != auth.ReasonClaimsRefused {
		t.Errorf("another origin: %v", err)
	}
}

// Cloudflare publishes its keys beside certificates in PEM, which are no part of a key set.
func TestCloudflareKeySet(t *testing.T) {
	doc, err := json.Marshal(map[string]any{
		"keys":         keyMembers(t, load(t, "cloudflare-access"), "k1"),
		"public_cert":  map[string]any{"kid": "k1", "cert": "-----BEGIN CERTIFICATE-----"},
		"public_certs": []any{map[string]any{"kid": "k1", "cert": "-----BEGIN CERTIFICATE-----"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := jwks.Parse(doc); err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}
