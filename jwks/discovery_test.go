package jwks_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

const (
	pathIssuer = issuerURL + "/realms/one"
	oauthForm  = issuerURL + "/.well-known/oauth-authorization-server/realms/one"
	insertForm = issuerURL + "/.well-known/openid-configuration/realms/one"
	appendForm = pathIssuer + "/.well-known/openid-configuration"
	oauthTail  = pathIssuer + "/.well-known/oauth-authorization-server"
)

// forms are the four of pathIssuer, in the order in which they are asked.
var forms = []string{oauthForm, insertForm, appendForm, oauthTail}

// site answers each URL with its handler, and others with 404.
type site map[string]http.HandlerFunc

func (s site) serve(w http.ResponseWriter, r *http.Request) {
	if h := s[r.URL.String()]; h != nil {
		h(w, r)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func metadata(issuer, keys string) http.HandlerFunc {
	return body(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, keys))
}

// discover opens a Cache for pathIssuer over s.
func discover(t *testing.T, s site, set ...func(*jwks.Options)) (*jwks.Cache, *issuer) {
	i := newIssuer()
	i.answer(s.serve)
	return opened(t, jwks.FromIssuer, pathIssuer, i, set...), i
}

func TestAS01_IssuerInTheMetadataIsIdentical(t *testing.T) {
	for _, named := range []string{
		pathIssuer + "/", strings.ToUpper(pathIssuer), "https://issuer.example:443/realms/one", issuerURL + "/realms/%6Fne",
		issuerURL, "", "https://evil.example/realms/one",
	} {
		t.Run(named, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := site{appendForm: metadata(named, keySetURL), keySetURL: body(keySet("a"))}
				c, i := discover(t, s)
				err := c.Refresh(t.Context())
				if !errors.Is(err, jwks.ErrMisconfigured) || !errors.Is(c.Status().LastError, jwks.ErrMisconfigured) {
					t.Errorf("Refresh: %v, status: %v; want errors that wrap ErrMisconfigured", err, c.Status().LastError)
				}
				check(t, c, "a", "not judged")
				if slices.Contains(i.urls(), keySetURL) {
					t.Error("the key set of another issuer was fetched")
				}
			})
		})
	}
}

func TestAS02_AS03_FormsOfMetadataAreTriedInOrder(t *testing.T) {
	for name, c := range map[string]struct {
		issuer string
		forms  []string
	}{
		"with a path":             {pathIssuer, forms},
		"with a path and a slash": {pathIssuer + "/", forms},
		"without a path": {issuerURL, []string{
			issuerURL + "/.well-known/oauth-authorization-server", issuerURL + "/.well-known/openid-configuration",
		}},
		"with a slash alone": {issuerURL + "/", []string{
			issuerURL + "/.well-known/oauth-authorization-server", issuerURL + "/.well-known/openid-configuration",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				for n, form := range c.forms {
					i := newIssuer()
					i.answer(site{form: metadata(c.issuer, keySetURL), keySetURL: body(keySet("a"))}.serve)
					cache := opened(t, jwks.FromIssuer, c.issuer, i)
					check(t, cache, "", "served")
					if want := append(slices.Clone(c.forms[:n+1]), keySetURL); !slices.Equal(i.urls(), want) {
						t.Errorf("asked for %q, want %q", i.urls(), want)
					}
				}
			})
		})
	}
}

func TestAS03_FormThatAnsweredIsTriedFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := site{appendForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}
		c, i := discover(t, s)
		sleep(time.Second)
		before := i.count()
		if err := c.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := i.urls()[before:], []string{appendForm, keySetURL}; !slices.Equal(got, want) {
			t.Errorf("asked for %q, want %q", got, want)
		}
	})
}

func TestAS04_KeySetURLIsHTTPS(t *testing.T) {
	for _, url := range []string{
		"http://issuer.example/keys", "http://localhost/keys", "http://127.0.0.1/keys", "ftp://issuer.example/keys", "file:///etc/passwd",
		"/keys", "", "https://user:secret@issuer.example/keys", "javascript:alert(1)",
	} {
		bubble(t, func(t *testing.T) {
			c, i := discover(t, site{oauthForm: metadata(pathIssuer, url), url: body(keySet("a"))})
			if err := c.Refresh(t.Context()); !errors.Is(err, jwks.ErrMisconfigured) || slices.Contains(i.urls(), url) {
				t.Errorf("%q: %v after %q, want an error that wraps ErrMisconfigured and no request there", url, err, i.urls())
			}
		})
	}
}

func TestS12_AddressesAreHTTPS(t *testing.T) {
	for url, want := range map[string]bool{
		"https://issuer.example":           true,
		"http://issuer.example":            false,
		"http://localhost:8080":            true,
		"http://127.0.0.1:8080":            true,
		"http://[::1]:8080":                true,
		"http://localhost.evil.example":    false,
		"http://127.0.0.1.evil.example":    false,
		"issuer.example":                   false,
		"":                                 false,
		"ftp://issuer.example":             false,
		"https://":                         false,
		"https://user:pw@issuer.example":   false,
		"https://issuer.example/#fragment": false,
		"https:issuer.example":             false,
	} {
		for name, construct := range map[string]func(string, *jwks.Options) (*jwks.Cache, error){"New": jwks.New, "FromIssuer": jwks.FromIssuer} {
			c, err := construct(url, &jwks.Options{Client: &http.Client{Transport: newIssuer()}})
			if (err == nil) != want {
				t.Errorf("%s(%q): %v, want accepted: %v", name, url, err, want)
			}
			if err == nil {
				c.Close()
			} else if strings.Contains(err.Error(), "pw") {
				t.Errorf("%s(%q): the error repeats the password: %v", name, url, err)
			}
		}
	}
	c, err := jwks.New("http://issuer.example", &jwks.Options{InsecureAllowHTTP: true, Client: &http.Client{Transport: newIssuer()}})
	if err != nil {
		t.Fatalf("InsecureAllowHTTP: %v", err)
	}
	c.Close()
	if c, err := jwks.FromIssuer("https://issuer.example?tenant=1", nil); err == nil {
		c.Close()
		t.Error("an issuer with a query was taken")
	}
}

func TestAS05_KeySetOnAnotherHost(t *testing.T) {
	const elsewhere = "https://cdn.example/keys"
	bubble(t, func(t *testing.T) {
		c, _ := discover(t, site{oauthForm: metadata(pathIssuer, elsewhere), elsewhere: body(keySet("a"))})
		if err := c.Refresh(t.Context()); err != nil {
			t.Errorf("metadata over https: %v, want it followed", err)
		}
	})
	bubble(t, func(t *testing.T) {
		const plain = "http://issuer.example"
		i := newIssuer()
		i.answer(site{
			plain + "/.well-known/oauth-authorization-server": metadata(plain, elsewhere), elsewhere: body(keySet("a")),
		}.serve)
		c := opened(t, jwks.FromIssuer, plain, i, func(o *jwks.Options) { o.InsecureAllowHTTP = true })
		if err := c.Refresh(t.Context()); !errors.Is(err, jwks.ErrMisconfigured) {
			t.Errorf("metadata over http: %v, want an error that wraps ErrMisconfigured", err)
		}
	})
}

func TestAS06_ChangedKeySetURLIsFollowedAfterValidation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const moved = issuerURL + "/moved"
		s := site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}
		c, i := discover(t, s)
		sleep(time.Second)
		// It names a place where there is no key set yet.
		i.answer(site{oauthForm: metadata(pathIssuer, moved), keySetURL: body(keySet("a"))}.serve)
		sleep(9 * time.Minute)
		if url := c.Status().URL; url != keySetURL {
			t.Errorf("follows %s before it answered", url)
		}
		check(t, c, "a", "served")
		i.answer(site{oauthForm: metadata(pathIssuer, moved), moved: body(keySet("b"))}.serve)
		sleep(2 * time.Minute)
		if url := c.Status().URL; url != moved {
			t.Errorf("follows %s, want %s", url, moved)
		}
		check(t, c, "b", "served")
		check(t, c, "a", "refused")
	})
}

// An ETag is one URL's own (RFC 9110 §8.8.3): another's answer of 304 to it would keep keys that
// were withdrawn.
func TestAS06_TheETagOfTheURLBeforeIsNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const moved = issuerURL + "/moved"
		tagged := func(kid string) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"1"`)
				if r.Header.Get("If-None-Match") == `"1"` {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				io.WriteString(w, keySet(kid))
			}
		}
		c, i := discover(t, site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: tagged("a")})
		sleep(time.Second)
		i.answer(site{oauthForm: metadata(pathIssuer, moved), moved: tagged("b")}.serve)
		sleep(10 * time.Minute)
		check(t, c, "b", "served")
		check(t, c, "a", "refused")
	})
}

func TestAS07_DiscoveryThatFailsLaterDropsNoKeys(t *testing.T) {
	for name, trouble := range map[string]http.HandlerFunc{
		"server error":   status(500),
		"not found":      status(404),
		"HTML":           body("<html>"),
		"another issuer": metadata("https://evil.example", keySetURL),
		"hangs":          hang,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}
				c, i := discover(t, s)
				sleep(time.Second)
				broken := site{oauthForm: trouble, keySetURL: body(keySet("a"))}
				i.answer(broken.serve)
				sleep(20 * time.Hour)
				check(t, c, "a", "served")
				// Without metadata the known URL still tells what is withdrawn. With another
				// issuer's, nothing is believed.
				broken2 := site{oauthForm: trouble, keySetURL: body(keySet("b"))}
				i.answer(broken2.serve)
				sleep(10 * time.Minute)
				want := "refused"
				if name == "another issuer" {
					want = "served"
				}
				if got := answerOf(c, "a"); name == "hangs" && got == "not judged" {
					sleep(time.Minute) // a fetch that is the clock's was under way, with its discovery
				}
				check(t, c, "a", want)
			})
		})
	}
}

func TestUnknownKeyIsLookedForWithoutDiscovery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, i := discover(t, site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))})
		sleep(time.Second)
		before := i.count()
		check(t, c, "x", "refused")
		if got := i.urls()[before:]; !slices.Equal(got, []string{keySetURL}) {
			t.Errorf("asked for %q, want the key set alone", got)
		}
	})
}
