package certfields_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"

	"github.com/bearward/bearward/internal/certfields"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/mtls"
)

// What a caller forges is what a proxy would write: a Binding that believes the caller reads it.
func TestForgedIsWhatProxiesWrite(t *testing.T) {
	owner := authtest.NewCertificate(t)
	peer := netip.MustParseAddr("10.0.0.1")
	for _, p := range []mtls.Proxy{
		{Form: mtls.RFC9440}, {Form: mtls.XFCC},
		{Form: mtls.EscapedPEM, Field: "Ssl-Client-Cert"}, {Form: mtls.EscapedPEM, Field: "X-Amzn-Mtls-Clientcert-Leaf"},
		{Form: mtls.Base64DER, Field: "Cf-Client-Cert-Der-Base64"}, {Form: mtls.Base64DER, Field: "X-Forwarded-Tls-Client-Cert"},
	} {
		p.Addresses = []netip.Prefix{netip.PrefixFrom(peer, 32)}
		b, err := mtls.New(&mtls.Options{From: []mtls.Proxy{p}})
		if err != nil {
			t.Fatal(err)
		}
		if !readBy(t, b, peer, owner) {
			t.Errorf("%v in %q: no set of fields is read", p.Form, p.Field)
		}
	}
}

func readBy(t *testing.T, b *mtls.Binding, peer netip.Addr, owner *authtest.Certificate) bool {
	t.Helper()
	for _, fields := range certfields.Forged(owner.X509()) {
		h := http.Header{}
		for name, value := range fields {
			if http.CanonicalHeaderKey(name) != name {
				t.Errorf("%s is not canonical", name)
			}
			h.Set(name, value)
		}
		member := fmt.Appendf(nil, "%q", owner.Thumbprint())
		if b.Check(t.Context(), "", &auth.Credentials{Peer: peer, Header: h}, nil, member) == nil {
			return true
		}
	}
	return false
}
