package interop_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearward/bearward/examples/internal/authserver"
	person "github.com/bearward/bearward/examples/internal/client"
)

// An authority is an authorization server whose tokens are bound to their senders.
type authority struct {
	settings  settings
	http      *http.Client // trusts it
	sub       string       // of the person who logs in
	nonceCost []int        // the statuses by which it tells a client a nonce
	login     func(t *testing.T, start string) (callback string)
	rotate    func(t *testing.T) // has a new key sign, with the old one still published
}

func (a authority) issuer() string { return a.settings["issuer"].(string) }

// panvaAuthority is panva's provider, which asks for nonces of its own at its endpoints. The client
// of the settings is "phone".
func panvaAuthority(t *testing.T, resource string, tls *certificates) authority {
	t.Helper()
	server := startPanva(t, tls)
	return authority{
		settings: settings{
			"issuer": server.issuer, "resource": resource, "redirect": redirectURI, "scope": ordersScope,
			"client": "phone", "authentication": "none",
		},
		http:      server.http,
		sub:       "alice",
		nonceCost: []int{http.StatusBadRequest},
		login: func(t *testing.T, start string) string {
			return browse(t, server.http.Transport, start, panvaForms("alice")).String()
		},
		rotate: server.rotate,
	}
}

// embeddedAuthority is the examples' own authorization server, which has no nonces. Public clients
// register there.
func embeddedAuthority(t *testing.T, resource string, tls *certificates) authority {
	t.Helper()
	front := httptest.NewUnstartedServer(nil)
	issuer := "http://" + front.Listener.Addr().String()
	if tls != nil {
		issuer = "https://" + front.Listener.Addr().String()
	}
	server, err := authserver.New(authserver.Config{
		Issuer: issuer, Audiences: []string{resource}, ClientCertificates: tls != nil,
		Scopes: []authserver.Scope{{Name: "read:orders", Meaning: "See your orders"}},
		Users:  []authserver.User{{Name: "alice", Password: "wonderland"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	front.Config.Handler = server
	if tls == nil {
		front.Start()
	} else {
		front.TLS = tls.asking()
		front.StartTLS()
	}
	t.Cleanup(front.Close)
	reached := tls.client()
	return authority{
		settings: settings{
			"issuer": front.URL, "resource": resource, "redirect": redirectURI, "scope": ordersScope, "authentication": "none",
			"register": map[string]any{
				"client_name": "Phone", "redirect_uris": []string{redirectURI}, "scope": ordersScope, "token_endpoint_auth_method": "none",
				"grant_types": []string{"authorization_code", "refresh_token"}, "application_type": "native",
			},
		},
		http: reached,
		sub:  "alice",
		login: func(t *testing.T, start string) string {
			callback, err := person.Person{Name: "alice", Password: "wonderland"}.Walk(t.Context(), reached.Transport, start, redirectURI)
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
