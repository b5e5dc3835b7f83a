package recipes

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bearward/bearward/middleware/authtest"
)

// startAuthRequest returns the URL of an nginx in front of an API that answers what it was sent.
func startAuthRequest(t *testing.T, guard http.Handler) string {
	addresses := map[string]string{
		"127.0.0.1:8080": freeAddress(t),
		"127.0.0.1:9001": serve(t, guard),
		"127.0.0.1:9002": serve(t, http.HandlerFunc(echoFields)),
	}
	startNginx(t, "nginx/auth_request.conf", addresses)
	return "http://" + addresses["127.0.0.1:8080"]
}

func TestNginxAuthRequest(t *testing.T) {
	program(t, "nginx")
	issuer, guard := newGuard(t, nil)
	at := startAuthRequest(t, newAuthRequest(guard))
	good := "Bearer " + issuer.Token("read:orders", authtest.Claims{"sub": "Änne\r\n"})
	for _, c := range []struct {
		name          string
		path          string
		authorization []string
		status        int
		challenge     string
	}{
		{"a good token", "/orders", []string{good}, 200, ""},
		{"below", "/orders/17", []string{good}, 200, ""},
		{"no token", "/orders", nil, 401, `Bearer realm="api"`},
		{"an expired token", "/orders", []string{"Bearer " + issuer.Token("read:orders", authtest.Expired)}, 401, `Bearer realm="api", error="invalid_token"`},
		{"another scope", "/orders", []string{"Bearer " + issuer.Token("write:orders")}, 403, `Bearer realm="api", error="insufficient_scope"`},
		{"two tokens, which nginx refuses itself", "/orders", []string{good, good}, 400, ""},
		{"two tokens in one line", "/orders", []string{good + ", " + good}, 400, `Bearer realm="api", error="invalid_request"`},
		{"a broken header", "/orders", []string{good + " " + good}, 400, `Bearer realm="api", error="invalid_request"`},
		{"no location", "/stats", []string{good}, 404, ""},
		{"the guard itself", "/guard/read-orders", []string{good}, 404, ""},
		{"dots", "/x/../orders", nil, 401, "Bearer"},
		{"encoded dots", "/x/%2e%2e/orders", nil, 401, "Bearer"},
		{"an encoded slash", "/x/..%2forders", nil, 401, "Bearer"},
		{"doubled slashes", "//orders", nil, 401, "Bearer"},
		{"out of the location", "/orders/../stats", []string{good}, 404, ""},
		{"in capitals", "/ORDERS", nil, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := getPath(t, at, c.path, c.authorization, http.Header{"X-Auth-Subject": {"root"}, "X_Auth_Subject": {"root"}})
			if got.status != c.status || len(got.header["Www-Authenticate"]) > 1 || !strings.HasPrefix(got.header.Get("Www-Authenticate"), c.challenge) || (c.challenge == "") != (got.header.Get("Www-Authenticate") == "") {
				t.Errorf("got %d %q, want %d %q\n%s", got.status, got.header["Www-Authenticate"], c.status, c.challenge, got.body)
			}
			if c.status == 200 && (!strings.Contains(got.body, "X-Auth-Subject: %C3%84nne%0D%0A\r\n") || strings.Contains(got.body, "root") || strings.Contains(got.body, "Authorization")) {
				t.Errorf("the API was sent %s", got.body)
			}
		})
	}
	t.Run("keys are not available", func(t *testing.T) {
		down := authtest.NewIssuer(t, nil)
		down.Fail(503)
		at := startAuthRequest(t, newAuthRequest(down.Guard(nil)))
		got := getPath(t, at, "/orders", []string{"Bearer " + down.Token("read:orders")}, nil)
		if got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get("Www-Authenticate") != "" {
			t.Errorf("got %d %v, want 503 and Retry-After", got.status, got.header)
		}
	})
}

// TestAuthRequestIsGuarded asks what nginx asks as an attacker would.
func TestAuthRequestIsGuarded(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	mux := newAuthRequest(guard)
	different := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // the kit tells handlers apart by what they answer
		w.Header().Set("X-Rule", r.URL.Path)
		mux.ServeHTTP(w, r)
	})
	authtest.AssertGuarded(t, issuer, different, mux.Rules(), nil)
}

// getPath sends the path as it is written.
func getPath(t *testing.T, at, path string, authorization []string, fields http.Header) *answer {
	t.Helper()
	host := strings.TrimPrefix(at, "http://")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: host, Path: decoded, RawPath: path}, Host: host, Header: http.Header{}}
	for name, values := range fields {
		r.Header[name] = values
	}
	r.Header["Authorization"] = authorization
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answer{resp.StatusCode, resp.Header, string(body)}
}
