package authserver_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/clientcert"
)

// startMutual serves an authorization server in clear, and with TLS for clients with certificates.
// It returns the client that shows a certificate there, or none.
func startMutual(t *testing.T) (issuer string, client func(*clientcert.Certificate) *http.Client) {
	t.Helper()
	var s *authserver.Server
	mutual := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
	var err error
	if mutual.TLS, err = clientcert.Asking(new(tls.Config)); err != nil {
		t.Fatal(err)
	}
	mutual.StartTLS()
	t.Cleanup(mutual.Close)
	s, issuer = start(t, func(cfg *authserver.Config) { cfg.MutualURL = mutual.URL })
	return issuer, func(c *clientcert.Certificate) *http.Client {
		transport := mutual.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig = c.In(transport.TLSClientConfig)
		transport.DisableKeepAlives = true
		return &http.Client{Transport: transport}
	}
}

func TestTokensAreBoundToTheCertificateOfTheConnection(t *testing.T) {
	issuer, client := startMutual(t)
	app := register(t, issuer)
	if app.Metadata.Aliases.Token == "" {
		t.Fatal("the metadata names no token endpoint for certificates (RFC 8705 §5)")
	}
	owner, err := clientcert.New()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := app.Certified(client(owner)).LogIn(t.Context(), alice, "offline_access", "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	wantCertified(t, tok, owner.Thumbprint())
	next, err := app.Certified(client(owner)).Refresh(t.Context(), tok.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	wantCertified(t, next, owner.Thumbprint())

	for name, plain := range map[string]func() (*oauth2.Token, error){
		"in clear": func() (*oauth2.Token, error) { return app.LogIn(t.Context(), alice, "read:orders") },
		"without a certificate": func() (*oauth2.Token, error) {
			return app.Certified(client(nil)).LogIn(t.Context(), alice, "read:orders")
		},
	} {
		tok, err := plain()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if confirmation, bound := part(t, tok.AccessToken, 1)["cnf"]; bound {
			t.Errorf("%s: the token is bound: %v", name, confirmation)
		}
	}
}

func wantCertified(t *testing.T, tok *oauth2.Token, thumbprint string) {
	t.Helper()
	confirmation, _ := part(t, tok.AccessToken, 1)["cnf"].(map[string]any)
	if tok.TokenType != "Bearer" || confirmation["x5t#S256"] != thumbprint {
		t.Errorf("token_type %q, cnf %v, want Bearer and the thumbprint %s", tok.TokenType, confirmation, thumbprint)
	}
}
