package provider_test

import (
	"slices"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

const (
	tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	entra1 = "fa15d692-e9c7-4460-a743-29f29522229"
	api2   = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
	api1   = "ef1da9d4-ff77-4c3e-a005-840c3f830745"
)

// Issuers without a preset, as their users write them; and Hydra for clients in place of an
// audience.
var (
	adfs = provider.Preset{Config: auth.Config{
		Issuer: "http://adfs.example/adfs/services/trust", Audiences: []string{"microsoft:identityserver:https://api.example"}, Types: []string{"JWT"},
		ScopeClaim: "scp", ClientIDClaims: []string{"appid"}, RolesClaim: []string{"role"}, RequiredClaims: []string{"client_id", "iat"},
	}}
	pingAM = provider.Preset{Config: auth.Config{
		Issuer: "http://am.example.test:8080/openam/oauth2/demo", Audiences: []string{"orders_gateway"}, Types: []string{"JWT"}, ScopeArray: true,
		FixedClaims: map[string]string{"tokenName": "access_token"}, RequiredClaims: []string{"sub", "iat", "jti"},
	}}
	authentik = provider.Preset{Config: auth.Config{
		Issuer: "https://authentik.example.test/application/o/orders/", Audiences: []string{"orders-client"}, Types: []string{"JWT"},
		ClientIDClaims: []string{"azp"}, RequiredClaims: []string{"sub", "iat", "client_id", "uid"}, IDTokenClaims: []string{"at_hash", "c_hash"},
	}}
	supabase     = provider.Supabase("abcdefghijklmnopqrst.supabase.co")
	hydraClients = func() provider.Preset {
		p := provider.Hydra("https://hydra.example.test/", "https://api.my-cloud.com/user")
		p.Config.Clients = []string{"c1"}
		return p
	}()
)

// expectation is what a Principal must say of a sample.
type expectation struct {
	scope, client, role, group, permission string
}

// A sampleCase is a sample, and what its preset says of it.
type sampleCase struct {
	name   string // of the test
	file   string
	sample string
	preset provider.Preset
	edits  map[string]any // what the sample leaves out or abridges
	want   expectation
	reason auth.Reason
}

var cases = slices.Concat(serverCases, serviceCases)

// serverCases are samples of authorization servers.
var serverCases = []sampleCase{
	{"Auth0 profile", "auth0", "auth0 profile", provider.Auth0("my-domain.auth0.com", "https://example.com/health-api"), nil,
		expectation{scope: "read:patients", client: "my_client_id"}, ""},
	{"Auth0 in RFC 9068", "auth0", "rfc9068 profile", provider.Auth0("my-domain.auth0.com", "https://example.com/health-api"), nil,
		expectation{scope: "read:patients", client: "my_client_id"}, ""},
	{"Auth0 with permissions", "auth0", "client credentials with RBAC permissions", provider.Auth0("tenant.auth0.com", "https://test-server/api"), nil,
		expectation{scope: "read:foo", client: "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja", permission: "create:bar"}, ""},
	{"Okta", "okta", "custom AS", provider.Okta("dev.okta.com", "aus1", "https://api.example.com"), map[string]any{"iss": "https://dev.okta.com/oauth2/aus1"},
		expectation{scope: "email", client: "nmdP1fcyvdVO11AL7ECm"}, ""},
	{"Okta, default server", "okta", "default AS, DPoP", provider.Okta("dev.okta.com", "default", "api://default"),
		map[string]any{"iss": "https://dev.okta.com/oauth2/default", "cnf": nil}, expectation{scope: "openid", client: "0oa4dr9kzkykPrLhq0g7"}, ""},
	{"Cognito user", "cognito", "user access token", provider.Cognito("us-west-2", "us-west-2_example", "57cbishk4j24pabc1234567890"), nil,
		expectation{scope: "aws.cognito.signin.user.admin", client: "57cbishk4j24pabc1234567890", group: "admin"}, ""},
	{"Cognito client", "cognito", "client credentials, custom scope", provider.Cognito("us-west-2", "us-west-2_example", "57cbishk4j24pabc1234567890"), nil,
		expectation{scope: "https://api.example.com/orders.read", client: "57cbishk4j24pabc1234567890"}, ""},
	{"Keycloak", "keycloak", "user token, default mappers", provider.Keycloak("https://kc.example.test/realms/demo", "target-client1"), nil,
		expectation{scope: "profile", client: "frontend-client", role: "role1"}, ""},
	{"Keycloak audience", "keycloak", "audience scope", provider.Keycloak("https://kc.example.test/realms/demo", "service1"), nil,
		expectation{scope: "service1-scope", client: "frontend-client"}, ""},
	{"Keycloak with the login's nonce", "keycloak", "before version 25, with the nonce of the login", provider.Keycloak("https://kc.example.test/realms/demo", "target-client1"), nil,
		expectation{scope: "profile", client: "frontend-client", role: "role1"}, ""},
	{"Keycloak with many clients", "keycloak", "roles in 70 clients", provider.Keycloak("https://kc.example.test/realms/demo", "target-client1"), nil,
		expectation{scope: "profile", client: "frontend-client", role: "role2"}, ""},
	{"Keycloak with DPoP", "keycloak", "26, bound to a DPoP key", provider.Keycloak("https://kc.example.test/realms/demo", "target-client1"), nil,
		expectation{scope: "profile", client: "frontend-client", role: "role1"}, ""},
	{"authentik", "authentik", "authorization code, with a nonce", authentik, nil, expectation{client: "orders-client", group: "orders"}, ""},
	{"authentik, ID token", "authentik", "its ID token (must be refused)", authentik, nil, expectation{}, auth.ReasonClaimInvalid},
	{"PingAM", "pingam", "client-based token, authorization code", pingAM, nil, expectation{scope: "roles"}, ""},
	{"IdentityServer, one role", "identityserver", "one role, as text", provider.IdentityServer("https://demo.example.test", "invoice"), nil,
		expectation{scope: "customer.read", client: "client", role: "admin"}, ""},
	{"Entra with 200 groups", "entra", "v2.0 with 200 groups", provider.Entra(tenant, api2), nil,
		expectation{scope: "access_as_user", client: api2, group: "6e74172b-be56-4843-9ff4-000000000199"}, ""},
	{"ZITADEL with 110 roles", "zitadel", "110 roles in two organizations", provider.ZITADEL("http://localhost:9420/", "web-app"), nil,
		expectation{client: "web-app", role: "role-109"}, ""},
	{"Hydra without an audience", "ory", "Hydra without an audience", hydraClients, nil, expectation{scope: "orders:read", client: "c1"}, ""},
	{"AD FS", "adfs", "Windows Server 2019, user", adfs, nil, expectation{scope: "orders", client: "5db77ce4-cedf-4319-85f7-cc230b7022e0", role: "admin"}, ""},
	{"Supabase", "supabase", "authenticated user", supabase, nil, expectation{}, ""},
	{"Supabase, anon key", "supabase", "anon key (must be refused)", supabase, nil, expectation{}, auth.ReasonIssuerNotTrusted},
	{"Supabase, service role key", "supabase", "service role key (must be refused)", supabase, nil, expectation{}, auth.ReasonIssuerNotTrusted},
	{"IdentityServer, array", "identityserver", "default (array scope)", provider.IdentityServer("https://demo.example.test", "invoice"), nil,
		expectation{scope: "customer.read", client: "client"}, ""},
	{"IdentityServer, string", "identityserver", "docs sample (string scope)", provider.IdentityServer("https://demo.example.test", "api1"),
		map[string]any{"iss": "https://demo.example.test"}, expectation{scope: "write", client: "mobile_app"}, ""},
	{"IdentityServer without audience", "identityserver", "scopes only, no aud", provider.IdentityServer("https://demo.example.test", "api1"),
		map[string]any{"iss": "https://demo.example.test"}, expectation{}, auth.ReasonAudienceMismatch},
	{"Entra v2", "entra", "v2.0", provider.Entra(tenant, api2), nil, expectation{scope: "access_as_user", client: api2}, ""},
	{"Entra v1", "entra", "v1.0", provider.EntraV1(entra1+"0", api1),
		map[string]any{"iss": "https://sts.windows.net/" + entra1 + "0/", "tid": entra1 + "0", "ver": "1.0"},
		expectation{scope: "user_impersonation", client: "75dbe77f-10a3-4e59-85fd-8c127544f17c"}, ""},
	{"Entra application", "entra", "v2.0 client credentials", provider.Entra(tenant, api2), nil,
		expectation{scope: "Orders.Read.All", role: "Orders.Read.All", client: "11111111-2222-3333-4444-555555555555"}, ""},
	{"ZITADEL", "zitadel", "zitadel/oidc v3.49.2 example OP, run here", provider.ZITADEL("http://localhost:9420/", "web-app"),
		map[string]any{"urn:zitadel:iam:org:project:roles": map[string]any{"reader": map[string]any{"1": "x"}}}, expectation{client: "web-app", role: "reader"}, ""},
	{"Hydra", "ory", "Hydra defaults", provider.Hydra("https://hydra.example.test/", "https://api.my-cloud.com/user"), nil,
		expectation{scope: "orders:read", client: "c1"}, ""},
	{"Hydra, string", "ory", "fosite v0.49.0 run here (string scope)", provider.Hydra("http://127.0.0.1:9450", "https://api.example.test/orders"), nil,
		expectation{scope: "orders:read"}, ""},
	{"Dex", "dex", "dex HEAD ab64ed77 run here", provider.Dex("http://127.0.0.1:9430/dex", "web-app"), map[string]any{"groups": []string{"admins"}},
		expectation{group: "admins"}, ""},
	{"FusionAuth", "fusionauth", "docs sample", provider.FusionAuth("https://auth.example.com", "acme.com", "e9fdb985-9173-4e01-9d73-ac2d60d1dc8e"), nil,
		expectation{scope: "offline_access", client: "e9fdb985-9173-4e01-9d73-ac2d60d1dc8e"}, ""},
	{"PingOne", "ping", "custom resource", provider.PingOne("com", "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6", "https://api.example.test/orders"), nil,
		expectation{scope: "orders:read", client: "3a6c9c7a-…"}, ""},
}

var (
	kubernetes = provider.Kubernetes("https://kubernetes.default.svc.cluster.local", "orders-api")
	github     = provider.GitHubActions([]string{"65"}, "https://github.com/octo-org")
	gitlab     = provider.GitLabCI("https://gitlab.example.com", []string{"72"}, "https://vault.example.com")
	workos     = provider.WorkOS("acme.authkit.app", "https://mcp.example.com/mcp", "client_123456789")
	clerk      = provider.Clerk("clerk.your-site.com", "https://example.com")
	cloudflare = provider.CloudflareAccess("yourteam.cloudflareaccess.com", "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228")
	googleRun  = provider.GoogleCloud([]string{"billing@my-project.iam.gserviceaccount.com"}, "https://orders-abc-ew.a.run.app")
	googleIAP  = provider.GoogleIAP("/projects/123456789012/global/backendServices/987654321")
	firebase   = provider.Firebase("my-project")
)

// serviceCases are samples of services that give tokens to programs, of those that log people in to
// an application, and of proxies.
var serviceCases = []sampleCase{
	{"Kubernetes, for this API", "kubernetes", "projected token, 1.30", kubernetes, map[string]any{"aud": []string{"orders-api"}}, expectation{}, ""},
	{"Kubernetes, the default token", "kubernetes", "projected token, 1.30", kubernetes, nil, expectation{}, auth.ReasonAudienceMismatch},
	{"Kubernetes, another cluster", "kubernetes", "projected token with an audience of its own",
		provider.Kubernetes("https://api.harbor-test.garden.internal.prod.gardener-test.site", "thisismyaudience"), nil, expectation{}, ""},
	{"Kubernetes, legacy Secret", "kubernetes", "legacy Secret token (must be refused)", kubernetes, map[string]any{"exp": nil}, expectation{}, auth.ReasonIssuerNotTrusted},
	{"GitHub Actions", "github-actions", "environment prod", github, nil, expectation{}, ""},
	{"GitHub Actions, one of two owners", "github-actions", "environment prod", provider.GitHubActions([]string{"64", "65"}, "https://github.com/octo-org"), nil, expectation{}, ""},
	{"GitLab CI", "gitlab-ci", "job", gitlab, nil, expectation{}, ""},
	{"GitLab CI, one of two namespaces", "gitlab-ci", "job", provider.GitLabCI("https://gitlab.example.com", []string{"71", "72"}, "https://vault.example.com"), nil, expectation{}, ""},
	{"WorkOS", "workos", "Connect user token", workos, nil, expectation{scope: "mcp:read", client: "client_01HXYZ"}, ""},
	{"WorkOS, of the reference", "workos", "Connect access token of the reference", workos, nil, expectation{}, ""},
	{"WorkOS, ID token", "workos", "Connect ID token of the reference (must be refused)", workos, nil, expectation{}, auth.ReasonClaimInvalid},
	{"WorkOS, session token", "workos", "AuthKit session token (another issuer, no aud)", workos, nil, expectation{}, auth.ReasonIssuerNotTrusted},
	{"Clerk", "clerk", "session token v2", clerk, nil, expectation{client: "https://example.com", role: "admin"}, ""},
	{"Clerk, pending", "clerk", "pending session (must be refused)", clerk, nil, expectation{}, auth.ReasonClaimsRefused},
	{"Cloudflare Access, person", "cloudflare-access", "person", cloudflare, nil, expectation{}, ""},
	{"Cloudflare Access, service token", "cloudflare-access", "service token", cloudflare, nil, expectation{client: "e367826f93b8d71185e03fe518aff3b4.access"}, ""},
	{"Google Cloud", "google-cloud", "service account to Cloud Run", googleRun, nil, expectation{client: "108876543210987654321"}, ""},
	{"Google Cloud, by ID", "google-cloud", "service account to Cloud Run",
		provider.GoogleCloud([]string{"108876543210987654321"}, "https://orders-abc-ew.a.run.app"), map[string]any{"email": nil, "email_verified": nil}, expectation{client: "108876543210987654321"}, ""},
	{"Google Cloud, person", "google-cloud", "person signed in with Google (must be refused)", googleRun, nil, expectation{}, auth.ReasonIDToken},
	{"Google IAP", "google-iap", "IAP header", googleIAP, nil, expectation{}, ""},
	{"Firebase", "firebase", "password user", firebase, nil, expectation{}, ""},
	{"Firebase, user of a tenant", "firebase", "password user", provider.Firebase("my-project", "acme-1"),
		map[string]any{"firebase": map[string]any{"sign_in_provider": "password", "tenant": "acme-1"}}, expectation{}, ""},
	{"Firebase, custom token", "firebase", "custom token (must be refused)", firebase, nil, expectation{}, auth.ReasonIssuerNotTrusted},
}
