package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/client"
	"github.com/bearward/bearward/examples/internal/prover"
)

func newProver(t *testing.T) *prover.Prover {
	t.Helper()
	p, err := prover.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// registerPublic registers an application without a secret.
func registerPublic(t *testing.T, issuer string) *client.Client {
	t.Helper()
	md, err := client.Discover(t.Context(), http.DefaultClient, issuer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Register(t.Context(), http.DefaultClient, md, client.Registration{
		Name: "Phone", RedirectURIs: []string{redirectURI}, Authentication: "none",
		Scope: "openid offline_access read:orders",
	}, audience)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTokensAreBoundToTheKeyOfTheProof(t *testing.T) {
	_, issuer := start(t, nil)
	for name, app := range map[string]*client.Client{"confidential": register(t, issuer), "public": registerPublic(t, issuer)} {
		t.Run(name, func(t *testing.T) {
			p := newProver(t)
			tok, err := app.Bound(p).LogIn(t.Context(), alice, "offline_access", "read:orders")
			if err != nil {
				t.Fatal(err)
			}
			wantBound(t, tok, p)
			next, err := app.Bound(p).Refresh(t.Context(), tok.RefreshToken)
			if err != nil {
				t.Fatal(err)
			}
			wantBound(t, next, p)
			if _, err := app.Refresh(t.Context(), next.RefreshToken); err == nil {
				t.Error("a bound grant gave a token to a refresh without a proof")
			}
			other := newProver(t)
			stolen, err := app.Bound(other).Refresh(t.Context(), next.RefreshToken)
			if name == "public" && err == nil { // RFC 9449 §5: its refresh token is bound, too
				t.Error("a thief's key refreshed a public client's token")
			}
			if name == "confidential" && err != nil {
				t.Errorf("with a new key: %v", err)
			} else if err == nil {
				wantBound(t, stolen, other)
			}
		})
	}
}

func wantBound(t *testing.T, tok *oauth2.Token, p *prover.Prover) {
	t.Helper()
	confirmation, _ := part(t, tok.AccessToken, 1)["cnf"].(map[string]any)
	if tok.TokenType != "DPoP" || confirmation["jkt"] != p.Thumbprint() {
		t.Errorf("token_type %q, cnf %v, want DPoP and the thumbprint %s", tok.TokenType, confirmation, p.Thumbprint())
	}
}

func TestWithoutAProofTokensArePlain(t *testing.T) {
	_, issuer := start(t, nil)
	tok, err := register(t, issuer).LogIn(t.Context(), alice, "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	if _, bound := part(t, tok.AccessToken, 1)["cnf"]; bound || !strings.EqualFold(tok.TokenType, "Bearer") {
		t.Errorf("token_type %q, bound: %t", tok.TokenType, bound)
	}
}

func TestTheMetadataNamesTheAlgorithmsOfProofs(t *testing.T) {
	_, issuer := start(t, nil)
	resp, err := http.Get(issuer + "/.well-known/oauth-authorization-server")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var md struct {
		Algorithms []string `json:"dpop_signing_alg_values_supported"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&md); err != nil {
		t.Fatal(err)
	}
	slices.Sort(md.Algorithms)
	if want := []string{"ES256", "EdDSA", "PS256", "RS256"}; !slices.Equal(md.Algorithms, want) {
		t.Errorf("dpop_signing_alg_values_supported is %v, want %v", md.Algorithms, want)
	}
}

// Each bad proof is refused by RFC 9449's own code, before the grant is looked at.
func TestBadProofsAreRefusedAtTheTokenEndpoint(t *testing.T) {
	_, issuer := start(t, nil)
	p := newProver(t)
	proof := func(method, uri string) string {
		text, err := p.Proof(method, uri, "")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := proof("POST", issuer+"/token")
	if code := tokenError(t, issuer, good); code == "invalid_dpop_proof" {
		t.Fatal("a good proof is refused")
	}
	for name, fields := range map[string][]string{
		"used before":    {good},
		"two":            {proof("POST", issuer+"/token"), proof("POST", issuer+"/token")},
		"empty":          {""},
		"no JWT":         {"proof"},
		"another method": {proof("GET", issuer+"/token")},
		"another path":   {proof("POST", issuer+"/revoke")},
		"another server": {proof("POST", "https://other.test/token")},
		"too long":       {strings.Repeat("x", 9<<10)},
		"cut off":        {good[:len(good)-4]},
	} {
		if code := tokenError(t, issuer, fields...); code != "invalid_dpop_proof" {
			t.Errorf("%s: %q, want invalid_dpop_proof", name, code)
		}
	}
}

// tokenError asks for a token with no grant and returns the error code.
func tokenError(t *testing.T, issuer string, proofs ...string) string {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"none"}}
	req, err := http.NewRequest(http.MethodPost, issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header["DPoP"] = proofs
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var refused struct{ Error string }
	if err := json.NewDecoder(resp.Body).Decode(&refused); err != nil || resp.StatusCode < 400 {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return refused.Error
}
