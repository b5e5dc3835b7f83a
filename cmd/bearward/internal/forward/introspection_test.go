package forward

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

// settings is a configuration with some issuers, and the file of a secret beside it.
func settings(t *testing.T, more, issuers string) string {
	t.Helper()
	file := files(t, `{"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "for": ["https://api.example.com"], "gateways": ["127.0.0.1"], "rules": "rules.txt",`+more+` "issuers": [`+issuers+`]}`, rulesText)
	write(t, filepath.Join(filepath.Dir(file), "secret"), "s3cret\n")
	write(t, filepath.Join(filepath.Dir(file), "empty"), "\n")
	return file
}

// An endpoint answers about opaque tokens.
type endpoint struct {
	*httptest.Server
	calls atomic.Int64
	taken atomic.Bool // the token is no longer active
}

// newEndpoint calls the token "opaque" active, to who knows the secret by method.
func newEndpoint(t *testing.T, issuer *authtest.Issuer, method string) *endpoint {
	e := new(endpoint)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.calls.Add(1)
		id, secret, _ := r.BasicAuth()
		if method == "post" {
			id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
		}
		if method != "" && (id != "gate" || secret != "s3cret") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer := map[string]any{"active": false}
		if r.PostFormValue("token") == "opaque" && !e.taken.Load() {
			answer = map[string]any{"active": true, "iss": issuer.URL, "aud": issuer.Audience, "sub": "somebody", "client_id": "app", "scope": "read:orders",
				"jti": "one", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(e.Close)
	return e
}

func TestOpaqueTokens(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	for method, client := range map[string]string{
		"": ``, "basic": `, "client_id": "gate", "client_secret_file": "secret"`, "post": `, "auth": "post", "client_id": "gate", "client_secret_file": "secret"`,
	} {
		t.Run(method, func(t *testing.T) {
			asked := newEndpoint(t, issuer, method)
			r := serve(t, Options{File: settings(t, "", fmt.Sprintf(`{"issuer": %q, "audience": %q, "introspection": {"endpoint": %q, "ttl": "10m"%s}}`, issuer.URL, issuer.Audience, asked.URL, client))})
			for _, c := range []struct {
				token string
				want  int
			}{{"opaque", 200}, {"opaque", 200}, {"other", 401}, {issuer.Token("read:orders"), 200}, {issuer.Token("other"), 403}} {
				if got := r.ask("/orders", c.token); got != c.want {
					t.Errorf("%.10s: got %d, want %d", c.token, got, c.want)
				}
			}
			if got := asked.calls.Load(); got != 2 {
				t.Errorf("%d calls: a JWT was asked about, or an answer forgotten", got)
			}
			if _, text := r.get("/metrics"); !strings.Contains(text, "bearward_forward_introspections_total{outcome=\"active\"} 1\n") {
				t.Errorf("got %s", text)
			}
			entry := fmt.Sprintf(`{"issuer": %q, "token_id": "one", "until": %q}`, issuer.URL, time.Now().Add(time.Hour).Format(time.RFC3339))
			if code, text := r.post("/revocations", entry, nil); code != 204 {
				t.Errorf("got %d: %s", code, text)
			}
			if got := r.ask("/orders", "opaque"); got != 401 {
				t.Errorf("revoked: got %d", got)
			}
		})
	}
}

func TestAnswersAreNotRememberedWithoutTTL(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	asked := newEndpoint(t, issuer, "")
	r := serve(t, Options{File: settings(t, "", fmt.Sprintf(`{"issuer": %q, "audience": %q, "introspection": {"endpoint": %q, "ttl": "0s"}}`, issuer.URL, issuer.Audience, asked.URL))})
	if got := r.ask("/orders", "opaque"); got != 200 {
		t.Errorf("got %d", got)
	}
	asked.taken.Store(true)
	if got := r.ask("/orders", "opaque"); got != 401 {
		t.Errorf("taken back: got %d", got)
	}
}

// Without an endpoint the issuer's metadata is to name one, which authtest's does not.
func TestEndpointOfMetadata(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	r := serve(t, Options{File: settings(t, "", fmt.Sprintf(`{"issuer": %q, "audience": %q, "introspection": {}}`, issuer.URL, issuer.Audience))})
	before := issuer.Discoveries()
	if got := r.ask("/orders", "opaque"); got != 503 || issuer.Discoveries() == before {
		t.Errorf("got %d after %d look-ups", got, issuer.Discoveries()-before)
	}
}

func TestIntrospectionIsStrict(t *testing.T) {
	const one = `{"issuer": "https://issuer.example", "audience": "a", "introspection": {`
	for rest, want := range map[string]string{
		`"endpoint": "http://issuer.example"}}`:                                 "https",
		`"client_secret_file": "secret"}}`:                                      `"issuers", the 1. of them: "introspection": no "client_id"`,
		`"auth": "post"}}`:                                                      `no "client_id"`,
		`"client_id": "gate"}}`:                                                 `no "client_secret_file"`,
		`"client_id": "gate", "client_secret_file": "none"}}`:                   "none: no such file",
		`"client_id": "gate", "client_secret_file": "empty"}}`:                  "is empty",
		`"client_id": "gate", "client_secret_file": "secret", "auth": "none"}}`: `"auth" is "none"`,
		`"secret": "x"}}`:                                                       "there is no setting /issuers/0/introspection/secret",
		`"ttl": 5}}`:                                                            "/issuers/0/introspection/ttl cannot be read here",
		`"ttl": "-5s"}}`:                                                        "/issuers/0/introspection/ttl cannot be read here",
		`"ttl": "1h"}}`:                                                         "MaxAge",
		`}}, ` + strings.Replace(one, "issuer.example", "other.example", 1) + `}}`: `the 2. of them: a second "introspection"`,
	} {
		if err := Check(settings(t, "", one+rest)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want %q", rest, err, want)
		}
	}
	iap := `{"issuer": "https://cloud.google.com/iap", "preset": "google-iap", "audience": "/projects/1/apps/a", "introspection": {"endpoint": "https://issuer.example"}}`
	if err := Check(settings(t, "", iap)); err == nil || !strings.Contains(err.Error(), "X-Goog-Iap-Jwt-Assertion") {
		t.Errorf("got %v", err)
	}
}

func TestSeveralIssuersAndPresets(t *testing.T) {
	preset, err := provider.Named("keycloak", "https://sso.example.com/realms/shop", "orders-api")
	if err != nil {
		t.Fatal(err)
	}
	shop := authtest.NewIssuer(t, &authtest.Options{Config: &preset.Config})
	plain := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		resp, err := shop.Client().Get(shop.KeySetURL())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(keys.Close)
	both := fmt.Sprintf(`{"issuer": %q, "audience": %q}, {"preset": "keycloak", "issuer": "https://sso.example.com/realms/shop", "audience": "orders-api", "key_set_url": %q}`, plain.URL, plain.Audience, keys.URL)
	asked := newEndpoint(t, plain, "")
	for name, issuers := range map[string]string{
		"JWTs": both, "opaque tokens too": strings.Replace(both, `"}, {`, fmt.Sprintf(`", "introspection": {"endpoint": %q}}, {`, asked.URL), 1),
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, Options{File: settings(t, "", issuers)})
			r.until("keys of both", func() bool {
				return r.ask("/orders", plain.Token("read:orders")) == 200 && r.ask("/orders", shop.Token("read:orders")) == 200
			})
			for what, token := range map[string]string{
				"the preset's kind": shop.Token("read:orders", authtest.Claims{"typ": "Refresh"}), "another's name": shop.Token("read:orders", authtest.Claims{"iss": plain.URL}),
				"an issuer of nobody": plain.Token("read:orders", authtest.Claims{"iss": "https://other.example"}),
			} {
				if got := r.ask("/orders", token); got != 401 {
					t.Errorf("%s: got %d", what, got)
				}
			}
		})
	}
}

func TestProofsAreForTheOrigins(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	one := fmt.Sprintf(`{"issuer": %q, "audience": %q}`, issuer.URL, issuer.Audience)
	prover := authtest.NewProver(t, auth.ES256)
	bound, plain := issuer.Token("read:orders", prover.Confirmation()), issuer.Token("read:orders")
	for mode, want := range map[string]struct{ good, plain int }{"off": {401, 200}, "allow": {200, 200}, "require": {200, 401}} {
		r := serve(t, Options{File: settings(t, fmt.Sprintf(`"dpop": %q,`, mode), one)})
		good := prover.Proof("GET", "https://api.example.com/orders", bound)
		for _, c := range []struct {
			what, credentials, proof string
			want                     int
		}{
			{"good", "DPoP " + bound, good, want.good},
			{"used", "DPoP " + bound, good, 401},
			{"the gate's origin", "DPoP " + bound, prover.Proof("GET", "http://"+r.gate+"/orders", bound), 401},
			{"no proof", "DPoP " + bound, "", 401},
			{"bound, as Bearer", "Bearer " + bound, "", 401},
			{"plain", "Bearer " + plain, "", want.plain},
		} {
			if got := r.askWith("/orders", c.credentials, c.proof); got != c.want {
				t.Errorf("%s: %s: got %d, want %d", mode, c.what, got, c.want)
			}
		}
	}
}
