package interop_test

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/bearward/bearward/examples/internal/api"
	auth "github.com/bearward/bearward/middleware"
)

// TestPublicClientsShowTheirCertificates has public clients get tokens that panva's provider binds
// to their certificates, and call all four adapters over TLS.
func TestPublicClientsShowTheirCertificates(t *testing.T) {
	const resource = "https://orders.example/PS256"
	certificates := newAuthorities(t)
	provider := startPanva(t, certificates)
	server := authority{
		settings: settings{"issuer": provider.issuer, "resource": resource, "redirect": redirectURI, "ca": certificates.trust.file},
		sub:      "alice",
		login: func(t *testing.T, start string) string {
			return browse(t, provider.http.Transport, start, panvaForms("alice")).String()
		},
		rotate: provider.rotate,
	}
	asked := certificates.servers.Server()
	asked.ClientAuth = tls.RequestClientCert // whose it is, the token says
	apis := startGuarded(t, api.Config{
		Issuer: provider.issuer, Audience: resource, Client: provider.http, TLS: asked,
		MTLS: api.MTLS{Allow: true}, DPoP: api.DPoP{Require: true, Nonces: true}, // either way of being bound
	})
	for client, of := range map[string]struct {
		certificate certificate
		more        settings
	}{
		"partner":             {certificates.partner, settings{"authentication": "tls_client_auth", "scope": ordersScope}},
		"partner-self-signed": {certificates.selfSigned, settings{"authentication": "self_signed_tls_client_auth", "scope": "read:orders"}},
	} {
		own := settings{"client": client, "certificate": of.certificate.file, "key": of.certificate.keyFile}
		for _, library := range []string{"oauth4webapi", "openid-client"} {
			t.Run(client+" by "+library, func(t *testing.T) {
				journey{
					client: startClient(t, library, server.settings.with(of.more).with(own)), authority: server,
					itself: client == "partner-self-signed", apis: apis, thieves: certificates.stealFrom(of.certificate),
				}.walk(t)
			})
		}
	}
}

// stealFrom sends the request of a client with a certificate of its own once more, with another's
// and without any.
func (a *authorities) stealFrom(owner certificate) func(*testing.T, *guarded, told) {
	with := func(shown ...tls.Certificate) *tls.Config {
		config := a.servers.Client()
		config.Certificates = shown
		return config
	}
	return func(t *testing.T, g *guarded, done told) {
		t.Helper()
		used := done.last(t)
		g.refuses(t, "no certificate", g.steal(t, used, with()), 401, auth.ReasonBindingNotProved)
		g.refuses(t, "another certificate", g.steal(t, used, with(a.other.Certificate)), 401, auth.ReasonBindingNotProved)
		if status := g.steal(t, used, with(owner.Certificate)); status != http.StatusOK {
			t.Errorf("%s: the certificate of the token: %d, want 200: the thieves fail for another reason", g.adapter, status)
		}
	}
}
