//go:build !race

package mtls_test

import (
	"crypto/sha256"
	"net/http/httptest"
	"net/netip"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/mtls"
)

// What a token that is remembered costs, plain and bound, over the Guard without Bindings.
func TestBudgetOfBoundTokens(t *testing.T) {
	issuer, client := authtest.NewIssuer(t, nil), authtest.NewCertificate(t)
	none := issuer.Guard(nil)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{
		must(dpop.New([]string{"https://api.example"}, dpop.NewMemory(0), nil)), must(mtls.New(nil)),
	}})
	proxied := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{
		must(mtls.New(&mtls.Options{From: []mtls.Proxy{{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}})),
	}})
	cost := func(g *auth.Guard, token string) float64 {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		client.Present(r)
		c := auth.RequestCredentials(httptest.NewRecorder(), r, "GET /orders")
		c.Peer = netip.MustParseAddr("198.51.100.1") // not the proxy's
		ask := func() {
			if _, err := g.Authorize(t.Context(), c, auth.Scopes("read:orders")); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			ask()
		}
		return testing.AllocsPerRun(200, ask)
	}
	plain, bound := issuer.Token("read:orders"), issuer.Token("read:orders", client.Confirmation())
	floor := cost(none, plain)
	if got := cost(guard, plain); got > floor {
		t.Errorf("a plain token: %v allocations, %v without Bindings", got, floor)
	}
	if got := cost(guard, bound); got > floor { // what it was checked against is in the record of the decision
		t.Errorf("a bound token: %v allocations, want no more than %v", got, floor)
	}
	if got := cost(proxied, bound); got > floor+1 { // the copy of the fields that it was checked against
		t.Errorf("a bound token where proxies are configured: %v allocations, want at most one more than %v", got, floor)
	}
}

// BenchmarkBoundToken is set beside the hash of the certificate, which is what it has to cost.
func BenchmarkBoundToken(b *testing.B) {
	issuer, client := authtest.NewIssuer(b, nil), authtest.NewCertificate(b)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{must(mtls.New(nil))}})
	for name, token := range map[string]string{"plain": issuer.Token("read:orders"), "bound": issuer.Token("read:orders", client.Confirmation())} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/orders", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			client.Present(r)
			c := auth.RequestCredentials(httptest.NewRecorder(), r, "GET /orders")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := guard.Authorize(b.Context(), c, auth.AnyToken()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("hash", func(b *testing.B) {
		raw := client.X509().Raw
		for b.Loop() {
			_ = sha256.Sum256(raw)
		}
	})
}
