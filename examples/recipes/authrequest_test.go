package recipes

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearward/bearward/middleware/authtest"
)

// startAuthRequest returns the URL of an nginx in front of an API that answers what it was sent.
func startAuthRequest(t *testing.T, guard http.Handler) string {
	return startAuthRequestBy(t, "nginx/auth_request.conf", guard)
}

func startAuthRequestBy(t *testing.T, file string, guard http.Handler) string {
	addresses := map[string]string{
		"127.0.0.1:8080": freeAddress(t),
		"127.0.0.1:9001": serve(t, guard),
		"127.0.0.1:9002": serve(t, http.HandlerFunc(echoFields)),
	}
	startNginx(t, file, addresses)
	return "http://" + addresses["127.0.0.1:8080"]
}

func TestNginxAuthRequest(t *testing.T) {
	program(t, "nginx")
	issuer, guard := newGuard(t, nil)
	at := startAuthRequest(t, newAuthRequest(guard))
	good := "Bearer " + issuer.Token("read:orders", authtest.Claims{"sub": "Änne\r\n"})
	writer := "Bearer " + issuer.Token("write:orders", authtest.Claims{"sub": "Änne\r\n"})
	for _, c := range []struct {
		name          string
		path          string
		authorization []string
		status        int
		challenge     string
	}{
		{"a good token", "/orders", []string{good}, 200, ""},
		{"below, by another requirement", "/orders/17", []string{good}, 403, `Bearer realm="api", error="insufficient_scope"`},
		{"below", "/orders/17", []string{writer}, 200, ""},
		{"a path that only begins so", "/orders-of-others", []string{good}, 404, ""},
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

// The API gets the path that nginx chose the location by. In the caller's spelling it might be the
// path of another route there: "/admin/..%2forders" is "/orders" to nginx, and of "/admin/{name}"
// to ServeMux, chi and Echo.
func TestNginxAuthRequestReadsThePathOnce(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	at := startAuthRequest(t, newAuthRequest(guard))
	both := []string{"Bearer " + issuer.Token("read:orders write:orders")}
	for sent, arrives := range map[string]string{
		"/orders": "/orders", "/orders?a=%2f": "/orders?a=%2f", "/admin/..%2forders": "/orders", "/admin/%2e%2e/orders": "/orders", "//orders": "/orders", "/admin;x/../orders": "/orders",
		"/orders/17": "/orders/17", "/admin/..%2forders/17": "/orders/17", "/orders/%252e%252e%252fadmin": "/orders/%252e%252e%252fadmin",
		"/orders/%3fa=1": "/orders/%3Fa=1", "/orders/%0d%0aX:%20y": "/orders/%0D%0AX:%20y", "/orders/x%2f..%2f17": "/orders/17",
	} {
		got := getPath(t, at, sent, both, nil)
		if first, _, _ := strings.Cut(got.body, "\n"); got.status != 200 || first != "GET "+arrives {
			t.Errorf("%s arrived as %d %q, want %s", sent, got.status, first, arrives)
		}
	}
}

func TestNginxAuthRequestTraps(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	reader := []string{"Bearer " + issuer.Token("read:orders")}
	for _, c := range []struct{ name, right, wrong, path, arrives string }{
		{"the caller's spelling", "proxy_pass http://app/orders;", "proxy_pass http://app;", "/admin/..%2forders", "GET /admin/..%2forders\n"},
		{"no slash at the end", "location = /orders {", "location /orders {", "/orders-of-others", "GET /orders-of-others\n"},
	} {
		t.Run("trap: "+c.name, func(t *testing.T) {
			text, err := os.ReadFile("nginx/auth_request.conf")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "trap.conf")
			if err := os.WriteFile(file, []byte(strings.Replace(string(text), c.right, c.wrong, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			got := getPath(t, startAuthRequestBy(t, file, newAuthRequest(guard)), c.path, reader, nil)
			if got.status != 200 || !strings.HasPrefix(got.body, c.arrives) {
				t.Errorf("got %d %s, want it to arrive as %s", got.status, got.body, c.arrives)
			}
		})
	}
}

// A location's requirement is for the methods that it names.
func TestNginxAuthRequestNamesMethods(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	at := startAuthRequest(t, newAuthRequest(guard))
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405, "OPTIONS": 405, "PROPFIND": 405, "GETS": 405} {
		r, err := http.NewRequest(method, at+"/orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders"))
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", method, resp.StatusCode, want)
		}
	}
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

// getPath sends the path, and a query behind it, as they are written.
func getPath(t *testing.T, at, path string, authorization []string, fields http.Header) *answer {
	t.Helper()
	host := strings.TrimPrefix(at, "http://")
	path, query, _ := strings.Cut(path, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: host, Path: decoded, RawPath: path, RawQuery: query}, Host: host, Header: http.Header{}}
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
