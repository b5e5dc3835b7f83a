package interop_test

import (
	"net/http"
	"testing"

	"github.com/bearward/bearward/examples/internal/api"
	auth "github.com/bearward/bearward/middleware"
)

// TestPublicClientsShowTheirCertificates has public clients get tokens that are bound to their
// certificates, and call all four adapters over TLS.
func TestPublicClientsShowTheirCertificates(t *testing.T) {
	const resource = "https://orders.example/PS256"
	tls := newCertificates(t)
	type clients map[string]struct {
		certificate certificate
		more        settings
	}
	for name, of := range map[string]struct {
		start   func(*testing.T, string, *certificates) authority
		clients clients
	}{
		"panva": {panvaAuthority, clients{
			"partner": {tls.partner, settings{"client": "partner", "authentication": "tls_client_auth"}},
			"partner-self-signed": {tls.selfSign, settings{
				"client": "partner-self-signed", "authentication": "self_signed_tls_client_auth", "scope": "read:orders",
			}},
		}},
		"embedded": {embeddedAuthority, clients{"phone": {tls.selfSign, nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			server := of.start(t, resource, tls)
			server.nonceCost = nil // no proofs, no nonces
			apis := startGuarded(t, api.Config{
				Issuer: server.issuer(), Audience: resource, Client: server.http, TLS: tls.asking(),
				MTLS: api.MTLS{Allow: true}, DPoP: api.DPoP{Require: true, Nonces: true}, // bound either way
			})
			for client, c := range of.clients {
				files := settings{"ca": tls.trust, "certificate": c.certificate.file, "key": c.certificate.keyFile}
				for _, library := range []string{"oauth4webapi", "openid-client"} {
					t.Run(client+" by "+library, func(t *testing.T) {
						journey{
							client: startClient(t, library, server.settings.with(c.more).with(files)), authority: server,
							itself: client == "partner-self-signed", apis: apis, thieves: tls.stealFrom(c.certificate),
						}.walk(t)
					})
				}
			}
		})
	}
}

// stealFrom sends the request of a client once more, with another's certificate and without any.
func (c *certificates) stealFrom(owner certificate) func(*testing.T, *guarded, told) {
	return func(t *testing.T, g *guarded, done told) {
		t.Helper()
		used := done.last(t)
		g.refuses(t, "no certificate", g.steal(t, used, c.showing()), 401, auth.ReasonBindingNotProved)
		g.refuses(t, "another certificate", g.steal(t, used, c.showing(owner.Another())), 401, auth.ReasonBindingNotProved)
		if status := g.steal(t, used, c.showing(owner.Certificate)); status != http.StatusOK {
			t.Errorf("%s: the certificate of the token: %d, want 200: the thieves fail for another reason", g.adapter, status)
		}
	}
}
