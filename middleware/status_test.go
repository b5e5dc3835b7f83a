package auth_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestStatusTellsOfEachIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := authtest.NewIssuer(t, &authtest.Options{URL: "https://up.example"})
		down := authtest.NewIssuer(t, &authtest.Options{URL: "https://down.example"})
		down.Fail(503)
		fixed, err := auth.NewVerifier(jwks.Static{}, auth.Config{Issuer: "https://fixed.example", Audiences: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		optional := down.Config()
		optional.ReadyWithoutKeys = true
		all := must(auth.NewIssuers(up.Verifier(auth.Config{}), down.Verifier(optional), fixed))
		guard := must(auth.NewGuard(all, nil))
		synctest.Wait()
		want := []struct {
			issuer string
			state  jwks.State
			ready  bool
			keys   int
		}{
			{"https://down.example", jwks.StateEmpty, false, 0},
			{"https://fixed.example", "", true, 0},
			{"https://up.example", jwks.StateFresh, true, 2},
		}
		got := guard.Status()
		if len(got) != len(want) {
			t.Fatalf("%d issuers", len(got))
		}
		for i, w := range want {
			s := got[i]
			if s.Issuer != w.issuer || s.Keys.State != w.state || (s.Err == nil) != w.ready || len(s.Keys.Keys) != w.keys {
				t.Errorf("%+v, want %+v", s, w)
			}
			if s.Err != nil && !errors.Is(s.Err, jwks.ErrUnavailable) {
				t.Errorf("%s: %v", s.Issuer, s.Err)
			}
		}
		if err := guard.Ready(); err != nil {
			t.Errorf("an issuer of ReadyWithoutKeys makes the guard not ready: %v", err)
		}
		if other := must(auth.NewGuard(mute{}, nil)).Status(); other != nil {
			t.Errorf("a TokenVerifier that cannot tell: %v", other)
		}
	})
}
