package authserver

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/luikyv/go-oidc/pkg/provider"
)

// certificateKey is where the context of a request has its client certificate.
type certificateKey struct{}

// withCertificate puts the client certificate of the connection, if there is one, where go-oidc
// asks for it.
func withCertificate(r *http.Request) *http.Request {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), certificateKey{}, r.TLS.PeerCertificates[0]))
}

var errNoCertificate = errors.New("the connection has no client certificate")

func certificateFrom(ctx context.Context) (*x509.Certificate, error) {
	certificate, ok := ctx.Value(certificateKey{}).(*x509.Certificate)
	if !ok {
		return nil, errNoCertificate
	}
	return certificate, nil
}

// bindToCertificates has go-oidc bind the tokens of clients that show a certificate (RFC 8705 §3),
// and tell them that they are asked for one at base. The refresh tokens of public clients are
// bound, too (RFC 8705 §4).
func bindToCertificates(base string) []provider.Option {
	return []provider.Option{provider.WithMTLS(base, certificateFrom), provider.WithTLSTokenBinding()}
}
