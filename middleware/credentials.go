package auth

import (
	"crypto/tls"
	"net/http"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/jose"
)

// Credentials are what a caller presented, whatever the transport: the one seam for adapters
// written elsewhere. They come from the header alone; a token in a query, form or cookie is never
// looked at (RFC 9700 §4.3.2).
type Credentials struct {
	// Operation is the key of the rule, such as "GET /orders": for hooks, never for a verdict. It
	// must not hold what the caller sent.
	Operation string
	// Authorization and DPoP are every value of the field of that name, as received.
	Authorization, DPoP []string
	// Method and URL are the request's as the client saw them (RFC 9449 §4.2). Only Proofs read
	// them.
	Method, URL string
	// TLS is the connection's state, nil without TLS. Only Proofs read it.
	TLS *tls.ConnectionState
}

// RequestCredentials returns the credentials that r carries. The URL is the one that r names, by
// its Host and TLS state; it is built only for a request with a DPoP field, since nothing else
// reads it. Behind a proxy that changes either, build Credentials yourself.
func RequestCredentials(r *http.Request, operation string) Credentials {
	c := Credentials{
		Operation:     operation,
		Authorization: r.Header["Authorization"],
		DPoP:          r.Header["Dpop"],
		Method:        r.Method,
		TLS:           r.TLS,
	}
	if len(c.DPoP) > 0 {
		scheme := "http://"
		if r.TLS != nil {
			scheme = "https://"
		}
		c.URL = scheme + r.Host + r.URL.EscapedPath()
	}
	return c
}

// bearerToken returns the one token that the Authorization values hold (RFC 6750 §2.1, RFC 9110
// §11.4).
func bearerToken(values []string) (string, *Error) {
	token, refused := bearerValue(values)
	if refused == nil {
		refused = checkSyntax(token)
	}
	if refused != nil {
		return "", refused
	}
	return token, nil
}

// bearerValue returns what follows the scheme in the one Authorization value, unexamined.
func bearerValue(values []string) (string, *Error) {
	if len(values) == 0 {
		return "", &Error{Reason: ReasonCredentialsMissing}
	}
	if len(values) > 1 { // check: one-authorization
		return "", &Error{Reason: ReasonInvalidRequest}
	}
	value := values[0]
	if rest, ok := strings.CutPrefix(value, "Bearer "); ok { // the usual spelling, told at a glance
		return strings.TrimLeft(rest, " "), nil
	}
	end := strings.IndexAny(value, " \t,")
	if end < 0 {
		end = len(value)
	}
	scheme := value[:end]
	if scheme == "" && value != "" { // check: empty-scheme
		return "", &Error{Reason: ReasonInvalidRequest}
	}
	if !strings.EqualFold(scheme, "Bearer") { // check: bearer-scheme
		return "", &Error{Reason: ReasonCredentialsMissing}
	}
	return strings.TrimLeft(value[end:], " "), nil
}

// checkSyntax tells whether a bearer value is one token.
func checkSyntax(token string) *Error {
	if isToken68(token) { // check: token68
		return nil
	}
	if token == "" || strings.ContainsAny(token, " \t,") { // check: header-syntax
		return &Error{Reason: ReasonInvalidRequest}
	}
	return notCompact(jose.ErrCompact)
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

// presented are the credentials that a verdict was reached on, by value: what a header says later
// makes no difference to them.
type presented struct {
	authorization string
	proof         *Credentials // what Proofs read, nil for a Guard without any
}

func (c *Credentials) presented(hasProofs bool) presented {
	p := presented{authorization: c.Authorization[0]}
	if hasProofs {
		p.proof = &Credentials{DPoP: slices.Clone(c.DPoP), Method: c.Method, URL: c.URL, TLS: c.TLS}
	}
	return p
}

// same reports whether c is exactly what was presented before.
func (p *presented) same(c *Credentials) bool {
	if len(c.Authorization) != 1 || c.Authorization[0] != p.authorization { // check: verify-once-credentials
		return false
	}
	was := p.proof
	return was == nil || slices.Equal(c.DPoP, was.DPoP) && c.Method == was.Method && c.URL == was.URL && c.TLS == was.TLS // check: verify-once-proofs
}
