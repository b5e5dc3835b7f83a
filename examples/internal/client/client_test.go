package client_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bearward/bearward/examples/internal/client"
)

const redirectURI = "http://localhost:9/callback"

// lying serves an authorization server whose answer to an authorization
// request is changed before it is sent.
func lying(t *testing.T, change func(url.Values)) *client.Client {
	t.Helper()
	mux := http.NewServeMux()
	ts := httptest.NewServer(mux)
	t.Cleanup(ts.Close)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%[1]q,"authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token","registration_endpoint":"%[1]s/register"}`, ts.URL)
	})
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"client_id":"app","client_secret":"secret"}`)
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		answer := url.Values{"code": {"c"}, "state": {r.FormValue("state")}, "iss": {ts.URL}}
		change(answer)
		http.Redirect(w, r, redirectURI+"?"+answer.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"at","token_type":"Bearer","expires_in":60}`)
	})
	md, err := client.Discover(t.Context(), http.DefaultClient, ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Register(t.Context(), http.DefaultClient, md, client.Registration{Name: "x", RedirectURIs: []string{redirectURI}}, "api")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLogInChecksTheAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string // in the error; "" for none
	}{
		"a good answer":  {func(url.Values) {}, ""},
		"another state":  {func(v url.Values) { v.Set("state", "forged") }, "state differs"},
		"no state":       {func(v url.Values) { v.Del("state") }, "state differs"},
		"another issuer": {func(v url.Values) { v.Set("iss", "https://other.test") }, "another issuer"},
		"no issuer":      {func(v url.Values) { v.Del("iss") }, "another issuer"},
		"an error":       {func(v url.Values) { v.Set("error", "access_denied") }, "access_denied"},
	} {
		tok, err := lying(t, c.change).LogIn(t.Context(), client.Person{}, "openid")
		if c.want == "" {
			if err != nil || tok.AccessToken != "at" {
				t.Errorf("%s: %v, %v", name, tok, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: err = %v, want %q in it", name, err, c.want)
		}
	}
}

func TestDiscoverRefusesAnotherIssuersMetadata(t *testing.T) {
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"issuer":"https://other.test"}`)
	}))
	defer ts.Close()
	if _, err := client.Discover(t.Context(), http.DefaultClient, ts.URL); err == nil || !strings.Contains(err.Error(), "other.test") {
		t.Errorf("err = %v", err)
	}
}

func TestPersonGivesUpOnPagesThatLeadNowhere(t *testing.T) {
	for want, page := range map[string]string{
		"no form":                            `<p>Hello</p>`,
		"more than one form":                 `<form></form><form></form>`,
		"neither a login nor a consent page": `<form><input name="colour"></form>`,
		"too many pages":                     `<form action="/again" method="post"><input name="password"></form>`,
	} {
		ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
		_, err := client.Person{}.Walk(t.Context(), nil, ts.URL, redirectURI)
		ts.Close()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %q in it", err, want)
		}
	}
}
