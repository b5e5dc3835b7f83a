package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/examples/internal/authserver"
)

const (
	opaqueAPI = "https://opaque.test"
	asksAs    = "orders-api"
	askSecret = "a-secret-of-the-test"
)

func startOpaque(t *testing.T) (*authserver.Server, string) {
	t.Helper()
	return start(t, func(cfg *authserver.Config) {
		cfg.Audiences = append(cfg.Audiences, opaqueAPI)
		cfg.Opaque = []string{opaqueAPI}
		cfg.ResourceServers = []authserver.ResourceServer{{ID: asksAs, Secret: askSecret}}
	})
}

// ask asks about a token as an API would (RFC 7662 §2.1).
func ask(t *testing.T, issuer, token, id, secret string) (status int, said map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/introspect", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&said) // nothing, where that is an answer
	return resp.StatusCode, said
}

func wantActive(t *testing.T, issuer, what, token string, active bool) (said map[string]any) {
	t.Helper()
	status, said := ask(t, issuer, token, asksAs, askSecret)
	if status != http.StatusOK || said["active"] != active || !active && len(said) != 1 {
		t.Errorf("%s: status %d, %v, want active %t", what, status, said, active)
	}
	return said
}

func TestOpaqueTokensAreReadByTheirIssuerAlone(t *testing.T) {
	s, issuer := startOpaque(t)
	plain := register(t, issuer)
	app := *plain
	app.Resource = opaqueAPI
	tok, err := app.LogIn(t.Context(), alice, "openid", "offline_access", "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(tok.AccessToken, ".") || len(tok.AccessToken) < 22 {
		t.Errorf("the token is %q", tok.AccessToken)
	}
	said := wantActive(t, issuer, "the token", tok.AccessToken, true)
	if said["iss"] != issuer || said["sub"] != alice.Name || said["client_id"] != app.OAuth.ClientID || said["exp"] == nil ||
		!strings.Contains(said["scope"].(string), "read:orders") || !strings.Contains(strings.Join(texts(said["aud"]), " "), opaqueAPI) {
		t.Errorf("the issuer says %v", said)
	}
	wantActive(t, issuer, "a refresh token", tok.RefreshToken, false)
	wantActive(t, issuer, "text", "no-token-of-this-issuer", false)
	next, err := app.Refresh(t.Context(), tok.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	wantActive(t, issuer, "a spent refresh token", tok.RefreshToken, false)
	wantActive(t, issuer, "its family", next.AccessToken, true) // to ask did not end it

	jwt, err := plain.LogIn(t.Context(), alice, "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	if part(t, jwt.AccessToken, 1)["aud"] == nil {
		t.Error("the token for the other API is no JWT")
	}

	for name, who := range map[string][2]string{
		"nobody": {}, "a wrong secret": {asksAs, "guessed"}, "a registered application": {app.OAuth.ClientID, app.OAuth.ClientSecret},
	} {
		if status, said := ask(t, issuer, next.AccessToken, who[0], who[1]); status < 400 || said["active"] != nil || said["sub"] != nil {
			t.Errorf("%s is told %d %v", name, status, said)
		}
	}
	if err := app.Revoke(t.Context(), next.AccessToken); err != nil {
		t.Fatal(err)
	}
	wantActive(t, issuer, "a revoked token", next.AccessToken, false)

	s.SetTokenLifetime(time.Second)
	short, err := app.LogIn(t.Context(), alice, "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, said := ask(t, issuer, short.AccessToken, asksAs, askSecret); said["active"] == false {
			return
		}
		time.Sleep(100 * time.Millisecond) // the server's clock is the real one
	}
	t.Error("a token of a second is good after five")
}

// texts are the strings of a claim that is one or a list.
func texts(claim any) (all []string) {
	if one, ok := claim.(string); ok {
		return []string{one}
	}
	list, _ := claim.([]any)
	for _, one := range list {
		text, _ := one.(string)
		all = append(all, text)
	}
	return all
}
