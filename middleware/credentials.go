package auth

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/internal/peer"
)

// Credentials are what a caller presented, over any transport. Adapters written elsewhere fill them
// in. They come from the header alone; a token in a query, form or cookie is never looked at
// (RFC 9700 §4.3.2).
//
// The fields from Method to Header are for sender-constrained tokens ("cnf"): the Bindings of the
// Guard read them. For net/http, [RequestCredentials] makes them of a request.
type Credentials struct {
	// Operation is the key of the rule, such as "GET /orders": for hooks; no decision depends on
	// it. It must not hold what the caller sent.
	Operation string
	// Authorization is every value of the field of that name, as received. It is not read by a
	// Guard that takes the token from another field of Header (GuardOptions.Header).
	Authorization []string

	// Method is the request's, and POST over gRPC.
	Method string
	// Target is the request target as the client sent it: http.Request.RequestURI, or the escaped
	// path where there is none. Over gRPC it is "/pkg.Service/Method".
	Target string
	// Peer is the address of the connection's other end: the caller, or the nearest proxy. For a
	// connection by a Unix socket it is netip.IPv6Unspecified().WithZone(name), with the name that
	// the socket's listener was given. No range of addresses contains one with a zone. The zero
	// Addr stands for the one that [ConnContext] left in the context, and if there is none, for an
	// unknown one. It must not come from http.Request.RemoteAddr, into which middlewares write what
	// the caller says.
	Peer netip.Addr
	// TLS is the connection's state, nil without TLS.
	TLS *tls.ConnectionState
	// Header is the request's. Over gRPC it has the fields that [Guard.ReadsFields] names.
	Header http.Header
	// Answer is the header of the answer, such as http.ResponseWriter.Header returns. A Binding may
	// set fields in it (DPoP-Nonce). The Guard sets those for caches: Vary where an operation is
	// Optional or only reported on, and what GuardOptions.Header asks for. The adapter sends them
	// with every answer, accepted and refused. With nil, a Binding that has to answer refuses with
	// ReasonInternal, and caches are told nothing.
	Answer http.Header

	// Params tells what the router found in the request's path, for [PathValue] in checks of
	// [Requirement.With]. The context of Echo and that of gin are such. Authorize asks it while it
	// runs, and only for those checks. Nil, as over gRPC: every value is empty.
	Params interface{ Param(name string) string }

	// Complete fills in what costs something to gather, of the fields from Method to Header. It is
	// called at most once, before anything of them is read: for a sender-constrained token, and
	// where GuardOptions.Header is set. Default none: they are complete.
	Complete func(ctx context.Context, c *Credentials)
}

// RequestCredentials returns the credentials that r carries. w is where the answer goes; with nil,
// Answer is nil. Params are http.Request.PathValue, which http.ServeMux fills in: an adapter of
// another router sets its own.
func RequestCredentials(w http.ResponseWriter, r *http.Request, operation string) Credentials {
	var c Credentials
	c.ofRequest(w, r, operation)
	return c
}

// ofRequest sets c, the zero Credentials, to what RequestCredentials returns.
func (c *Credentials) ofRequest(w http.ResponseWriter, r *http.Request, operation string) {
	c.Operation = operation
	c.Authorization = r.Header["Authorization"]
	c.Method = r.Method
	c.Target = r.RequestURI
	c.TLS = r.TLS
	c.Header = r.Header
	c.Params = requestParams{r}
	if c.Target == "" { // a call within the program
		c.Target = r.URL.EscapedPath()
	}
	if w != nil {
		c.Answer = w.Header()
	}
}

// ConnContext is for http.Server.ConnContext. It keeps the address of the connection's other end,
// or the name of the Unix socket that it came by. Bindings need it that believe a proxy and nobody
// else: middlewares that rewrite http.Request.RemoteAddr cannot change it. Under
// grpc.Server.ServeHTTP it serves as well. It changes nothing for connections of other kinds.
func ConnContext(ctx context.Context, conn net.Conn) context.Context { return peer.With(ctx, conn) }

// complete makes c ready for Bindings.
func (c *Credentials) complete(ctx context.Context) {
	if c.Complete != nil {
		c.Complete(ctx, c)
		c.Complete = nil
	}
	if !c.Peer.IsValid() {
		c.Peer = peer.From(ctx)
	}
}

// fields returns a copy of the values of the fields, nil for no fields.
func (c *Credentials) fields(names []string) [][]string {
	var all [][]string
	for _, name := range names {
		all = append(all, slices.Clone(c.Header.Values(name)))
	}
	return all
}

// sameConnection reports whether a and b, which may be copies, are states of one connection as far
// as the caller's certificate goes.
func sameConnection(a, b *tls.ConnectionState) bool {
	if a == b {
		return true
	}
	return a != nil && b != nil && slices.Equal(a.PeerCertificates, b.PeerCertificates)
}

// checkSyntax tells whether a bearer value is one token.
func checkSyntax(token string) *Error {
	if isToken68(token) { // check: token68
		return nil
	}
	if token == "" || strings.ContainsAny(token, " \t,") { // check: header-syntax
		return invalidRequest("no token, or more than one word, where the token stands")
	}
	return notCompact(jose.ErrNoToken)
}

// invalidRequest refuses a request for the form of its header.
func invalidRequest(note string) *Error {
	return &Error{Reason: ReasonInvalidRequest, about: &detail{note: note}}
}

// token68 marks the characters of a token68 (RFC 9110 §11.2), which is what RFC 6750 §2.1 calls
// b64token, but for the "=" at its end.
var token68 = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		is[c] = true
	}
	return is
}()

func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !token68[s[i]] {
			return false
		}
	}
	return s != ""
}

// presented are the credentials that a decision was made on, by value: what a header says later
// makes no difference to them.
type presented struct {
	authorization string
	bound         *boundRequest // nil for a plain token, which is the same whatever the request is
}

// sameToken reports whether c has the token that was presented before, under the same scheme.
func (p *presented) sameToken(c *Credentials) bool {
	return p != nil && len(c.Authorization) == 1 && c.Authorization[0] == p.authorization // check: verify-once-credentials
}

// same reports whether c is exactly what was presented before.
func (p *presented) same(ctx context.Context, c *Credentials) bool {
	if !p.sameToken(c) {
		return false
	}
	if p.bound == nil {
		return true
	}
	full := *c
	full.complete(ctx)
	// check: verify-once-bound
	return p.bound.same(&full)
}
