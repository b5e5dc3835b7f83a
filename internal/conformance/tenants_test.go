package main_test

import (
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestMatrixTenants has an issuer come and go in front of each adapter.
func TestMatrixTenants(t *testing.T) {
	stays, goes := authtest.NewIssuer(t, nil), authtest.NewIssuer(t, &authtest.Options{URL: "https://goes.example"})
	issuers := must(auth.NewIssuers(stays.Verifier(auth.Config{})))
	tenant := goes.Verifier(auth.Config{})
	good, token := stays.Token("read:orders"), goes.Token("read:orders")
	eachTransport(t, "W-11", transports(t, must(auth.NewGuard(issuers, nil))), func(t *testing.T, _ string, ask transport) {
		statuses := func(when string, want int) {
			t.Helper()
			for range 2 { // the second time from the cache
				if a := ask(t, request{need: "orders", authorization: bearer(token)}); a.status != want {
					t.Errorf("%s: %d %s, want %d", when, a.status, a.code, want)
				}
				if a := ask(t, request{need: "orders", authorization: bearer(good)}); a.status != 200 {
					t.Errorf("%s, of the issuer that stays: %d %s", when, a.status, a.code)
				}
			}
		}
		statuses("before", 401)
		if err := issuers.Add(tenant); err != nil {
			t.Fatal(err)
		}
		statuses("added", 200)
		if issuers.Remove(goes.URL) != tenant {
			t.Error("another Verifier was removed")
		}
		statuses("removed", 401)
	})
}
