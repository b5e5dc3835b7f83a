package authtest

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/bearward/bearward/internal/certfields"
	auth "github.com/bearward/bearward/middleware"
)

// What certificate a thief's connection has.
const (
	noCertificate      = "no certificate"
	anotherCertificate = "another client's certificate"
)

// elsewhere is a connection of an address that is no proxy's: documentation has it alone (RFC 5737
// §3).
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
}

// serveTLS starts server with TLS, which asks for certificates and takes every one, and makes the
// clients: the owner's, and those of thieves.
func (k *kit) serveTLS(server *httptest.Server) {
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return auth.ConnContext(ctx, elsewhere{c})
	}
	server.StartTLS()
	with := func(certificates ...tls.Certificate) *http.Client {
		transport := server.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = certificates
		k.tb.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, CheckRedirect: noRedirect}
	}
	k.client = with(k.options.Certificate.TLS())
	k.thief = map[string]*http.Client{noCertificate: with(), anotherCertificate: with(k.options.Certificate.Another().TLS())}
}

// certificateThieves asks with a stolen token that is bound to a certificate whose key the thief
// has not. The token was accepted with it just before.
func (a *assertion) certificateThieves(token string) {
	a.tb.Helper()
	owner := a.options.Certificate
	if owner == nil {
		return
	}
	for _, q := range []struct{ row, has string }{{"M-03", noCertificate}, {"M-02", anotherCertificate}} {
		s := &stolen{"Bearer", token, nil, a.thief[q.has]}
		if a.wantThief(q.row, "a stolen token with "+q.has, a.send(request{stolen: s})) { // or else fields tell nothing
			a.forgedFields(s, q.has)
		}
	}
	both := owner.Confirmation()
	both["cnf"].(map[string]any)["jkt"] = unknownThumbprint
	a.wantThief("M-09", "a token that is bound to a key, too, without a proof", a.send(request{stolen: &stolen{"Bearer", a.issuer.Token(a.everyScope(), both), nil, nil}}))
	if refusal := a.refusalOf(a.plain(), a.need); refusal != nil && refusal.Reason == auth.ReasonBindingRequired {
		a.wantThief("S-03", "a token that is not bound", a.send(request{stolen: &stolen{"Bearer", a.plain(), nil, nil}}))
	}
}

// unknownThumbprint is of a key that nobody has (RFC 9449 §6.1).
const unknownThumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

// forgedFields asks with the owner's certificate in the fields that proxies write.
func (a *assertion) forgedFields(s *stolen, has string) {
	a.tb.Helper()
	for _, fields := range certfields.Forged(a.options.Certificate.X509()) {
		got := a.send(request{stolen: s, header: fields})
		if got.status == http.StatusUnauthorized {
			continue
		}
		what := "the owner's certificate in header fields"
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if one := a.send(request{stolen: s, header: map[string]string{name: fields[name]}}); one.status != http.StatusUnauthorized {
				what, got = "the owner's certificate in the header "+name, one
				break
			}
		}
		a.wantThief("S-09", "a stolen token with "+has+", and "+what, got)
		return
	}
}
