// Package interop_test has the four adapters meet authorization servers and OAuth clients that
// nobody here wrote.
package interop_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/nodetest"
)

const redirectURI = "http://127.0.0.1:9/callback"

// A panva is panva's oidc-provider under Node.js.
type panva struct {
	issuer string
	http   *http.Client // trusts it
}

// startPanva starts the provider. tls may be nil: it then serves plain HTTP.
func startPanva(t *testing.T, tls *certificates) *panva {
	t.Helper()
	files, err := json.Marshal(tls.files())
	if err != nil {
		t.Fatal(err)
	}
	server := nodetest.Command(t, "panva", "server.mjs", string(files))
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
		if strings.HasPrefix(lines.Text(), "http") {
			go io.Copy(io.Discard, stdout)
			return &panva{lines.Text(), tls.client()}
		}
	}
	t.Fatal("the provider ended before it listened")
	return nil
}

// panvaLogin walks the authorization-code flow with PKCE over the provider's own pages.
func panvaLogin(t *testing.T, issuer, resource, scope string) (*oauth2.Config, *oauth2.Token) {
	t.Helper()
	config := &oauth2.Config{
		ClientID: "web-app", ClientSecret: "a secret of the test", RedirectURL: redirectURI, Scopes: strings.Fields(scope),
		Endpoint: oauth2.Endpoint{AuthURL: issuer + "/auth", TokenURL: issuer + "/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	return config, walk(t, config, resource, panvaForms("alice"))
}

// panvaForms are what a person fills in on the provider's development pages.
func panvaForms(person string) func(*url.URL) []url.Values {
	return func(*url.URL) []url.Values {
		return []url.Values{{"prompt": {"login"}, "login": {person}, "password": {"x"}}, {"prompt": {"consent"}}}
	}
}

// walk takes the authorization-code flow with PKCE for a person who fills in the forms of the
// pages, the first of which is at a URL.
func walk(t *testing.T, config *oauth2.Config, resource string, forms func(first *url.URL) []url.Values) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("prompt", "consent")}
	exchange := []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}
	if resource != "" {
		options = append(options, oauth2.SetAuthURLParam("resource", resource))
		exchange = append(exchange, oauth2.SetAuthURLParam("resource", resource))
	}
	start := config.AuthCodeURL("state", append(options, oauth2.S256ChallengeOption(verifier))...)
	callback := browse(t, http.DefaultTransport, start, forms)
	token, err := config.Exchange(t.Context(), callback.Query().Get("code"), exchange...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// browse opens a page in a fresh browser, fills in forms, and returns the redirect URI that it is
// sent to.
func browse(t *testing.T, transport http.RoundTripper, start string, forms func(first *url.URL) []url.Values) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var callback *url.URL
	browser := &http.Client{Transport: transport, Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), redirectURI) {
			callback = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(start)
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
	if callback == nil || callback.Query().Get("code") == "" {
		body, _ := io.ReadAll(page.Body)
		t.Fatalf("no code came back from %s: %s\n%s", page.Request.URL.Path, page.Status, body)
	}
	return callback
}

func TestPanva(t *testing.T) {
	server := startPanva(t, nil)
	issuer := server.issuer
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

			server.control(t, "publish")
			server.control(t, "promote") // the new key signs from here on
			second := refresh(t, config, first, resource)
			if keyID(t, second.AccessToken) == keyID(t, first.AccessToken) {
				t.Fatal("the same key still signs")
			}
			doors.all(t, second.AccessToken, reader)
			doors.all(t, first.AccessToken, reader)

			server.control(t, "retire") // the old key; then a third one signs
			server.control(t, "publish")
			server.control(t, "promote")
			third := refresh(t, config, second, resource)
			doors.forget(t, first.AccessToken, third.AccessToken)
			doors.all(t, second.AccessToken, reader)
			server.control(t, "retire")
		})
	}
}

// control takes a step of a rotation of the provider's keys.
func (p *panva) control(t *testing.T, step string) {
	t.Helper()
	resp, err := p.http.Post(p.issuer+"/control/"+step, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %s %v\n%s", step, resp.Status, err, body)
	}
}

// rotate has a new key sign. The old one stays in the key set.
func (p *panva) rotate(t *testing.T) {
	t.Helper()
	p.control(t, "publish")
	p.control(t, "promote")
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
