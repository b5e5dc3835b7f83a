package interop_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/authserver"
	owner "github.com/bearward/bearward/examples/internal/client"
	"github.com/bearward/bearward/examples/internal/prover"
	auth "github.com/bearward/bearward/middleware"
)

// panvaAuthority is panva's provider, which asks for nonces of its own at its endpoints. The
// client of the settings is "phone".
func panvaAuthority(t *testing.T, resource string) authority {
	t.Helper()
	server := startPanva(t, nil)
	return authority{
		settings: settings{
			"issuer": server.issuer, "resource": resource, "redirect": redirectURI, "scope": ordersScope,
			"client": "phone", "authentication": "none",
		},
		sub:       "alice",
		nonceCost: []int{http.StatusBadRequest},
		login: func(t *testing.T, start string) string {
			return browse(t, http.DefaultTransport, start, panvaForms("alice")).String()
		},
		rotate: server.rotate,
	}
}

// embeddedAuthority is the examples' own authorization server, which has no nonces. Clients
// register there.
func embeddedAuthority(t *testing.T, resource string) authority {
	t.Helper()
	var server *authserver.Server
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(w, r) }))
	t.Cleanup(front.Close)
	server, err := authserver.New(authserver.Config{
		Issuer: front.URL, Audiences: []string{resource},
		Scopes: []authserver.Scope{{Name: "read:orders", Meaning: "See your orders"}},
		Users:  []authserver.User{{Name: "alice", Password: "wonderland"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return authority{
		settings: settings{
			"issuer": front.URL, "resource": resource, "redirect": redirectURI, "scope": ordersScope, "authentication": "none",
			"register": map[string]any{
				"client_name": "Phone", "redirect_uris": []string{redirectURI}, "scope": ordersScope, "token_endpoint_auth_method": "none",
				"grant_types": []string{"authorization_code", "refresh_token"}, "application_type": "native",
			},
		},
		sub: "alice",
		login: func(t *testing.T, start string) string {
			callback, err := owner.Person{Name: "alice", Password: "wonderland"}.Walk(t.Context(), http.DefaultTransport, start, redirectURI)
			if err != nil {
				t.Fatal(err)
			}
			return callback.String()
		},
		rotate: func(t *testing.T) {
			if _, err := server.RotateNow(); err != nil {
				t.Fatal(err)
			}
		},
	}
}

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
		start   func(*testing.T, string) authority
		clients map[string]settings
	}{
		"panva":    {panvaAuthority, map[string]settings{"phone": phone, "service": service}},
		"embedded": {embeddedAuthority, map[string]settings{"phone": phone}},
	} {
		t.Run(name, func(t *testing.T) {
			server := of.start(t, resource)
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
