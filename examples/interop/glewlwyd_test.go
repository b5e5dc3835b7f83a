package interop_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/examples/internal/nodetest"
	"github.com/bearward/bearward/internal/freeport"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// glewlwydSchema is the empty database of Debian's package, with an administrator.
const glewlwydSchema = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"

// A glewlwyd is Debian's authorization server of that name, with a client "orders-api" that may ask
// about its own tokens.
type glewlwyd struct {
	t      *testing.T
	issuer string
	admin  *http.Client // logged in
	api    string
}

const (
	glewlwydClient   = "orders-api"
	glewlwydSecret   = "a-secret-of-the-test"
	glewlwydResource = "https://orders.example"
)

// startGlewlwyd starts the server over a database of its own, and configures it by its API.
func startGlewlwyd(t *testing.T) *glewlwyd {
	t.Helper()
	for _, program := range []string{"glewlwyd", "sqlite3"} {
		if _, err := exec.LookPath(program); err != nil {
			nodetest.Need(t, program+" is missing: install Debian's packages dbconfig-sqlite3, sqlite3 and glewlwyd")
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	schema, err := os.Open(glewlwydSchema)
	if err != nil {
		nodetest.Need(t, err.Error())
	}
	defer schema.Close()
	fill := exec.Command("sqlite3", filepath.Join(dir, "db"))
	fill.Stdin = schema
	if out, err := fill.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	g := &glewlwyd{t: t, admin: &http.Client{Jar: jar, Timeout: 10 * time.Second}, api: "http://127.0.0.1:" + port + "/api"}
	g.issuer = g.api + "/oidc"
	config := filepath.Join(dir, "conf")
	if err := os.WriteFile(config, []byte(glewlwydConfig(port, filepath.Join(dir, "db"))), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	server := exec.Command("glewlwyd", "--config-file", config)
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	until(t, "glewlwyd answers", func() bool {
		resp, err := g.admin.Get(g.api)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	g.configure()
	return g
}

func glewlwydConfig(port, database string) string {
	return fmt.Sprintf(`port=%s
bind_address="127.0.0.1"
external_url="http://127.0.0.1:%s"
api_prefix="api"
log_mode="console"
log_level="INFO"
cookie_secure=0
session_expiration=3600
session_key="SESSION"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
use_secure_connection=false
secure_connection_key_file="none"
secure_connection_pem_file="none"
hash_algorithm="SHA512"
database={type="sqlite3", path="%s"};
`, port, port, database)
}

// configure makes an issuer of access tokens, a scope and two clients.
func (g *glewlwyd) configure() {
	g.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		g.t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		g.t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	g.post("/auth/", map[string]any{"username": "admin", "password": "password"})
	g.post("/mod/plugin/", map[string]any{"module": "oidc", "name": "oidc", "display_name": "oidc", "order_rank": 0, "parameters": map[string]any{
		"iss": g.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "jwks-show": true,
		"key": text("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), "cert": text("PUBLIC KEY", public),
		"access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 600, "subject-type": "public",
		"allow-non-oidc": true, "auth-type-client-enabled": true,
		"introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
		"resource-allowed": true, "resource-scope": map[string]any{"read:orders": []string{glewlwydResource, "https://other.example"}},
		"resource-client-property": "", "resource-scope-and-client-property": false,
	}})
	g.post("/scope/", map[string]any{"name": "read:orders", "display_name": "read:orders", "password_required": false, "scheme": map[string]any{}})
	for _, client := range []string{glewlwydClient, "another-api"} {
		g.post("/client/", map[string]any{
			"client_id": client, "password": glewlwydSecret, "enabled": true, "confidential": true, "scope": []string{"read:orders"},
			"authorization_type": []string{"client_credentials"}, "token_endpoint_auth_method": []string{"client_secret_basic", "client_secret_post"},
		})
	}
}

// post asks the server's own API.
func (g *glewlwyd) post(path string, document any) {
	g.t.Helper()
	body, err := json.Marshal(document)
	if err != nil {
		g.t.Fatal(err)
	}
	resp, err := g.admin.Post(g.api+path, "application/json", bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		g.t.Fatalf("glewlwyd: POST %s: %s %s", path, resp.Status, text)
	}
}

// form posts a form to the issuer as the client, and returns the answer.
func (g *glewlwyd) form(path string, form url.Values) []byte {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.SetBasicAuth(glewlwydClient, glewlwydSecret)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		g.t.Fatalf("glewlwyd: POST %s: %s %s %v", path, resp.Status, body, err)
	}
	return body
}

// token is a new access token for a resource.
func (g *glewlwyd) token(resource string) string {
	g.t.Helper()
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	body := g.form("/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"read:orders"}, "resource": {resource}})
	if err := json.Unmarshal(body, &granted); err != nil || granted.AccessToken == "" {
		g.t.Fatalf("%v %s", err, body)
	}
	return granted.AccessToken
}

func (g *glewlwyd) revoke(token string) { g.form("/revoke", url.Values{"token": {token}}) }

// TestGlewlwydIntrospection asks Debian's glewlwyd about its tokens. Its answers name neither
// issuer nor subject, and its metadata say where the endpoint is. A signed answer is for the
// token's audience, and about a token that is not active there is none: a 400 without a body.
func TestGlewlwydIntrospection(t *testing.T) {
	g := startGlewlwyd(t)
	keys, err := jwks.FromIssuer(g.issuer, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	secret := introspect.FixedSecret(glewlwydSecret)
	for name, tt := range map[string]struct {
		client  introspect.ClientAuth
		signed  jwks.Source
		other   auth.Reason // of a token for another API
		revoked auth.Reason // of one that is not active
	}{
		"Basic":  {introspect.Basic(glewlwydClient, secret), nil, auth.ReasonAudienceMismatch, auth.ReasonTokenInactive},
		"Post":   {introspect.Post(glewlwydClient, secret), nil, auth.ReasonAudienceMismatch, auth.ReasonTokenInactive},
		"signed": {introspect.Basic(glewlwydClient, secret), keys, auth.ReasonUnavailable, auth.ReasonUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := g.introspector(t, tt.client, tt.signed)
			token := g.token(glewlwydResource)
			p, err := tokens.VerifyToken(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if !p.HasScope("read:orders") || p.ClientID() != glewlwydClient || p.Subject() != "" || p.Expiry().IsZero() {
				t.Errorf("%v %q %q %v", p.Scopes(), p.ClientID(), p.Subject(), p.Expiry())
			}
			refusedFor(t, tokens, g.token("https://other.example"), tt.other)
			refusedFor(t, tokens, "no-token-of-this-issuer", tt.revoked)
			revokedAndMeasured(t, tokens, token, tt.revoked, func() { g.revoke(token) })
		})
	}
	t.Run("a client that may not ask about the token", func(t *testing.T) {
		tokens := g.introspector(t, introspect.Basic("another-api", secret), nil)
		refusedFor(t, tokens, g.token(glewlwydResource), auth.ReasonTokenInactive)
	})
	t.Run("a wrong secret", func(t *testing.T) {
		tokens := g.introspector(t, introspect.Basic(glewlwydClient, introspect.FixedSecret("wrong")), nil)
		refusedFor(t, tokens, g.token(glewlwydResource), auth.ReasonInternal)
	})
	// Its access tokens are JWTs of RFC 9068: they can be verified, and then taken back.
	t.Run("JWTs", func(t *testing.T) {
		jwts, err := auth.NewVerifier(keys, auth.Config{Issuer: g.issuer, Audiences: []string{glewlwydResource}})
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := introspect.Revocable(jwts, g.introspector(t, introspect.Basic(glewlwydClient, secret), nil))
		if err != nil {
			t.Fatal(err)
		}
		token := g.token(glewlwydResource)
		p, err := tokens.VerifyToken(t.Context(), token)
		if err != nil || p.Subject() != glewlwydClient {
			t.Fatal(p.Subject(), err)
		}
		revokedAndMeasured(t, tokens, token, auth.ReasonTokenInactive, func() { g.revoke(token) })
	})
}

// introspector is one whose endpoint is the one of the metadata.
func (g *glewlwyd) introspector(t *testing.T, client introspect.ClientAuth, signed jwks.Source) *introspect.Introspector {
	t.Helper()
	tokens, err := introspect.New(introspect.FromMetadata, client, introspect.Config{
		Claims: auth.Config{Issuer: g.issuer, Audiences: []string{glewlwydResource}},
		Signed: signed, MaxAge: measuredMaxAge, NegativeAge: measuredMaxAge,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tokens.Close() })
	return tokens
}

func refusedFor(t *testing.T, tokens auth.TokenVerifier, token string, want auth.Reason) {
	t.Helper()
	_, err := tokens.VerifyToken(context.Background(), token)
	if err == nil || auth.AsError(err).Reason != want {
		t.Errorf("%v, want %q", err, want)
	}
}

// measuredMaxAge is the Config.MaxAge of verifiers that are measured.
const measuredMaxAge = time.Second

// revokedAndMeasured has a good token revoked, and tells how long after the issuer's answer it was
// accepted. The promise, at most MaxAge and a second, is asserted in simulated time, where no busy
// machine can break it (package introspect); here what a real issuer made of it is printed.
func revokedAndMeasured(t *testing.T, tokens auth.TokenVerifier, token string, want auth.Reason, revoke func()) {
	t.Helper()
	if _, err := tokens.VerifyToken(context.Background(), token); err != nil { // the answer is as new as can be
		t.Fatal(err)
	}
	revoke()
	revoked, last := time.Now(), time.Duration(0)
	until(t, "the revoked token is refused", func() bool {
		asked := time.Since(revoked)
		_, err := tokens.VerifyToken(context.Background(), token)
		if err == nil {
			last = asked
			return false
		}
		return auth.AsError(err).Reason == want
	})
	t.Logf("accepted for %v after the issuer revoked it; promised: at most %v", last.Round(time.Millisecond), measuredMaxAge+time.Second)
}
