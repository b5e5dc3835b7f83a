package introspect_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/introspect"
)

func TestRevocable(t *testing.T) {
	is, err := issuer.New(issuer.Options{URL: issuerURL, Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := is.Token("read:orders")
	if err != nil {
		t.Fatal(err)
	}
	expired, err := is.Token("read:orders", issuer.Change{At: issuer.OnMembers, Apply: func(d *issuer.Draft) error { d.Claims["exp"] = 1000; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.NewVerifier(is.Keys(), is.Config())
	if err != nil {
		t.Fatal(err)
	}
	e := newEndpoint()
	e.give(jwt, map[string]any{"sub": "as the issuer tells it"})
	e.give(expired, nil)
	r, err := introspect.Revocable(v, mustNew(t, e, nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p, err := r.VerifyToken(t.Context(), jwt)
		if err != nil {
			t.Fatal(err)
		}
		if own, _ := v.VerifyToken(t.Context(), jwt); p != own {
			t.Error("the Principal is not the JWT's own")
		}
	}
	if e.count() != 1 {
		t.Errorf("asked %d times within MaxAge", e.count())
	}
	want(t, r, expired, auth.ReasonTokenExpired)
	want(t, r, opaque, auth.ReasonTokenMalformed)
	if e.count() != 1 {
		t.Error("the issuer was asked about a token that the verifier refuses")
	}
	if r.Ready() != nil || len(r.Status()) != 1 {
		t.Errorf("%v, %v", r.Ready(), r.Status())
	}
	if _, err := introspect.Revocable(nil, nil); err == nil {
		t.Error("Revocable of nothing")
	}
}

func TestARevokedJWTIsRefusedWithinMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is, err := issuer.New(issuer.Options{URL: issuerURL, Audience: audience})
		if err != nil {
			t.Fatal(err)
		}
		jwt, err := is.Token("read:orders")
		if err != nil {
			t.Fatal(err)
		}
		v, err := auth.NewVerifier(is.Keys(), is.Config())
		if err != nil {
			t.Fatal(err)
		}
		e := newEndpoint()
		e.give(jwt, nil)
		r, err := introspect.Revocable(v, mustNew(t, e, nil))
		if err != nil {
			t.Fatal(err)
		}
		want(t, r, jwt, "")
		e.revoke(jwt)
		time.Sleep(31 * time.Second)
		want(t, r, jwt, auth.ReasonTokenInactive)
	})
}

// What the issuer of the tokens is asked about, a Guard of the FAPI 2.0 profile need not ask again.
func TestIntrospectionIsAllowedByFAPI2(t *testing.T) {
	config := auth.Config{Issuer: issuerURL, Audiences: []string{audience}, Algorithms: []auth.Algorithm{auth.ES256}}
	v, err := auth.NewVerifier(jwks.Static{}, config)
	if err != nil {
		t.Fatal(err)
	}
	config.Algorithms = nil
	wide, err := auth.NewVerifier(jwks.Static{}, config)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(*introspect.Config) {}
	signed := func(c *introspect.Config) { c.Signed = jwks.Static{} }
	narrow := func(c *introspect.Config) {
		c.Signed, c.Claims.Algorithms = jwks.Static{}, []auth.Algorithm{auth.PS256, auth.ES256}
	}
	binding, err := dpop.New([]string{audience}, dpop.NewMemory(0), &dpop.Options{Algorithms: []auth.Algorithm{auth.ES256}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*introspect.Config)
		jwt    *auth.Verifier
		want   string
	}{
		"plain answers":                   {plain, nil, ""},
		"answers signed by any algorithm": {signed, nil, "the *introspect.Introspector accepts RS256, RS384, RS512, PS384, PS512, ES384, ES512"},
		"answers signed by ours":          {narrow, nil, ""},
		"JWTs":                            {plain, v, ""},
		"JWTs signed by any algorithm":    {plain, wide, "issuer " + issuerURL + " may sign by RS256"},
		"JWTs and signed answers":         {narrow, v, ""},
		"JWTs and answers signed by any":  {signed, v, "the *introspect.Introspector accepts RS256"},
		"an assertion by RS256":           {nil, nil, "the *introspect.Introspector accepts RS256"},
		"an assertion by RS256, beside v": {nil, v, "the *introspect.Introspector accepts RS256"},
	} {
		var i *introspect.Introspector
		if tt.change != nil {
			i = mustNew(t, newEndpoint(), tt.change)
		} else {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			i, err = introspect.New("https://issuer.example/introspect", introspect.PrivateKeyJWT("api", auth.RS256, key, ""),
				introspect.Config{Claims: config})
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
		}
		var tokens auth.TokenVerifier = i
		if tt.jwt != nil {
			if tokens, err = introspect.Revocable(tt.jwt, i); err != nil {
				t.Fatal(err)
			}
		}
		_, err := auth.NewGuard(tokens, &auth.GuardOptions{Profile: auth.FAPI2, Bindings: []auth.Binding{binding}, RequireBound: true})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), "§5.4.1): "+tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
