package grpcauthtest

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/internal/certfields"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// What certificate a thief's connection has.
const (
	noCertificate      = "no certificate"
	anotherCertificate = "another client's certificate"
)

// connect opens the owner's connections, one of them as a health probe's, and those of thieves.
func (a *assertion) connect() {
	a.tb.Helper()
	owner := a.options.Certificate
	a.conn, a.probe = a.conns.open(a.tb, owner), a.conns.open(a.tb, owner, grpc.WithUserAgent(probeAgent))
	if owner == nil {
		return
	}
	a.thief = map[string]*grpc.ClientConn{}
	for has, certificate := range map[string]*authtest.Certificate{noCertificate: nil, anotherCertificate: owner.Another()} {
		conn := a.conns.open(a.tb, certificate)
		if !reaches(a.tb.Context(), conn) {
			a.tb.Log("grpcauthtest: AssertGuarded: the server takes no connection with " + has + ": its guard is not asked about that")
			continue
		}
		a.thief[has] = conn
	}
}

// certificateThieves calls with a stolen token that is bound to a certificate whose key the thief
// has not.
func (a *assertion) certificateThieves(token string) {
	a.tb.Helper()
	owner := a.options.Certificate
	if owner == nil {
		return
	}
	if got := a.call(attempt{authorization: bearer(token), patience: quiet}); got.code == codes.Unauthenticated || got.code == codes.Unavailable {
		a.failf("M-01", "a good token with its certificate", "got %s, want it accepted. Has the server's Guard an mtls.Binding?", got)
		return
	}
	for _, q := range []struct{ row, has string }{{"M-03", noCertificate}, {"M-02", anotherCertificate}} {
		conn := a.thief[q.has]
		if conn == nil {
			continue // refused at the handshake
		}
		s := &stolen{"Bearer", token, nil, conn}
		if a.wantThief(q.row, "a stolen token with "+q.has, a.call(attempt{stolen: s, patience: quiet})) { // or else fields tell nothing
			a.forgedFields(s, q.has)
		}
	}
	everyScope := strings.Join(a.scopes, " ")
	both := owner.Confirmation()
	both["cnf"].(map[string]any)["jkt"] = unknownThumbprint
	a.wantThief("M-09", "a token that is bound to a key, too, without a proof",
		a.call(attempt{stolen: &stolen{"Bearer", a.issuer.Token(everyScope, both), nil, nil}, patience: quiet}))
	plain := a.issuer.Token(everyScope)
	if refusal := a.refusalOf(plain, a.need); refusal != nil && refusal.Reason == auth.ReasonBindingRequired {
		a.wantThief("S-03", "a token that is not bound", a.call(attempt{stolen: &stolen{"Bearer", plain, nil, nil}, patience: quiet}))
	}
}

// unknownThumbprint is of a key that nobody has (RFC 9449 §6.1).
const unknownThumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

// forgedFields calls with the owner's certificate in the metadata that proxies write.
func (a *assertion) forgedFields(s *stolen, has string) {
	a.tb.Helper()
	call := func(fields map[string]string) (reply, bool) {
		got := a.call(attempt{stolen: s, metadata: metadata.New(fields), patience: quiet})
		return got, got.refused() && got.code == codes.Unauthenticated
	}
	for _, fields := range certfields.Forged(a.options.Certificate.X509()) {
		got, refused := call(fields)
		if refused {
			continue
		}
		what := "the owner's certificate in metadata"
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if one, refused := call(map[string]string{name: fields[name]}); !refused {
				what, got = "the owner's certificate in the metadata "+strings.ToLower(name), one
				break
			}
		}
		a.wantThief("S-09", "a stolen token with "+has+", and "+what, got)
		return
	}
}
