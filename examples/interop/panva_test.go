// Package interop_test judges the tokens of authorization servers that nobody here wrote, by all
// four adapters.
package interop_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

const redirectURI = "http://127.0.0.1:9/callback"

// startPanva starts panva's oidc-provider under Node, and returns its issuer.
func startPanva(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			need(t, program+" is missing: install Node.js 18 or later, with npm")
		}
	}
	if _, err := os.Stat("panva/node_modules"); err != nil {
		install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
		install.Dir = "panva"
		if out, err := install.CombinedOutput(); err != nil {
			need(t, fmt.Sprintf("npm ci: %v\n%s", err, out))
		}
	}
	server := exec.CommandContext(t.Context(), "node", "server.mjs")
	server.Dir = "panva"
	server.Stderr = io.Discard // it warns of its development pages
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = server.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "http://") {
			go io.Copy(io.Discard, stdout)
			return lines.Text()
		}
	}
	t.Fatal("the provider ended before it listened")
	return ""
}

// need skips the test, or fails it where everything has to be there.
func need(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// panvaLogin walks the authorization-code flow with PKCE over the provider's own pages.
func panvaLogin(t *testing.T, issuer, resource, scope string) (*oauth2.Config, *oauth2.Token) {
	t.Helper()
	config := &oauth2.Config{
		ClientID: "web-app", ClientSecret: "a secret of the test", RedirectURL: redirectURI, Scopes: strings.Fields(scope),
		Endpoint: oauth2.Endpoint{AuthURL: issuer + "/auth", TokenURL: issuer + "/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	return config, walk(t, config, resource, func(*url.URL) []url.Values {
		return []url.Values{{"prompt": {"login"}, "login": {"alice"}, "password": {"x"}}, {"prompt": {"consent"}}}
	})
}

// walk takes the authorization-code flow with PKCE for a person who fills in the forms of the
// pages, the first of which is at a URL.
func walk(t *testing.T, config *oauth2.Config, resource string, forms func(first *url.URL) []url.Values) *oauth2.Token {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var code string
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), redirectURI) {
			code = r.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}}
	verifier := oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("prompt", "consent")}
	exchange := []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}
	if resource != "" {
		options = append(options, oauth2.SetAuthURLParam("resource", resource))
		exchange = append(exchange, oauth2.SetAuthURLParam("resource", resource))
	}
	page, err := browser.Get(config.AuthCodeURL("state", append(options, oauth2.S256ChallengeOption(verifier))...))
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range forms(page.Request.URL) {
		page.Body.Close()
		if page, err = browser.PostForm(page.Request.URL.String(), form); err != nil {
			t.Fatal(err)
		}
	}
	defer page.Body.Close()
	if code == "" {
		body, _ := io.ReadAll(page.Body)
		t.Fatalf("no code came back from %s: %s\n%s", page.Request.URL.Path, page.Status, body)
	}
	token, err := config.Exchange(t.Context(), code, exchange...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestPanva(t *testing.T) {
	issuer := startPanva(t)
	for _, alg := range []string{"RS256", "ES256", "PS256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			resource := "https://orders.example/" + alg
			doors := startDoors(t, issuer, resource, "")
			config, first := panvaLogin(t, issuer, resource, "openid offline_access read:orders")
			logForm(t, first.AccessToken)
			doors.all(t, first.AccessToken, reader)
			doors.all(t, "", refused)
			if id, ok := first.Extra("id_token").(string); !ok {
				t.Error("no ID token")
			} else {
				doors.all(t, id, refused)
			}

			control(t, issuer, "publish")
			control(t, issuer, "promote") // the new key signs from here on
			second := refresh(t, config, first, resource)
			if keyID(t, second.AccessToken) == keyID(t, first.AccessToken) {
				t.Fatal("the same key still signs")
			}
			doors.all(t, second.AccessToken, reader)
			doors.all(t, first.AccessToken, reader)

			control(t, issuer, "retire") // the old key; then a third one signs
			control(t, issuer, "publish")
			control(t, issuer, "promote")
			third := refresh(t, config, second, resource)
			doors.forget(t, first.AccessToken, third.AccessToken)
			doors.all(t, second.AccessToken, reader)
			control(t, issuer, "retire")
		})
	}
}

func control(t *testing.T, issuer, step string) {
	t.Helper()
	resp, err := http.Post(issuer+"/control/"+step, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %s %v\n%s", step, resp.Status, err, body)
	}
}

// refresh redeems a refresh token, for the same resource.
func refresh(t *testing.T, config *oauth2.Config, old *oauth2.Token, resource string) *oauth2.Token {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.RefreshToken}}
	if resource != "" {
		form.Set("resource", resource)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, config.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(url.QueryEscape(config.ClientID), url.QueryEscape(config.ClientSecret))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return redeem(t, r)
}
