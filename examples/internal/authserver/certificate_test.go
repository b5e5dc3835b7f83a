package authserver_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/client"
	"github.com/bearward/bearward/middleware/authtest"
)

// startTLS serves an authorization server that asks for client certificates, and returns its issuer
// and how a client with a certificate reaches it.
func startTLS(t *testing.T) (issuer string, with func(...*authtest.Certificate) *http.Client) {
	t.Helper()
	var s *authserver.Server
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
	ts.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	ts.StartTLS()
	t.Cleanup(ts.Close)
	s, err := authserver.New(authserver.Config{
		Issuer: ts.URL, Audiences: []string{audience}, Users: []authserver.User{{Name: "alice", Password: "wonderland"}},
		ClientCertificates: true,
		Scopes:             []authserver.Scope{{Name: "read:orders", Meaning: "See your orders"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return ts.URL, func(shown ...*authtest.Certificate) *http.Client {
		transport := ts.Client().Transport.(*http.Transport).Clone()
		for _, c := range shown {
			transport.TLSClientConfig.Certificates = append(transport.TLSClientConfig.Certificates, c.TLS())
		}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
}

func TestTokensAreBoundToTheCertificateOfTheClient(t *testing.T) {
	issuer, with := startTLS(t)
	for _, authentication := range []string{"client_secret_basic", "none"} {
		t.Run(authentication, func(t *testing.T) {
			own := authtest.NewCertificate(t)
			app := registerOver(t, with(own), issuer, authentication)
			tok, err := app.LogIn(t.Context(), alice, "offline_access", "read:orders")
			if err != nil {
				t.Fatal(err)
			}
			wantCertificate(t, tok, own.Thumbprint())

			for name, thief := range map[string]*http.Client{"another certificate": with(own.Another()), "none": with()} {
				if _, err := app.Over(thief).Refresh(t.Context(), tok.RefreshToken); err == nil {
					t.Errorf("a refresh with %s gave a token", name)
				}
			}
			next, err := app.Refresh(t.Context(), tok.RefreshToken)
			if err != nil {
				t.Fatal(err)
			}
			wantCertificate(t, next, own.Thumbprint())
		})
	}
}

func TestWithoutACertificateTokensArePlain(t *testing.T) {
	issuer, with := startTLS(t)
	tok, err := registerOver(t, with(), issuer, "none").LogIn(t.Context(), alice, "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	wantCertificate(t, tok, nil)
}

func registerOver(t *testing.T, hc *http.Client, issuer, authentication string) *client.Client {
	t.Helper()
	md, err := client.Discover(t.Context(), hc, issuer)
	if err != nil {
		t.Fatal(err)
	}
	app, err := client.Register(t.Context(), hc, md, client.Registration{
		Name: "Partner", RedirectURIs: []string{redirectURI}, Authentication: authentication, Scope: "openid offline_access read:orders",
	}, audience)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func wantCertificate(t *testing.T, tok *oauth2.Token, thumbprint any) {
	t.Helper()
	confirmation, _ := part(t, tok.AccessToken, 1)["cnf"].(map[string]any)
	if tok.TokenType != "Bearer" || confirmation["x5t#S256"] != thumbprint {
		t.Errorf("token_type %q, cnf %v, want Bearer and the certificate %v", tok.TokenType, confirmation, thumbprint)
	}
}
