package main_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/mtls"
)

// A carelessMTLS is a real Binding that overlooks some refusals, or believes header fields.
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

func realMTLS(t *testing.T, from ...mtls.Proxy) *mtls.Binding {
	t.Helper()
	return must(mtls.New(&mtls.Options{From: from}))
}

// askCertificateThieves returns what AssertGuarded says of a router with a guard of options.
func askCertificateThieves(t *testing.T, r router, client *authtest.Certificate, o *auth.GuardOptions, raw func(*auth.Guard) map[string]http.Handler) []string {
	t.Helper()
	a := apiForThieves{authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256}), nil, r}
	return a.askWith(t, o, raw, &authtest.GuardedOptions{Certificate: client})
}

// An API that is guarded as it should be has no failure, whatever stands in front of it, and
// whatever else it takes.
func TestAssertGuardedPassesAPIsThatCertificateThievesCannotUse(t *testing.T) {
	anywhere := netip.MustParsePrefix("127.0.0.0/8")
	for i, r := range routers {
		for name, bindings := range map[string][]auth.Binding{
			"the connection's":                    {realMTLS(t)},
			"behind a proxy, on the same machine": {realMTLS(t, mtls.Proxy{Addresses: []netip.Prefix{anywhere}})},
			"of a key, too":                       {real(t, nil), realMTLS(t)},
		} {
			for _, required := range []bool{false, true} {
				if i > 0 && required != (len(bindings) > 1) {
					continue // the router matters little to these
				}
				for kind, client := range map[string]*authtest.Certificate{
					"self-signed": authtest.NewCertificate(t), "of a CA": authtest.NewCA(t).Certificate(),
				} {
					errs := askCertificateThieves(t, r, client, &auth.GuardOptions{Bindings: bindings, RequireBound: required}, nil)
					if len(errs) > 0 {
						t.Errorf("%s, %s, %s, RequireBound %t:\n%s", r.name, name, kind, required, strings.Join(errs, "\n"))
					}
				}
			}
		}
	}
}

// Each hole is found over every router, by its row.
func TestAssertGuardedFindsWhatCertificateThievesCanUse(t *testing.T) {
	overlooking := func(f func(*auth.Credentials) bool, fields ...string) []auth.Binding {
		return []auth.Binding{&carelessMTLS{realMTLS(t), f, fields}}
	}
	believes := func(name string) []auth.Binding {
		return overlooking(func(c *auth.Credentials) bool { return c.Header.Get(name) != "" }, name)
	}
	for name, hole := range map[string]struct {
		bindings  []auth.Binding
		raw       func(*auth.Guard) map[string]http.Handler
		row, says string
	}{
		"nothing is compared":                                 {overlooking(func(*auth.Credentials) bool { return true }), nil, "M-03", "no certificate"},
		"no certificate is needed":                            {overlooking(func(c *auth.Credentials) bool { return !hasCertificate(c) }), nil, "M-03", "no certificate"},
		"any certificate will do":                             {overlooking(hasCertificate), nil, "M-02", "another client's"},
		"everybody may tell of certificates as RFC 9440 does": {believes("Client-Cert"), nil, "S-09", "header Client-Cert"},
		"everybody may tell of certificates as Envoy does":    {believes("X-Forwarded-Client-Cert"), nil, "S-09", "header X-Forwarded-Client-Cert"},
		"everybody may tell of certificates as nginx does":    {believes("X-Ssl-Client-Cert"), nil, "S-09", "header X-Ssl-Client-Cert"},
		"fields count beside another certificate": {overlooking(func(c *auth.Credentials) bool {
			return hasCertificate(c) && c.Header.Get("Ssl-Client-Cert") != ""
		}, "Ssl-Client-Cert"), nil, "S-09", "another client's certificate, and the owner's certificate in the header Ssl-Client-Cert"},
		"the key of the same token is not asked for": {[]auth.Binding{realMTLS(t), &bearerBinding{}}, nil, "M-09", "without a proof"},
		"a route takes plain tokens": {[]auth.Binding{realMTLS(t)}, func(g *auth.Guard) map[string]http.Handler {
			return map[string]http.Handler{"GET /books": g.Enforce(auth.Scopes("read:books"))(book("GET /books"))}
		}, "S-03", "not bound"},
		"certificates are not known": {[]auth.Binding{real(t, nil)}, nil, "M-01", "Has it an mtls.Binding?"},
	} {
		for _, r := range routers {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				errs := askCertificateThieves(t, r, authtest.NewCA(t).Certificate(), &auth.GuardOptions{Bindings: hole.bindings}, hole.raw)
				if !slices.ContainsFunc(errs, func(s string) bool { return strings.Contains(s, "("+hole.row+")") && strings.Contains(s, hole.says) }) {
					t.Errorf("no failure names %s and %q:\n%s", hole.row, hole.says, strings.Join(errs, "\n"))
				}
			})
		}
	}
}
