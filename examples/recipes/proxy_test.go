package recipes

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bearward/bearward/middleware/authtest"
)

// echoFields is an API behind a proxy: it answers what it was sent.
func echoFields(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s\n", r.Method, r.RequestURI)
	_ = r.Header.Write(w)
}

func TestProxyKeepsTheToken(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	upstream := &url.URL{Scheme: "http", Host: serve(t, http.HandlerFunc(echoFields))}
	at := "http://" + serve(t, newProxy(guard, upstream)) + "/orders"
	token := issuer.Token("read:orders", authtest.Claims{"sub": "Änne%0d\r\nX-Auth-Subject: root"})
	for name, fields := range map[string]http.Header{
		"nothing else":          {},
		"an identity":           {"X-Auth-Subject": {"root"}},
		"several":               {"X-Auth-Subject": {"root", "admin"}, "x-auth-subject": {"root"}},
		"with underscores":      {"X_Auth_Subject": {"root"}, "X_auth-SUBJECT": {"root"}},
		"dropped by Connection": {"Connection": {"X-Auth-Subject, Authorization"}, "X-Auth-Subject": {"root"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := get(t, at, []string{"Bearer " + token}, fields)
			if got.status != 200 || !strings.Contains(got.body, "X-Auth-Subject: %C3%84nne%250d%0D%0AX-Auth-Subject:%20root\r\n") {
				t.Errorf("the upstream does not know the caller: %d %s", got.status, got.body)
			}
			if strings.Contains(got.body, "Authorization") || strings.Contains(got.body, token) {
				t.Errorf("the upstream has the token: %s", got.body)
			}
			if strings.Count(strings.ReplaceAll(strings.ToLower(got.body), "_", "-"), "x-auth-subject: ") != 1 {
				t.Errorf("the upstream has an identity of the caller's making: %s", got.body)
			}
		})
	}
	if got := get(t, at, nil, nil); got.status != 401 || got.header.Get("Www-Authenticate") == "" {
		t.Errorf("without a token: %d %v", got.status, got.header)
	}
}

func TestProxyIsGuarded(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	upstream := &url.URL{Scheme: "http", Host: serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Method, r.URL.Path)
	}))}
	proxy := newProxy(guard, upstream)
	authtest.AssertGuarded(t, issuer, proxy, proxy.Rules(), nil)
}
