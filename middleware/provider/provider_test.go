package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
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

var curveKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// keySet is a key set of the provider's shape: the members of its own keys, with our key material
// under the sample's key ID.
func keySet(t *testing.T, s samples, kid string) jwks.Static {
	t.Helper()
	doc, err := json.Marshal(map[string]any{"keys": keyMembers(t, s, kid)})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwks.Parse(doc)
	if err != nil && len(set) == 0 {
		t.Fatalf("%v: %s", err, doc)
	}
	return set
}

// keyMembers are the keys of keySet.
func keyMembers(t *testing.T, s samples, kid string) []map[string]any {
	t.Helper()
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	var keys []map[string]any
	for i, member := range s.JWKS.Keys {
		k := maps.Clone(member)
		delete(k, "x5c")
		if k["kty"] == "EC" {
			point, err := curveKey().PublicKey.Bytes() // 4, x, y
			if err != nil {
				t.Fatal(err)
			}
			k["x"], k["y"] = base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
		} else {
			k["n"], k["e"] = number(key().N), number(big.NewInt(int64(key().E)))
		}
		if k["use"] == "sig" && (i == 0 || s.JWKS.Keys[0]["use"] != "sig") {
			k["kid"] = kid
		}
		keys = append(keys, k)
	}
	return keys
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
		if header["alg"] != "ES256" {
			header["alg"] = "RS256" // some samples leave it out
		}
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
	files, err := testdata.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range files {
		file := strings.TrimSuffix(entry.Name(), ".json")
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
		"workos": {"nonce": "n", "aud": "client_01HXYZ"}, "clerk": {"nonce": "n", "at_hash": "h", "sid": nil}, "google-cloud": {"nonce": "n", "at_hash": "h"},
		"gitlab-ci": {"namespace_id": nil, "project_id": nil, "nonce": "n"}, "github-actions": {"nonce": "n"}, "firebase": {"nonce": "n", "at_hash": "h"},
		"ory": {"at_hash": "h"}, "fusionauth": {"nonce": "n", "at_hash": "h"}, "identityserver": {"nonce": "n"}, "ping": {"nonce": "n", "at_hash": "h"},
		"authentik": {"uid": nil, "azp": nil, "at_hash": "h"}, "pingam": {"tokenName": "id_token", "nonce": "n", "at_hash": "h"},
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
				bends = append(bends, bent{"a refresh token", nil, map[string]any{"typ": "Refresh"}}, bent{"DPoP that binds nothing", nil, map[string]any{"typ": "DPoP", "cnf": nil}})
			case "pingam":
				bends = append(bends, bent{"a refresh token", nil, map[string]any{"tokenName": "refresh_token"}}, bent{"a compressed token", map[string]any{"zip": "DEF"}, nil})
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
				client := "client_id"
				if len(tt.preset.Config.ClientIDClaims) > 0 {
					client = tt.preset.Config.ClientIDClaims[0]
				}
				bends[len(bends)-1].claims = map[string]any{"aud": nil, client: "other"}
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
		{"AWS's load balancer", provider.AWSALB(), `use the preset of the authorization server behind it with Preset.Header`},
		{"GitHub without an owner", provider.GitHubActions(nil, "api"), "owner is required"},
		{"GitHub with an owner's name", provider.GitHubActions([]string{"octo-org"}, "api"), "give the ID"},
		{"GitHub without an audience", provider.GitHubActions([]string{"65"}), "audience is required"},
		{"GitLab without a namespace", provider.GitLabCI("https://gitlab.com", nil, "api"), "namespace is required"},
		{"GitLab with a namespace's path", provider.GitLabCI("https://gitlab.com", []string{"my-group"}, "api"), "give the ID"},
		{"GitLab without a scheme", provider.GitLabCI("gitlab.com", []string{"72"}, "api"), "is not an https URL"},
		{"Clerk without origins", provider.Clerk("clerk.shop.example"), "origin is required"},
		{"Clerk with a host for an origin", provider.Clerk("clerk.shop.example", "shop.example"), "write it as browsers do"},
		{"Clerk with a slash behind an origin", provider.Clerk("clerk.shop.example", "https://shop.example/"), "write it as browsers do"},
		{"Clerk with any origin", provider.Clerk("clerk.shop.example", "https://*.shop.example"), "write it as browsers do"},
		{"Google Cloud without callers", provider.GoogleCloud(nil, "https://api.example"), "caller is required"},
		{"Google Cloud with a person", provider.GoogleCloud([]string{"alice@example.com"}, "https://api.example"), "is no service account"},
		{"Google Cloud with a domain like Google's", provider.GoogleCloud([]string{"a@evilgserviceaccount.com"}, "https://api.example"), "is no service account"},
		{"Google Cloud without an audience", provider.GoogleCloud([]string{"1"}), "audience is required"},
		{"Google Cloud for an application", provider.GoogleCloud([]string{"1"}, "1-a.apps.googleusercontent.com"), "people sign in to with Google"},
		{"IAP with a URL", provider.GoogleIAP("https://api.example"), "Signed Header JWT Audience"},
		{"IAP without an audience", provider.GoogleIAP(), "audience is required"},
		{"Cloudflare without an audience", provider.CloudflareAccess("acme.cloudflareaccess.com"), "audience is required"},
		{"Cloudflare with a URL", provider.CloudflareAccess("https://acme.cloudflareaccess.com", "a"), `give the host name alone, "acme.cloudflareaccess.com"`},
		{"the Kubernetes API's audience", provider.Kubernetes("https://oidc.eks.eu-west-1.amazonaws.com/id/A", "https://kubernetes.default.svc"), "is the API server's own"},
		{"the Kubernetes issuer as audience", provider.Kubernetes("https://oidc.eks.eu-west-1.amazonaws.com/id/A", "https://oidc.eks.eu-west-1.amazonaws.com/id/A"), "is the API server's own"},
		{"Kubernetes' legacy issuer", provider.Kubernetes("kubernetes/serviceaccount", "orders-api"), "is not an https URL"},
		{"Firebase without a project", provider.Firebase(""), "project"},
		{"Firebase with an empty tenant", provider.Firebase("my-project", ""), "tenant of Firebase is empty"},
		{"WorkOS without an audience", provider.WorkOS("acme.authkit.app"), "audience is required"},
		{"Supabase with a URL", provider.Supabase("https://a.supabase.co"), "give the host name alone"},
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
