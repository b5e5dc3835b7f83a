package interop_test

import (
	"net/http"
	"testing"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/prover"
	auth "github.com/bearward/bearward/middleware"
)

// TestPublicClientsProveTheirKeys has public clients get tokens that are bound to their keys, and
// call all four adapters, which ask for nonces.
func TestPublicClientsProveTheirKeys(t *testing.T) {
	const resource = "https://orders.example/ES256"
	service := settings{
		"client": "service", "authentication": "client_secret_basic", "secret": "a secret of the test", "scope": "read:orders",
		"dpop": "Ed25519",
	}
	phone := settings{"dpop": "ES256"}
	for name, of := range map[string]struct {
		start   func(*testing.T, string, *certificates) authority
		clients map[string]settings
	}{
		"panva":    {panvaAuthority, map[string]settings{"phone": phone, "service": service}},
		"embedded": {embeddedAuthority, map[string]settings{"phone": phone}},
	} {
		t.Run(name, func(t *testing.T) {
			server := of.start(t, resource, nil)
			apis := startGuarded(t, api.Config{
				Issuer: server.issuer(), Audience: resource, DPoP: api.DPoP{Require: true, Nonces: true},
			})
			for client, more := range of.clients {
				for _, library := range []string{"oauth4webapi", "openid-client"} {
					t.Run(client+" by "+library, func(t *testing.T) {
						journey{
							client: startClient(t, library, server.settings.with(more)), authority: server,
							itself: client == "service", apis: apis, nonceCost: []int{http.StatusUnauthorized}, thieves: stealFromDPoP,
						}.walk(t)
					})
				}
			}
		})
	}
}

// stealFromDPoP sends what a client has just sent once more, in whole and in part.
func stealFromDPoP(t *testing.T, g *guarded, done told) {
	t.Helper()
	used := done.last(t)
	g.refuses(t, "a proof again", g.steal(t, used, nil), 401, auth.ReasonProofReplayed)

	stolen := used
	stolen.Headers = map[string]string{"authorization": "Bearer " + done.Token}
	g.refuses(t, "a bound token as a plain one", g.steal(t, stolen, nil), 401, auth.ReasonSchemeMismatch)

	stolen.Headers = map[string]string{"authorization": "DPoP " + done.Token}
	g.refuses(t, "a token without a proof", g.steal(t, stolen, nil), 401, auth.ReasonProofInvalid)

	thief, err := prover.New()
	if err != nil {
		t.Fatal(err)
	}
	if stolen.Headers["dpop"], err = thief.Proof(used.Method, used.URL, done.Token); err != nil {
		t.Fatal(err)
	}
	g.refuses(t, "a thief's proof", g.steal(t, stolen, nil), 401, auth.ReasonBindingNotProved)
}
