package connectauth_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/bearward/bearward/adapters/connectauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/mtls"
)

// newCertified returns a talk that takes tokens of client certificates.
func newCertified(t *testing.T, issuer *authtest.Issuer, rules auth.Rules) http.Handler {
	t.Helper()
	guard := issuer.Guard(&auth.GuardOptions{ResourceMetadata: metadataURL, Bindings: []auth.Binding{must(mtls.New(nil))}})
	mux := connectauth.NewMux(guard, rules)
	connectauth.Handle(mux, newTalkHandler, new(talk))
	return mux
}

// asking is the configuration of a server that asks for certificates of whomever, and needs none.
func asking(ca *authtest.CA, host string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{ca.Certificate(host).TLS()}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
}

// A secureServer is a grpcServer over TLS.
type secureServer struct {
	grpcServer
	config *tls.Config
}

func (s secureServer) Serve(l net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	server := &http.Server{Handler: s.Handler, Protocols: protocols, TLSConfig: s.config, ConnContext: auth.ConnContext}
	return server.ServeTLS(l, "", "")
}

// The kits try what a thief of tokens would that are bound to a certificate.
func TestStolenTokensOfCertificatesAreRefused(t *testing.T) {
	need := auth.AllOf(auth.Scopes("read"), auth.Bound())
	ca := authtest.NewCA(t)
	t.Run("grpc", func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		rules := auth.Rules{unary: need, bidi: need}
		server := secureServer{grpcServer{newCertified(t, issuer, rules)}, asking(ca, "api.example")}
		grpcauthtest.AssertGuarded(t, issuer, server, rules, &grpcauthtest.Options{
			Certificate: ca.Certificate(), TLS: &tls.Config{RootCAs: ca.Pool(), ServerName: "api.example", MinVersion: tls.VersionTLS13},
		})
	})
	for _, method := range []string{"POST", "GET"} {
		t.Run("connect "+method, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			h := newCertified(t, issuer, auth.Rules{unary: need})
			authtest.AssertGuarded(t, issuer, h, auth.Rules{method + " " + unary: need},
				&authtest.GuardedOptions{Prepare: prepareUnary, Certificate: ca.Certificate()})
		})
	}
}

// Over a real connection a token is good with its own certificate alone, in every protocol and for
// every kind of procedure.
func TestATokenOfACertificateNeedsItsConnection(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	ca := authtest.NewCA(t)
	owner := ca.Certificate()
	server := httptest.NewUnstartedServer(newCertified(t, issuer, readAll))
	server.TLS, server.EnableHTTP2 = asking(ca, "127.0.0.1"), true
	server.StartTLS()
	t.Cleanup(server.Close)
	clientWith := func(certificate ...tls.Certificate) *http.Client {
		config := &tls.Config{RootCAs: ca.Pool(), Certificates: certificate, MinVersion: tls.VersionTLS13}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	connections := map[string]*http.Client{
		"the owner's": clientWith(owner.TLS()), "another's of the same CA": clientWith(ca.Certificate().TLS()),
		"another's of no CA": clientWith(authtest.NewCertificate(t).TLS()), "none": clientWith(),
	}
	token := issuer.Token("read", owner.Confirmation())
	for protocol, options := range protocols {
		for procedure, call := range kinds {
			if protocol == "connect GET" && procedure != unary {
				continue
			}
			t.Run(protocol+procedure, func(t *testing.T) {
				for certificate, httpClient := range connections {
					c := connect.NewClient[message, message](httpClient, server.URL+procedure, options...)
					got, err := call(c, t.Context(), []string{"Bearer " + token})
					if certificate == "the owner's" {
						if err != nil || !strings.HasSuffix(got, " said hello") {
							t.Errorf("%s: got %q, %v", certificate, got, err)
						}
						continue
					}
					wantRefusal(t, certificate, err, connect.CodeUnauthenticated, auth.ReasonBindingNotProved, `error="invalid_token"`)
				}
			})
		}
	}
}
