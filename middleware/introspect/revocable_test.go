package introspect_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
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
