package main_test

import (
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/revocation"
)

// TestMatrixRevocations revokes, in the store of the process, tokens that the guard remembers: one
// by its ID, and then what its subject has.
func TestMatrixRevocations(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	store := revocation.NewMemory(0)
	guard := issuer.Guard(&auth.GuardOptions{Revoked: store.Revoked})
	eachTransport(t, "W-04", transports(t, guard), func(t *testing.T, name string, ask transport) {
		now := time.Now()
		of := func(jti, sub string, issued time.Time) []string {
			return bearer(issuer.Token("read:orders", authtest.Claims{"jti": name + jti, "sub": name + sub, "iat": issued.Unix()}))
		}
		one, two := of("1", "alice", now.Add(-time.Minute)), of("2", "alice", now.Add(-time.Minute))
		other, again := of("3", "bob", now.Add(-time.Minute)), of("4", "alice", now.Add(2*time.Second)) // within the leeway
		statuses := func(when string, want ...int) {
			t.Helper()
			for i, token := range [][]string{one, two, other, again} {
				if a := ask(t, request{need: "orders", authorization: token}); a.status != want[i] || a.status == 401 && a.code != "INVALID_TOKEN" {
					t.Errorf("%s, token %d: %d %s, want %d", when, i+1, a.status, a.code, want[i])
				}
			}
		}
		revoke := func(r revocation.Entry) {
			t.Helper()
			r.Issuer, r.Until = issuer.URL, now.Add(2*time.Hour)
			if err := store.Revoke(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		statuses("before", 200, 200, 200, 200)
		revoke(revocation.Entry{TokenID: name + "1"})
		statuses("one token revoked", 401, 200, 200, 200)
		revoke(revocation.Entry{Subject: name + "alice", IssuedBefore: now})
		statuses("all of a subject", 401, 401, 200, 200)
	})
}
