package main_test

import (
	"sync"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestMatrixClaims holds the rows of claims that are looked at when they are there.
func TestMatrixClaims(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	g := newGroup(t, "claims", issuer.Verifier(auth.Config{}))
	other := newGroup(t, "claims-jwt", issuer.Verifier(auth.Config{Types: []string{"JWT"}}))
	for name, values := range map[string][]any{"auth_time": {"0", true, object{}}, "acr": {1, []string{"a"}}, "amr": {"pwd", []any{"pwd", 1}, []any{object{"method": "password"}}, object{}}} {
		for _, v := range append(values, nil) {
			if v == nil { // which is absent
				g.ask(question{"AT-36", name + " null", "orders", bearer(token(issuer, "read:orders", authtest.Claims{name: v})), nil, accepted})
				continue
			}
			other.ask(question{"AT-36", name + " " + encoded(v) + " in a token of another profile", "orders", bearer(token(issuer, "read:orders", authtest.Header{"typ": "JWT"}, authtest.Claims{name: v})), nil, accepted})
			g.ask(question{"AT-36", name + " " + encoded(v), "orders", bearer(token(issuer, "read:orders", authtest.Claims{name: v})), nil, invalid(auth.ReasonClaimInvalid)})
		}
	}
	g.ask(question{"AT-36", "all three", "orders", bearer(token(issuer, "read:orders", authtest.Claims{"auth_time": 1700000000, "acr": "1", "amr": []string{"pwd"}})), nil, accepted})
}

// TestMatrixPrincipal holds the rows of what handlers are given.
func TestMatrixPrincipal(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	verifier := issuer.Verifier(auth.Config{})
	verify := func(t *testing.T, changes ...authtest.Change) *auth.Principal {
		t.Helper()
		p, err := verifier.VerifyToken(t.Context(), issuer.Token("read:orders", changes...))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	user := authtest.Claims{"sub": "service", "client_id": "app"}
	client := authtest.Claims{"sub": "service", "client_id": "service"}
	for _, row := range []string{"AT-39", "S-11"} { // RFC 9068 §5, RFC 9700 §4.15
		t.Run(row, func(t *testing.T) {
			u, c := verify(t, user), verify(t, client)
			if u.IsClient() || !c.IsClient() {
				t.Errorf("the user is a client: %t; the client is: %t", u.IsClient(), c.IsClient())
			}
			if u.Identity() == c.Identity() {
				t.Errorf("a client and a user of one name are the same: %v", u.Identity())
			}
			if u.Identity() != verify(t, user).Identity() {
				t.Error("two tokens of one user are not the same")
			}
		})
	}
	t.Run("AT-41", func(t *testing.T) {
		type more struct {
			Tenant struct{ Name string } `json:"tenant"`
		}
		m, err := auth.ClaimsOf[more](verify(t, authtest.Claims{"tenant": object{"Name": "acme"}}))
		if err != nil || m.Tenant.Name != "acme" {
			t.Errorf("a claim of the user's own is read as %+v, %v", m, err)
		}
	})
	t.Run("O-14", func(t *testing.T) {
		p := verify(t, authtest.Claims{"roles": []string{"a"}, "aud": []string{issuer.Audience, "b"}, "cnf2": 1})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for _, list := range [][]string{p.Scopes(), p.Audience(), p.Roles()} {
					list[0] = "changed"
				}
				var own map[string]any
				if err := p.Claims(&own); err != nil {
					t.Error(err)
				}
				own["sub"] = "changed"
			})
		}
		all.Wait()
		if p.Scopes()[0] != "read:orders" || p.Audience()[0] != issuer.Audience || p.Roles()[0] != "a" || p.Subject() != "alice" {
			t.Errorf("one handler changed what another sees: %v %v %v %v", p.Scopes(), p.Audience(), p.Roles(), p.Subject())
		}
	})
}
