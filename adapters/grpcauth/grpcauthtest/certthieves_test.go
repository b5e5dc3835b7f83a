package grpcauthtest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/mtls"
)

// A carelessMTLS is a real Binding that overlooks some refusals, or believes metadata.
type carelessMTLS struct {
	*mtls.Binding
	overlook func(c *auth.Credentials) bool
	fields   []string
}

func (b *carelessMTLS) Fields() []string { return b.fields }

func (b *carelessMTLS) Check(ctx context.Context, token string, c *auth.Credentials, p *auth.Principal, member []byte) error {
	err := b.Binding.Check(ctx, token, c, p, member)
	var e *auth.Error
	if errors.As(err, &e) && b.overlook(c) {
		return nil
	}
	return err
}

func hasCertificate(c *auth.Credentials) bool { return c.TLS != nil && len(c.TLS.PeerCertificates) > 0 }

func realMTLS(from ...mtls.Proxy) *mtls.Binding { return must(mtls.New(&mtls.Options{From: from})) }

// A certificateServer is a server with TLS that asks for certificates as asks says, and takes those
// of a CA alone where it verifies them.
type certificateServer struct {
	asks tls.ClientAuthType
	// served are the rules of its guard, nil for those that are asked.
	served auth.Rules
}

// ask returns what AssertGuarded says of the server with a guard of options.
func (s certificateServer) ask(t *testing.T, o *auth.GuardOptions) []string {
	t.Helper()
	rules := with(rpctest.Unary, auth.AllOf(auth.Scopes("read"), auth.Bound()))
	if s.served == nil {
		s.served = rules
	}
	ca := authtest.NewCA(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Certificate("api.example").TLS()}, ClientAuth: s.asks, ClientCAs: ca.Pool()}
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	server := newServer(append(grpcauth.ServerOptions(issuer.Guard(o), s.served), grpc.Creds(credentials.NewTLS(config))))
	defer server.Stop()
	said := &recorder{TB: t}
	grpcauthtest.AssertGuarded(said, issuer, server, rules, &grpcauthtest.Options{
		Certificate: ca.Certificate(), TLS: &tls.Config{RootCAs: ca.Pool(), ServerName: "api.example"},
	})
	return said.errors
}

// A server that is guarded as it should be has no failure, whatever it takes besides, and however
// it asks for certificates.
func TestServersThatCertificateThievesCannotUsePass(t *testing.T) {
	proxy := mtls.Proxy{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for name, tt := range map[string]struct {
		asks     tls.ClientAuthType
		bindings []auth.Binding
		required bool
	}{
		"any certificate":                {tls.RequestClientCert, []auth.Binding{realMTLS()}, false},
		"any certificate, and no others": {tls.RequestClientCert, []auth.Binding{realMTLS()}, true},
		"one of the CA, or none":         {tls.VerifyClientCertIfGiven, []auth.Binding{realMTLS()}, false},
		"one of the CA":                  {tls.RequireAndVerifyClientCert, []auth.Binding{realMTLS()}, false},
		"behind a proxy":                 {tls.RequestClientCert, []auth.Binding{realMTLS(proxy)}, false},
		"of a key, too":                  {tls.RequestClientCert, []auth.Binding{realBinding(t, nil), realMTLS()}, false},
	} {
		if errs := (certificateServer{asks: tt.asks}).ask(t, &auth.GuardOptions{Bindings: tt.bindings, RequireBound: tt.required}); len(errs) > 0 {
			t.Errorf("%s:\n%s", name, strings.Join(errs, "\n"))
		}
	}
}

func TestWhatCertificateThievesCanUseIsFound(t *testing.T) {
	overlooking := func(f func(*auth.Credentials) bool, fields ...string) []auth.Binding {
		return []auth.Binding{&carelessMTLS{realMTLS(), f, fields}}
	}
	believes := func(name string) []auth.Binding {
		return overlooking(func(c *auth.Credentials) bool { return c.Header.Get(name) != "" }, name)
	}
	asking := certificateServer{asks: tls.RequestClientCert}
	for name, hole := range map[string]struct {
		bindings  []auth.Binding
		server    certificateServer
		row, says string
	}{
		"nothing is compared":      {overlooking(func(*auth.Credentials) bool { return true }), asking, "M-03", "no certificate"},
		"no certificate is needed": {overlooking(func(c *auth.Credentials) bool { return !hasCertificate(c) }), asking, "M-03", "no certificate"},
		"any certificate will do":  {overlooking(hasCertificate), asking, "M-02", "another client's"},
		"any certificate of the CA will do": {overlooking(hasCertificate), certificateServer{asks: tls.RequireAndVerifyClientCert},
			"M-02", "another client's"},
		"everybody may tell of certificates as RFC 9440 does": {believes("Client-Cert"), asking, "S-09", "metadata client-cert"},
		"everybody may tell of certificates as Envoy does": {believes("X-Forwarded-Client-Cert"), asking,
			"S-09", "metadata x-forwarded-client-cert"},
		"the key of the same token is not asked for": {[]auth.Binding{realMTLS(), &bearerBinding{}}, asking, "M-09", "without a proof"},
		"a method takes plain tokens":                {[]auth.Binding{realMTLS()}, certificateServer{tls.RequestClientCert, talk()}, "S-03", "not bound"},
		"certificates are not known":                 {[]auth.Binding{realBinding(t, nil)}, asking, "M-01", "Has the server's Guard an mtls.Binding?"},
		"the server asks for no certificate":         {[]auth.Binding{realMTLS()}, certificateServer{asks: tls.NoClientCert}, "M-01", "good token"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := hole.server.ask(t, &auth.GuardOptions{Bindings: hole.bindings})
			if !slices.ContainsFunc(errs, func(s string) bool { return strings.Contains(s, "("+hole.row+")") && strings.Contains(s, hole.says) }) {
				t.Errorf("no failure names %s and %q:\n%s", hole.row, hole.says, strings.Join(errs, "\n"))
			}
		})
	}
}
