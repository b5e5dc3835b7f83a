package introspect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// tells answers with a document, in which HOST is the server's own.
func tells(document string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		says(strings.ReplaceAll(document, "HOST", r.Host))(w, r)
	}
}

// Metadata of a real server that leads elsewhere is not followed: neither a token nor the client's
// secret reaches whom it names, and the dialer asks no metadata service of a cloud.
func TestHostileMetadata(t *testing.T) {
	var elsewhere, posts atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		fmt.Fprintf(w, `{"issuer":"http://%s","introspection_endpoint":"http://%[1]s/ask","active":true}`, r.Host)
	}))
	defer other.Close()
	for name, serve := range map[string]func(w http.ResponseWriter, r *http.Request){
		"a redirect to another port": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"a redirect that keeps methods": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusPermanentRedirect)
		},
		"a redirect to a cloud's service": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusTemporaryRedirect)
		},
		"a redirect to itself":                func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"an endpoint of a cloud's":            tells(`{"issuer":"http://HOST","introspection_endpoint":"http://169.254.169.254/latest/"}`),
		"an endpoint of a cloud's over https": tells(`{"issuer":"http://HOST","introspection_endpoint":"https://169.254.169.254/latest/"}`),
		"an endpoint of another host":         tells(`{"issuer":"http://HOST","introspection_endpoint":"https://evil.example/ask"}`),
		"an endpoint that is a file":          tells(`{"issuer":"http://HOST","introspection_endpoint":"file:///etc/passwd"}`),
		"an endpoint without a host":          tells(`{"issuer":"http://HOST","introspection_endpoint":"http:/ask"}`),
		"an endpoint that is a list":          tells(`{"issuer":"http://HOST","introspection_endpoint":["http://HOST/ask"]}`),
		"an issuer in another case":           tells(`{"issuer":"HTTP://HOST","introspection_endpoint":"http://HOST/ask"}`),
		"an issuer with a slash":              tells(`{"issuer":"http://HOST/","introspection_endpoint":"http://HOST/ask"}`),
		"an issuer twice":                     tells(`{"issuer":"http://HOST","issuer":"http://HOST","introspection_endpoint":"http://HOST/ask"}`),
		"an endpoint that redirects the POST": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/ask" {
				http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
				return
			}
			tells(`{"issuer":"http://HOST","introspection_endpoint":"http://HOST/ask"}`)(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			posts.Store(0)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					posts.Add(1)
				}
				serve(w, r)
			}))
			defer s.Close()
			i, err := introspect.New(introspect.FromMetadata, basic, introspect.Config{Claims: auth.Config{Issuer: s.URL, Audiences: []string{audience}}, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
			want(t, i, opaque, auth.ReasonUnavailable)
			if n := posts.Load(); n != 0 && name != "an endpoint that redirects the POST" {
				t.Errorf("the token was sent %d times", n)
			}
		})
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}
