package issuer_test

import (
	"crypto"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/issuer"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A command uses this package: testing registers flags, and authtest's RSA keys are published.
func TestItLinksNeitherTestingNorPublishedKeys(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "crypto/rsa") {
		t.Fatalf("go list -deps names no crypto/rsa: %s", out)
	}
	for _, d := range deps {
		if d == "testing" || strings.HasPrefix(d, "testing/") || strings.HasSuffix(d, "/authtest") {
			t.Errorf("it links %s", d)
		}
	}
}

// As a command uses it: over a socket of its own, with keys of its own.
func TestAnAPITrustsItOverASocket(t *testing.T) {
	for _, alg := range []auth.Algorithm{auth.RS256, auth.PS256, auth.ES256, auth.ES384, auth.ES512, auth.EdDSA} {
		t.Run(alg.String(), func(t *testing.T) {
			server := httptest.NewUnstartedServer(nil)
			defer server.Close()
			is, err := issuer.New(issuer.Options{URL: "http://" + server.Listener.Addr().String(), Audience: "https://api.example", Algorithm: alg})
			if err != nil {
				t.Fatal(err)
			}
			server.Config.Handler = is
			server.Start()
			config := is.Config()
			config.Algorithms = []auth.Algorithm{alg}
			keys, err := jwks.FromIssuer(is.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer keys.Close()
			v, err := auth.NewVerifier(keys, config)
			if err != nil {
				t.Fatal(err)
			}
			verify := func() error {
				t.Helper()
				token, err := is.Token("read:orders")
				if err != nil {
					t.Fatal(err)
				}
				p, err := v.VerifyToken(t.Context(), token)
				if err == nil && !p.HasScope("read:orders") {
					t.Errorf("the scopes are %q", p.Scopes())
				}
				return err
			}
			if err := verify(); err != nil {
				t.Errorf("before a rotation: %v", err)
			}
			if _, err := is.Rotate(); err != nil {
				t.Fatal(err)
			}
			if err := verify(); err != nil {
				t.Errorf("after a rotation: %v", err)
			}
		})
	}
}

func TestNewNamesTheOptionThatCannotBeUsed(t *testing.T) {
	errBroken := errors.New("broken")
	broken := func(auth.Algorithm) (crypto.Signer, error) { return nil, errBroken }
	for want, opts := range map[string]issuer.Options{
		"Options.URL":          {},
		"Options.URL: \"ftp":   {URL: "ftp://issuer.example"},
		"Options.KeySetURL":    {URL: "https://issuer.example", KeySetURL: "keys"},
		"Options.Algorithm":    {URL: "https://issuer.example", Algorithm: 99},
		"make a RS256 key: br": {URL: "https://issuer.example", NewKey: broken},
	} {
		if _, err := issuer.New(opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %s", err, want)
		}
	}
}

// A key that is not published, and a key set that is empty, are errors, and change nothing.
func TestKeysThatAreNotThere(t *testing.T) {
	is, err := issuer.New(issuer.Options{URL: "https://issuer.example", Algorithm: auth.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	before := is.KeyIDs()
	if err := is.Withdraw(before[0], "key-9"); err == nil || !slices.Equal(is.KeyIDs(), before) {
		t.Errorf("error %v, and the keys are %q, want %q", err, is.KeyIDs(), before)
	}
	if err := is.Withdraw(before...); err != nil || len(is.KeyIDs()) > 0 {
		t.Errorf("error %v, and the keys are %q, want none", err, is.KeyIDs())
	}
	if _, err := is.Promote(); err == nil {
		t.Error("Promote without keys: no error")
	}
	w := httptest.NewRecorder()
	is.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/jwks.json", nil))
	if got := strings.TrimSpace(w.Body.String()); got != `{"keys":[]}` {
		t.Errorf("the key set is %s", got)
	}
}

// A key set at a URL of its own is found there alone, and no metadata is served.
func TestAKeySetOfItsOwn(t *testing.T) {
	is, err := issuer.New(issuer.Options{URL: "acme", KeySetURL: "https://keys.example/set", Algorithm: auth.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{
		"https://keys.example/set": 200, "/set": 200, "https://other.example/set": 404, "/jwks.json": 404, "/.well-known/openid-configuration": 404,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, target, nil)
		if target[0] == '/' {
			r.URL.Host = ""
		}
		if is.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: got %d, want %d", target, w.Code, want)
		}
	}
}
