package fetch_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/fetch"
)

func TestForbiddenAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254":          true,
		"::ffff:169.254.169.254":   true,
		"64:ff9b::169.254.169.254": true,
		"fe80::1":                  true,
		"fd00:ec2::254":            true,
		"0.0.0.0":                  true,
		"ff02::1":                  true,
		"127.0.0.1":                false,
		"10.0.0.1":                 false,
		"203.0.113.1":              false,
		"2001:db8::1":              false,
	} {
		if got := fetch.Forbidden(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: forbidden %v, want %v", address, got, want)
		}
	}
	c := client(t, fetch.Options{})
	_, err := c.Do(t.Context(), fetch.Request{URL: "http://169.254.169.254/", MaxBytes: 1})
	if err == nil || !strings.Contains(err.Error(), "link-local or metadata address") {
		t.Errorf("got %v, want the dial refused", err)
	}
}

func TestURLs(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://issuer.example/x":         true,
		"http://127.0.0.1:8080":            true,
		"http://LOCALHOST":                 true,
		"http://[::1]:8080":                true,
		"http://issuer.example":            false,
		"http://localhost.evil.example":    false,
		"https://user:pw@issuer.example":   false,
		"https://issuer.example/#fragment": false,
		"https:issuer.example":             false,
		"/keys":                            false,
	} {
		if _, err := fetch.ParseURL(raw, false); (err == nil) != want {
			t.Errorf("%q: %v, want it accepted: %v", raw, err, want)
		}
	}
	if _, err := fetch.ParseURL("http://issuer.example", true); err != nil {
		t.Errorf("http when it is allowed: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	for name, tt := range map[string]struct {
		to      string
		allowed bool
		want    string // in the error; empty: followed
	}{
		"same host":                 {"/moved", false, "status 302"},
		"same host, allowed":        {"/moved", true, ""},
		"other port, allowed":       {"http://127.0.0.1:1/", true, "leaves the host"},
		"another scheme, allowed":   {"https://HOST/", true, "leaves the host"},
		"in a circle, allowed":      {"/", true, "one too many"},
		"metadata service, allowed": {"http://169.254.169.254/", true, "leaves the host"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			host := server(t, func(w http.ResponseWriter, r *http.Request) {
				if asked++; r.URL.Path == "/" && asked < 20 {
					http.Redirect(w, r, strings.Replace(tt.to, "HOST", r.Host, 1), http.StatusFound)
				}
			})
			c := client(t, fetch.Options{SameHostRedirects: tt.allowed})
			_, err := c.Do(t.Context(), fetch.Request{URL: host + "/", MaxBytes: 100})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if asked > 4 {
				t.Errorf("%d requests, want at most 4", asked)
			}
		})
	}
}

// jar has a cookie for everybody.
type jar struct{}

func (jar) SetCookies(*url.URL, []*http.Cookie) {}
func (jar) Cookies(*url.URL) []*http.Cookie     { return []*http.Cookie{{Name: "session", Value: "x"}} }

func TestUsersClientKeepsItsTransportAlone(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		http.Redirect(w, r, "https://evil.example/", http.StatusFound)
	}))
	defer s.Close()
	theirs := s.Client()
	theirs.Jar, theirs.CheckRedirect = jar{}, func(*http.Request, []*http.Request) error { return nil }
	_, err := client(t, fetch.Options{HTTP: theirs}).Do(t.Context(), fetch.Request{URL: s.URL, MaxBytes: 1})
	var status *fetch.StatusError
	if !errors.As(err, &status) || status.Code != http.StatusFound {
		t.Errorf("got %v, want the redirect itself, and no cookie sent", err)
	}
}

func TestOutages(t *testing.T) {
	for code, want := range map[int]bool{400: false, 404: false, 302: false, 429: true, 500: true, 503: true} {
		if got := (&fetch.StatusError{Code: code}).Outage(); got != want {
			t.Errorf("%d: outage %v, want %v", code, got, want)
		}
	}
}
