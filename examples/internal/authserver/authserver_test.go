package authserver_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/client"
)

const (
	audience    = "https://api.test"
	redirectURI = "http://localhost:7777/callback"
)

var alice = client.Person{Name: "alice", Password: "wonderland"}

// start serves an authorization server on a free loopback port.
func start(t *testing.T, change func(*authserver.Config)) (*authserver.Server, string) {
	t.Helper()
	var s *authserver.Server
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
	t.Cleanup(ts.Close)
	cfg := authserver.Config{
		Issuer:    ts.URL,
		Audiences: []string{audience, "https://other.test"},
		Scopes:    []authserver.Scope{{Name: "read:orders", Meaning: "See your orders"}, {Name: "write:orders", Meaning: "Place orders"}},
		Users:     []authserver.User{{Name: "alice", Password: "wonderland", FullName: "Alice Liddell"}},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := authserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, ts.URL
}

func register(t *testing.T, issuer string) *client.Client {
	t.Helper()
	md, err := client.Discover(t.Context(), http.DefaultClient, issuer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Register(t.Context(), http.DefaultClient, md, client.Registration{
		Name:         "Shop",
		RedirectURIs: []string{redirectURI},
		LogoutURIs:   []string{"http://localhost:7777/bye"},
		Scope:        "openid profile offline_access read:orders write:orders",
	}, audience)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// part decodes part i (0 header, 1 claims) of a compact JWS.
func part(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCodeFlowGivesAnRFC9068Token(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	tok, err := c.LogIn(t.Context(), alice, "openid", "profile", "offline_access", "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	if typ := part(t, tok.AccessToken, 0)["typ"]; typ != "at+jwt" {
		t.Errorf("typ = %v, want at+jwt", typ)
	}
	claims := part(t, tok.AccessToken, 1)
	for name, want := range map[string]any{
		"iss": issuer, "sub": "alice", "aud": audience, "client_id": c.OAuth.ClientID,
		"scope": "openid profile offline_access read:orders",
	} {
		if claims[name] != want {
			t.Errorf("%s = %v, want %v", name, claims[name], want)
		}
	}
	for _, name := range []string{"jti", "iat", "exp"} {
		if claims[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	id, _ := tok.Extra("id_token").(string)
	identity := part(t, id, 1)
	if identity["name"] != "Alice Liddell" || identity["aud"] != c.OAuth.ClientID || identity["auth_time"] == nil {
		t.Errorf("ID token = %v", identity)
	}
}

func TestTokenWithoutResourceIsForTheAudience(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	verifier := oauth2.GenerateVerifier()
	conf := c.OAuth
	conf.Scopes = []string{"read:orders", "offline_access"}
	back, err := alice.Walk(t.Context(), nil, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), redirectURI)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := conf.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	next, err := c.Refresh(t.Context(), tok.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{tok.AccessToken, next.AccessToken} {
		if aud := part(t, raw, 1)["aud"]; aud != audience {
			t.Errorf("aud = %v, want %s", aud, audience)
		}
	}
}

func TestConsentGrantsWhatStaysTicked(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	who := alice
	who.Withhold = []string{"write:orders"}
	tok, err := c.LogIn(t.Context(), who, "openid", "read:orders", "write:orders")
	if err != nil {
		t.Fatal(err)
	}
	if scope := part(t, tok.AccessToken, 1)["scope"]; scope != "openid read:orders" {
		t.Errorf("scope = %v, want the two that stayed ticked", scope)
	}
	if tok.RefreshToken != "" {
		t.Error("a refresh token without offline_access")
	}
	who.Deny = true
	if _, err := c.LogIn(t.Context(), who, "read:orders"); err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("Deny: err = %v, want access_denied", err)
	}
}

// get opens an address without following redirects.
func get(t *testing.T, address string) *http.Response {
	t.Helper()
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestNearMissRedirectURIsAreRefusedWithoutRedirect(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	for name, uri := range map[string]string{
		"another path":        "http://localhost:7777/callback/evil",
		"a trailing slash":    "http://localhost:7777/callback/",
		"another port":        "http://localhost:7778/callback",
		"another host":        "http://127.0.0.1:7777/callback",
		"a sub-domain":        "http://evil.localhost:7777/callback",
		"a query":             "http://localhost:7777/callback?x=1",
		"an empty query":      "http://localhost:7777/callback?",
		"a fragment":          "http://localhost:7777/callback#x",
		"an empty fragment":   "http://localhost:7777/callback#",
		"upper case in path":  "http://localhost:7777/Callback",
		"upper case scheme":   "HTTP://localhost:7777/callback",
		"upper case host":     "http://LOCALHOST:7777/callback",
		"user information":    "http://user@localhost:7777/callback",
		"https":               "https://localhost:7777/callback",
		"an encoded letter":   "http://localhost:7777/call%62ack",
		"a dot segment":       "http://localhost:7777/./callback",
		"nothing":             "",
		"a script":            "javascript:alert(1)",
		"a protocol-relative": "//localhost:7777/callback",
	} {
		t.Run(name, func(t *testing.T) {
			conf := c.OAuth
			conf.RedirectURL = uri
			resp := get(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
			if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
				t.Errorf("status %d, Location %q; want 400 and no redirect", resp.StatusCode, resp.Header.Get("Location"))
			}
		})
	}
	t.Run("given twice", func(t *testing.T) {
		conf := c.OAuth
		resp := get(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))+"&redirect_uri="+url.QueryEscape(redirectURI))
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
			t.Errorf("status %d, Location %q; want 400 and no redirect", resp.StatusCode, resp.Header.Get("Location"))
		}
	})
}

func TestPKCEIsRequiredAndS256Only(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	verifier := oauth2.GenerateVerifier()
	plain := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("code_challenge", verifier), oauth2.SetAuthURLParam("code_challenge_method", "plain")}
	for name, opts := range map[string][]oauth2.AuthCodeOption{"no challenge": nil, "plain": plain} {
		t.Run(name, func(t *testing.T) {
			resp := get(t, c.OAuth.AuthCodeURL("s", opts...))
			to, err := resp.Location()
			if err != nil || to.Query().Get("error") != "invalid_request" || to.Query().Get("code") != "" {
				t.Errorf("status %d, Location %v; want an invalid_request redirect", resp.StatusCode, to)
			}
		})
	}
	t.Run("another verifier", func(t *testing.T) {
		_, err := c.OAuth.Exchange(t.Context(), code(t, c, verifier), oauth2.VerifierOption(oauth2.GenerateVerifier()))
		wantOAuthError(t, err, "invalid_grant")
	})
	t.Run("no verifier", func(t *testing.T) {
		_, err := c.OAuth.Exchange(t.Context(), code(t, c, verifier))
		wantOAuthError(t, err, "invalid_grant")
	})
}

// code logs in with a challenge of verifier and stops before the exchange.
func code(t *testing.T, c *client.Client, verifier string) string {
	t.Helper()
	conf := c.OAuth
	conf.Scopes = []string{"openid", "offline_access", "read:orders"}
	back, err := alice.Walk(t.Context(), nil, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), redirectURI)
	if err != nil {
		t.Fatal(err)
	}
	return back.Query().Get("code")
}

func wantOAuthError(t *testing.T, err error, want string) {
	t.Helper()
	var refused *oauth2.RetrieveError
	if !asError(err, &refused) || refused.ErrorCode != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}

func TestCodeWorksOnceAndItsReplayRevokesTheGrant(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	verifier := oauth2.GenerateVerifier()
	spent := code(t, c, verifier)
	tok, err := c.OAuth.Exchange(t.Context(), spent, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.OAuth.Exchange(t.Context(), spent, oauth2.VerifierOption(verifier))
	wantOAuthError(t, err, "invalid_grant")
	_, err = c.Refresh(t.Context(), tok.RefreshToken)
	wantOAuthError(t, err, "invalid_grant")
}

func TestDownServerAnswersNothing(t *testing.T) {
	s, issuer := start(t, nil)
	s.SetDown(true)
	if resp, err := http.Get(issuer + "/jwks"); err == nil {
		resp.Body.Close()
		t.Errorf("status %d while down, want a closed connection", resp.StatusCode)
	}
	s.SetDown(false)
	if got := published(t, issuer); len(got) != 1 {
		t.Errorf("key set %v after coming up, want one key", got)
	}
}
