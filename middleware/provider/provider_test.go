package provider_test

import (
	"crypto/rand"
	"crypto/rsa"
	"embed"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

// The samples are what each provider documents or was seen to issue; their "fidelity" and "source"
// say which.
//
//go:embed testdata
var testdata embed.FS

type samples struct {
	Samples []struct {
		Name           string
		Header, Claims map[string]any
	}
	JWKS struct{ Keys []map[string]any } `json:"jwks"`
}

func load(t *testing.T, name string) samples {
	t.Helper()
	raw, err := testdata.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var s samples
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// keySet is a key set of the provider's shape: the members of its own keys, with our key material
// under the sample's key ID.
func keySet(t *testing.T, s samples, kid string) jwks.Static {
	t.Helper()
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	var keys []map[string]any
	for i, member := range s.JWKS.Keys {
		k := maps.Clone(member)
		delete(k, "x5c")
		k["n"], k["e"] = number(key().N), number(big.NewInt(int64(key().E)))
		if k["use"] == "sig" && (i == 0 || s.JWKS.Keys[0]["use"] != "sig") {
			k["kid"] = kid
		}
		keys = append(keys, k)
	}
	doc, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwks.Parse(doc)
	if err != nil && len(set) == 0 {
		t.Fatalf("%v: %s", err, doc)
	}
	return set
}

// shift moves a sample's dates to now, and keeps everything else.
func shift(claims map[string]any, edits map[string]any) map[string]any {
	out := maps.Clone(claims)
	now := time.Now().Unix()
	for _, name := range []string{"iat", "nbf", "auth_time"} {
		if _, ok := out[name]; ok {
			out[name] = now
		}
	}
	out["exp"] = now + 300
	for name, value := range edits {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = value
		}
	}
	return out
}

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
	supabase = provider.Preset{Config: auth.Config{
		Issuer: "https://abcdefghijklmnopqrst.supabase.co/auth/v1", Audiences: []string{"authenticated"}, Types: []string{"JWT"},
		FixedClaims: map[string]string{"role": "authenticated"}, RequiredClaims: []string{"sub", "iat"},
	}}
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

var cases = []struct {
	name   string // of the test
	file   string
	sample string
	preset provider.Preset
	edits  map[string]any // what the sample leaves out or abridges
	want   expectation
	reason auth.Reason
}{
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

// rig verifies tokens made of one sample.
type rig struct {
	t        *testing.T
	verifier *auth.Verifier
	header   map[string]any
	claims   map[string]any
}

func newRig(t *testing.T, file, sample string, preset provider.Preset, edits map[string]any) *rig {
	t.Helper()
	all := load(t, file)
	for _, s := range all.Samples {
		if s.Name != sample {
			continue
		}
		header := maps.Clone(s.Header)
		header["alg"] = "RS256" // some samples leave it out
		kid, ok := header["kid"].(string)
		if !ok {
			kid = "k1"
			header["kid"] = kid
		}
		v, err := preset.Verifier(keySet(t, all, kid))
		if err != nil {
			t.Fatal(err)
		}
		return &rig{t, v, header, shift(s.Claims, edits)}
	}
	t.Fatalf("no sample %q", sample)
	return nil
}

// verify verifies the sample with some header members and claims changed; nil takes one away.
func (r *rig) verify(header, claims map[string]any) (*auth.Principal, error) {
	r.t.Helper()
	h := maps.Clone(r.header)
	for name, value := range header {
		if value == nil {
			delete(h, name)
		} else {
			h[name] = value
		}
	}
	c := maps.Clone(r.claims)
	for name, value := range claims {
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
	return r.verifier.VerifyToken(r.t.Context(), sign(r.t, h, c))
}

func TestSamples(t *testing.T) {
	seen := map[string]bool{}
	for _, tt := range cases {
		seen[tt.file+"/"+tt.sample] = true
		t.Run(tt.name, func(t *testing.T) {
			p, err := newRig(t, tt.file, tt.sample, tt.preset, tt.edits).verify(nil, nil)
			if got := reason(err); got != tt.reason {
				t.Fatalf("%v, want %v", err, tt.reason)
			}
			if err != nil {
				return
			}
			if p.ClientID() != tt.want.client {
				t.Errorf("client %q, want %q", p.ClientID(), tt.want.client)
			}
			if tt.want.scope != "" && !p.HasScope(tt.want.scope) {
				t.Errorf("scopes %q, want %q among them", p.Scopes(), tt.want.scope)
			}
			for _, list := range []struct {
				kind, want string
				got        []string
			}{{"roles", tt.want.role, p.Roles()}, {"groups", tt.want.group, p.Groups()}, {"permissions", tt.want.permission, p.Permissions()}} {
				if list.want != "" && !slices.Contains(list.got, list.want) {
					t.Errorf("%s %q, want %q among them", list.kind, list.got, list.want)
				}
			}
		})
	}
	for _, file := range []string{"adfs", "auth0", "cognito", "dex", "entra", "fusionauth", "google", "identityserver", "keycloak", "okta", "ory", "ping", "supabase", "zitadel"} {
		for _, s := range load(t, file).Samples {
			if !seen[file+"/"+s.Name] {
				t.Errorf("no case for the sample %q of %s", s.Name, file)
			}
		}
	}
}

// TestOtherTokens are tokens of the same issuer that are no access tokens for this API, and those
// of another tenant.
func TestOtherTokens(t *testing.T) {
	type bent struct {
		name           string
		header, claims map[string]any
	}
	idToken := map[string]map[string]any{ // what tells each provider's ID token, as its claims say
		"auth0": {"nonce": "n", "aud": "my_client_id"}, "okta": {"nonce": "n", "aud": "cid", "at_hash": "h"}, "cognito": {"token_use": "id", "aud": "57cbishk4j24pabc1234567890"},
		"keycloak": {"typ": "ID", "nonce": "n"}, "entra": {"nonce": "n"}, "zitadel": {"nonce": "n", "at_hash": "h"},
		"ory": {"at_hash": "h"}, "fusionauth": {"nonce": "n", "at_hash": "h"}, "identityserver": {"nonce": "n"}, "ping": {"nonce": "n", "at_hash": "h"},
	}
	for _, tt := range cases {
		if tt.reason != "" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.file, tt.sample, tt.preset, tt.edits)
			iss := r.claims["iss"].(string)
			bends := []bent{
				{"another tenant's issuer", nil, map[string]any{"iss": iss + "2"}},
				{"the issuer with a slash more or less", nil, map[string]any{"iss": toggleSlash(iss)}},
				{"a DPoP proof", map[string]any{"typ": "dpop+jwt"}, nil},
				{"a logout token", map[string]any{"typ": "logout+jwt"}, nil},
				{"expired", nil, map[string]any{"exp": time.Now().Unix() - 60}},
				{"no expiry", nil, map[string]any{"exp": nil}},
				{"an HMAC", map[string]any{"alg": "HS256"}, nil},
			}
			if claims, ok := idToken[tt.file]; ok {
				header := map[string]any{"typ": "JWT"}
				if tt.file == "okta" || tt.file == "cognito" {
					header = map[string]any{"typ": nil}
				}
				bends = append(bends, bent{"an ID token", header, claims})
			}
			switch tt.file {
			case "keycloak":
				bends = append(bends, bent{"a refresh token", nil, map[string]any{"typ": "Refresh"}})
			case "cognito":
				bends = append(bends, bent{"another client's token", nil, map[string]any{"client_id": "other"}},
					bent{"another audience", nil, map[string]any{"aud": "https://other.example"}})
			case "entra":
				bends = append(bends, bent{"another tenant's ID", nil, map[string]any{"tid": api1}}, bent{"another version", nil, map[string]any{"ver": "3.0"}})
			}
			if tt.file != "cognito" {
				bends = append(bends, bent{"another audience", nil, map[string]any{"aud": "https://other.example"}}, bent{"no audience", nil, map[string]any{"aud": nil}})
			}
			if len(tt.preset.Config.Clients) > 0 { // who is known by his client needs no audience
				bends[len(bends)-1].claims = map[string]any{"aud": nil, "client_id": "other"}
			}
			for _, b := range bends {
				if _, err := r.verify(b.header, b.claims); err == nil || auth.AsError(err).Status() != 401 {
					t.Errorf("%s: %v, want a refusal", b.name, err)
				}
			}
			if _, err := r.verifier.VerifyToken(t.Context(), "v1.refresh-token-that-is-opaque"); reason(err) != auth.ReasonTokenMalformed {
				t.Errorf("an opaque refresh token: %v", err)
			}
		})
	}
}

func toggleSlash(s string) string {
	if trimmed, ok := strings.CutSuffix(s, "/"); ok {
		return trimmed
	}
	return s + "/"
}

func reason(err error) auth.Reason {
	if err == nil {
		return ""
	}
	return auth.AsError(err).Reason
}

func TestPresetsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		preset provider.Preset
		want   string
	}{
		{"a domain with a scheme", provider.Auth0("https://tenant.auth0.com", "api"), `is a URL: give the host name alone, "tenant.auth0.com"`},
		{"a domain with a scheme and a slash", provider.Auth0("https://tenant.auth0.com/", "api"), `is a URL: give the host name alone, "tenant.auth0.com"`},
		{"a domain with a path", provider.Auth0("tenant.auth0.com/", "api"), `has a path: give the host name alone, "tenant.auth0.com"`},
		{"Okta's with a scheme", provider.Okta("https://dev.okta.com", "default", "api"), `give the host name alone, "dev.okta.com"`},
		{"a domain of spaces", provider.Auth0("a b", "api"), "is not a host name"},
		{"Keycloak without its realm", provider.Keycloak("https://sso.example", "api"), `names no realm: write "https://sso.example/realms/NAME"`},
		{"Keycloak without its realm, and a slash", provider.Keycloak("https://sso.example/auth/", "api"), `write "https://sso.example/auth/realms/NAME"`},
		{"Keycloak with an empty realm", provider.Keycloak("https://sso.example/realms/", "api"), "names no realm"},
		{"Keycloak's metadata", provider.Keycloak("https://sso.example/realms/a/.well-known/openid-configuration", "api"), `write "https://sso.example/realms/a"`},
		{"a realm with a slash", provider.Keycloak("https://sso.example/realms/a/", "api"), `write "https://sso.example/realms/a"`},
		{"no domain", provider.Auth0("", "api"), "domain"},
		{"no audience", provider.Auth0("tenant.auth0.com"), "audience is required"},
		{"an empty audience", provider.Auth0("tenant.auth0.com", ""), "audience is required"},
		{"Okta's org server", provider.Okta("dev.okta.com", "", "api"), "org authorization server"},
		{"an Okta server with a slash", provider.Okta("dev.okta.com", "a/b", "api"), "authorization server"},
		{"a Cognito pool without clients", provider.Cognito("eu-west-1", "pool"), "app client is required"},
		{"all of Entra", provider.Entra("common", "api"), "tenant ID"},
		{"all organizations of Entra", provider.EntraV1("organizations", "api"), "tenant ID"},
		{"a tenant in upper case", provider.Entra(strings.ToUpper(tenant), "api"), "tenant ID"},
		{"Google", provider.Google(), "opaque"},
		{"no realm", provider.Keycloak("", "api"), "realm URL"},
		{"no application", provider.FusionAuth("https://x.example", "acme.com"), "application is required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, guardErr := tt.preset.Guard(nil)
			_, sourceErr := tt.preset.Source(nil)
			_, verifierErr := tt.preset.Verifier(jwks.Static{})
			for _, err := range []error{tt.preset.Err(), guardErr, sourceErr, verifierErr} {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want an error with %q", err, tt.want)
				}
			}
		})
	}
}

func TestNamed(t *testing.T) {
	issuers := map[string]string{
		"auth0": "https://tenant.eu.auth0.com/", "cognito": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_x", "dex": "https://dex.example/dex",
		"entra": "https://login.microsoftonline.com/" + tenant + "/v2.0", "entra-v1": "https://sts.windows.net/" + tenant + "/",
		"fusionauth": "https://auth.example", "hydra": "https://hydra.example/", "identityserver": "https://ids.example", "keycloak": "https://kc.example/realms/a",
		"okta": "https://dev.okta.com/oauth2/default", "pingone": "https://auth.pingone.eu/abc/as", "zitadel": "https://z.example",
	}
	for _, name := range provider.Names() {
		p, err := provider.Named(name, issuers[name], "api")
		if name == "google" {
			if err == nil || !strings.Contains(err.Error(), "opaque") {
				t.Errorf("google: %v", err)
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

func TestGuardUsesAnIssuersKeys(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{URL: "https://kc.example.test/realms/demo"})
	preset := provider.Keycloak(issuer.URL, issuer.Audience)
	keys, err := preset.Source(&jwks.Options{Client: issuer.Client()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := auth.NewWithKeys(keys, preset.Config, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	token := issuer.Token("read", authtest.Claims{"typ": "Bearer", "azp": "app"}, authtest.Header{"typ": "JWT"})
	if _, err := g.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, auth.Scopes("read")); err != nil {
		t.Error(err)
	}
}
