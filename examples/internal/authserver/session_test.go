package authserver_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/authserver"
)

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

func TestConfigIsChecked(t *testing.T) {
	good := authserver.Config{
		Issuer: "http://127.0.0.1:1", Audiences: []string{audience, "https://other.test"},
		Users: []authserver.User{{Name: "alice", Password: "x"}},
	}
	for want, change := range map[string]func(*authserver.Config){
		"Config.Issuer":      func(c *authserver.Config) { c.Issuer = "http://as.example" },
		"https://host":       func(c *authserver.Config) { c.Issuer = "https://as.example/" },
		"Config.Audiences":   func(c *authserver.Config) { c.Audiences = nil },
		"Config.Users":       func(c *authserver.Config) { c.Users = nil },
		"Config.Scopes":      func(c *authserver.Config) { c.Scopes = []authserver.Scope{{Name: "a b"}} },
		"Config.Algorithm":   func(c *authserver.Config) { c.Algorithm = "HS256" },
		"Config.RotateEvery": func(c *authserver.Config) { c.RotateEvery, c.Overlap = time.Minute, time.Minute },
		"Config.MutualURL":   func(c *authserver.Config) { c.MutualURL = "http://127.0.0.1:1" },
		"Config.Opaque: ":    func(c *authserver.Config) { c.Opaque = []string{"https://nowhere.test"} },
		"nobody could ask":   func(c *authserver.Config) { c.Opaque = c.Audiences },
		"ResourceServers":    func(c *authserver.Config) { c.ResourceServers = []authserver.ResourceServer{{ID: "api"}} },
		"ClientCertificates": func(c *authserver.Config) { c.ClientCertificates = true }, // and no https
		"TokenLifetime":      func(c *authserver.Config) { c.TokenLifetime = time.Millisecond },
	} {
		cfg := good
		change(&cfg)
		if _, err := authserver.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want it to name %s", err, want)
		}
	}
}

// browse is a person's browser: it keeps cookies and does not follow redirects.
func browse(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func read(t *testing.T, resp *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// action returns the address that a page's form is sent to.
func action(t *testing.T, issuer, page string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `action="`)
	path, _, _ := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no form on the page:\n%s", page)
	}
	return issuer + path
}

func TestLoginPageKeepsItsGround(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	conf := c.OAuth
	conf.Scopes = []string{"read:orders"}
	begin := conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	password := url.Values{"username": {"alice"}, "password": {"wonderland"}}

	t.Run("a wrong password logs nobody in, and five end it", func(t *testing.T) {
		b := browse(t)
		resp, err := b.Get(begin)
		_, page := read(t, resp, err)
		form := action(t, issuer, page)
		wrong := url.Values{"username": {"alice"}, "password": {"nope"}}
		for range 4 {
			resp, err = b.PostForm(form, wrong)
			if status, page := read(t, resp, err); status != 422 || !strings.Contains(page, "do not go together") {
				t.Fatalf("status %d, page:\n%s", status, page)
			}
		}
		resp, err = b.PostForm(form, wrong)
		read(t, resp, err)
		if to, err := resp.Location(); err != nil || to.Query().Get("error") != "access_denied" {
			t.Errorf("after five: Location %v, want access_denied", to)
		}
	})
	t.Run("another browser cannot finish it", func(t *testing.T) {
		resp, err := browse(t).Get(begin)
		_, page := read(t, resp, err)
		resp, err = browse(t).PostForm(action(t, issuer, page), password)
		if status, page := read(t, resp, err); status != 400 || !strings.Contains(page, "another browser") {
			t.Errorf("status %d, page:\n%s", status, page)
		}
	})
	t.Run("another site cannot post to it", func(t *testing.T) {
		b := browse(t)
		resp, err := b.Get(begin)
		_, page := read(t, resp, err)
		req, err := http.NewRequest(http.MethodPost, action(t, issuer, page), strings.NewReader(password.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		resp, err = b.Do(req)
		if status, _ := read(t, resp, err); status != http.StatusForbidden {
			t.Errorf("status %d, want 403", status)
		}
	})
	t.Run("the login parameters in the first request are nothing", func(t *testing.T) {
		u, err := url.Parse(begin)
		if err != nil {
			t.Fatal(err)
		}
		form := u.Query()
		form.Set("username", "alice")
		form.Set("password", "wonderland")
		resp, err := browse(t).PostForm(issuer+u.Path, form)
		if _, page := read(t, resp, err); !strings.Contains(page, `name="password"`) {
			t.Error("no login page")
		}
	})
	t.Run("the consent cannot be sent twice", func(t *testing.T) {
		b := browse(t)
		resp, err := b.Get(begin)
		_, page := read(t, resp, err)
		form := action(t, issuer, page)
		resp, err = b.PostForm(form, password)
		_, page = read(t, resp, err)
		if !strings.Contains(page, "See your orders") {
			t.Errorf("the consent page does not say what is asked for:\n%s", page)
		}
		allow := url.Values{"decision": {"allow"}, "scope": {"read:orders"}}
		resp, err = b.PostForm(form, allow)
		if status, _ := read(t, resp, err); status != http.StatusSeeOther && status != http.StatusFound {
			t.Errorf("first: status %d, want a redirect", status)
		}
		resp, err = b.PostForm(form, allow)
		if status, _ := read(t, resp, err); status != http.StatusBadRequest {
			t.Errorf("second: status %d, want 400", status)
		}
	})
}

func TestLogout(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	conf := c.OAuth
	conf.Scopes = []string{"openid"}
	begin := func() string { return conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())) }
	b := browse(t)
	resp, err := b.Get(begin())
	_, page := read(t, resp, err)
	resp, err = b.PostForm(action(t, issuer, page), url.Values{"username": {"alice"}, "password": {"wonderland"}})
	read(t, resp, err)

	resp, err = b.Get(begin())
	if _, page := read(t, resp, err); !strings.Contains(page, "Allow") || strings.Contains(page, `name="password"`) {
		t.Error("the second login asks for the password again")
	}
	resp, err = b.Get(issuer + "/logout?client_id=" + conf.ClientID + "&post_logout_redirect_uri=" + url.QueryEscape("http://localhost:7777/evil"))
	if status, _ := read(t, resp, err); status != http.StatusBadRequest {
		t.Errorf("unregistered logout URL: status %d, want 400", status)
	}
	for _, path := range []string{"/logout?client_id=x", "/logout/x", "/authorize/x", "/authorize?client_id=x"} {
		resp, err = b.Get(issuer + path)
		if status, page := read(t, resp, err); status != http.StatusBadRequest || !strings.Contains(page, `role="alert"`) {
			t.Errorf("%s: status %d, want 400 in words\n%s", path, status, page)
		}
	}
	resp, err = b.Get(issuer + "/logout")
	_, page = read(t, resp, err)
	if !strings.Contains(page, "Log out?") {
		t.Fatalf("a logout without hint must ask:\n%s", page)
	}
	resp, err = b.PostForm(action(t, issuer, page), nil)
	if _, page := read(t, resp, err); !strings.Contains(page, "You are logged out") {
		t.Errorf("after the button:\n%s", page)
	}
	resp, err = b.Get(begin())
	if _, page := read(t, resp, err); !strings.Contains(page, `name="password"`) {
		t.Error("still logged in after the logout")
	}
}

func TestLogoutWithIDTokenReturnsToTheApplication(t *testing.T) {
	_, issuer := start(t, nil)
	c := register(t, issuer)
	tok, err := c.LogIn(t.Context(), alice, "openid")
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{
		"id_token_hint":            {tok.Extra("id_token").(string)},
		"post_logout_redirect_uri": {"http://localhost:7777/bye"},
		"state":                    {"xyz"},
	}
	resp := get(t, issuer+"/logout?"+query.Encode())
	if to := resp.Header.Get("Location"); to != "http://localhost:7777/bye?state=xyz" {
		t.Errorf("status %d, Location %q", resp.StatusCode, to)
	}
}

func TestLogNamesNoSecret(t *testing.T) {
	var log strings.Builder
	_, issuer := start(t, func(c *authserver.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	c := register(t, issuer)
	verifier := oauth2.GenerateVerifier()
	spent := code(t, c, verifier)
	tok, err := c.OAuth.Exchange(t.Context(), spent, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	next, err := c.Refresh(t.Context(), tok.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Refresh(t.Context(), tok.RefreshToken)
	wantOAuthError(t, err, "invalid_grant")
	get(t, c.OAuth.AuthCodeURL("s", oauth2.SetAuthURLParam("scope", "canary"), oauth2.S256ChallengeOption(verifier)))
	for _, secret := range []string{"canary", spent, verifier, tok.AccessToken, tok.RefreshToken, next.RefreshToken, c.OAuth.ClientSecret, "wonderland"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds a secret:\n%s", log.String())
		}
	}
	if !strings.Contains(log.String(), "refresh token used twice") {
		t.Errorf("the log does not tell of the reuse:\n%s", log.String())
	}
}
