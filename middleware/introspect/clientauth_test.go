package introspect_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwt"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// asked makes one request as client, and returns the endpoint that saw it.
func asked(t *testing.T, client introspect.ClientAuth, tokens ...string) *endpoint {
	t.Helper()
	e := newEndpoint()
	i, err := introspect.New("https://issuer.example/introspect", client, introspect.Config{
		Claims: auth.Config{Issuer: issuerURL, Audiences: []string{audience}}, Client: &http.Client{Transport: e}, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	for _, token := range tokens {
		want(t, i, token, auth.ReasonTokenInactive)
	}
	return e
}

func TestBasicFormEncodes(t *testing.T) {
	e := asked(t, introspect.Basic("a:b c", introspect.FixedSecret("ü%+")), opaque)
	raw, err := base64.StdEncoding.DecodeString(e.headers[0].Get("Authorization")[len("Basic "):])
	if err != nil || string(raw) != "a%3Ab+c:%C3%BC%25%2B" {
		t.Errorf("%q, %v", raw, err)
	}
	if e.calls[0].Has("client_id") || e.calls[0].Has("client_secret") {
		t.Error("the form has credentials, too")
	}
}

func TestPost(t *testing.T) {
	e := asked(t, introspect.Post("orders-api", introspect.FixedSecret("a secret")), opaque)
	if got := e.calls[0]; got.Get("client_id") != "orders-api" || got.Get("client_secret") != "a secret" || e.headers[0].Get("Authorization") != "" {
		t.Errorf("%v", got)
	}
}

func TestASecretThatRotatesIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	e := newEndpoint()
	i, err := introspect.New("https://issuer.example/introspect", introspect.Post("orders-api", introspect.SecretFile(file)), introspect.Config{
		Claims: auth.Config{Issuer: issuerURL, Audiences: []string{audience}}, Client: &http.Client{Transport: e}, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	want(t, i, "a-1", auth.ReasonTokenInactive)
	write("two\r\n")
	want(t, i, "a-2", auth.ReasonTokenInactive)
	if one, two := e.calls[0].Get("client_secret"), e.calls[1].Get("client_secret"); one != "one" || two != "two" {
		t.Errorf("%q, %q", one, two)
	}
	write("\n")
	want(t, i, "a-3", auth.ReasonInternal) // no secret is our mistake, and says so
	if i.Ready() == nil || e.count() != 2 {
		t.Errorf("ready, or asked (%d times) without a secret", e.count())
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	e := asked(t, introspect.PrivateKeyJWT("orders-api", auth.ES256, key, "k1"), "a-1", "a-2")
	ids := map[string]bool{}
	for _, form := range e.calls {
		if got := form.Get("client_assertion_type"); got != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("client_assertion_type %q", got)
		}
		assertion, err := jwt.Parse([]byte(form.Get("client_assertion")), jwt.WithKey(jwa.ES256, key.Public()),
			jwt.WithIssuer("orders-api"), jwt.WithSubject("orders-api"), jwt.WithAudience(issuerURL))
		if err != nil {
			t.Fatal(err)
		}
		ids[assertion.JwtID()] = true
		if life := assertion.Expiration().Sub(assertion.IssuedAt()); life != time.Minute {
			t.Errorf("good for %v", life)
		}
	}
	if len(ids) != 2 {
		t.Errorf("%d different jti in two requests", len(ids))
	}
	bad := introspect.PrivateKeyJWT("orders-api", auth.ES384, key, "")
	_, err = introspect.New("https://issuer.example/introspect", bad, introspect.Config{Claims: auth.Config{Issuer: issuerURL, Audiences: []string{audience}}})
	if err == nil {
		t.Error("a key of another algorithm is accepted")
	}
}

func TestNoClientAuth(t *testing.T) {
	e := asked(t, introspect.NoClientAuth(), opaque)
	if got := e.calls[0].Encode(); e.headers[0].Get("Authorization") != "" || got != "token="+opaque+"&token_type_hint=access_token" {
		t.Errorf("%v", got)
	}
}
