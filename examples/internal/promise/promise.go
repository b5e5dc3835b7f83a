// Package promise says what an API must answer to one call, and tells whether an answer keeps it.
// HTTP and gRPC are compared in HTTP's terms.
package promise

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// Outcome is what came back.
type Outcome struct {
	Status     int           // of HTTP, or what says the same; 0 when nothing does
	Shown      string        // the status as the caller saw it: "401", or "Unauthenticated"
	Challenge  string        // WWW-Authenticate
	RetryAfter time.Duration // zero: none
	Sub        string        // who the API takes the caller for; "" for an anonymous one
	Scope      string
}

// Promise is what must come back. The zero Promise is kept by nothing.
type Promise struct {
	Text string // the promise in words: "200 as alice"

	status    int
	challenge string // what WWW-Authenticate holds, parted by NUL; "" for none at all
	whole     bool   // the challenge is exactly that
	sub       string // of a 200: who the API takes the caller for
	or        *Promise
}

// OKAs promises that the API answers and takes the caller for sub.
func OKAs(sub string) Promise { return Promise{status: 200, sub: sub, Text: "200 as " + sub} }

// OKAnonymous promises that the API answers and knows no caller.
func OKAnonymous() Promise { return Promise{status: 200, Text: "200 anonymous"} }

// NoToken promises the challenges of a request that brings no token (RFC 6750 §3, RFC 9449 §7.1):
// of an API that takes bound tokens, too.
func NoToken() Promise {
	return Promise{
		status: 401, challenge: "DPoP realm=\"api\", algs=\"ES256 EdDSA Ed25519 PS256 RS256\"\nBearer realm=\"api\"", whole: true,
		Text: `401 realm="api"`,
	}
}

// LogIn promises the challenge of a request that brings no token to an MCP server: where its
// metadata are (RFC 9728 §5.1), and the scope to ask for.
func LogIn(metadata, scope string) Promise {
	return Promise{
		status: 401, challenge: `Bearer realm="api", resource_metadata="` + metadata + `", scope="` + scope + `"`, whole: true,
		Text: `401 with resource_metadata and scope="` + scope + `"`,
	}
}

// BadToken promises that the token is refused (RFC 6750 §3.1).
func BadToken() Promise {
	return Promise{status: 401, challenge: `error="invalid_token"`, Text: `401 error="invalid_token"`}
}

// BadProof promises that the proof of a bound token is refused (RFC 9449 §7.1).
func BadProof() Promise {
	return Promise{status: 401, challenge: `DPoP realm="api", error="invalid_dpop_proof"`, Text: `401 "invalid_dpop_proof"`}
}

// Needs promises that the token is good, and refused because it lacks scope.
func Needs(scope string) Promise {
	return Promise{
		status: 403, challenge: "error=\"insufficient_scope\"\x00scope=\"" + scope + `"`, Text: `403 scope="` + scope + `"`,
	}
}

// Unavailable promises that the API cannot tell, and says when to ask again.
func Unavailable() Promise { return Promise{status: 503, Text: "503 with Retry-After"} }

// Silent is p for answers that do not tell who is calling.
func (p Promise) Silent() Promise {
	p.Text = "200"
	return p
}

// Or is kept by what keeps p or q.
func (p Promise) Or(q Promise) Promise {
	p.Text += " or " + q.Text
	if p.or != nil {
		q = p.or.Or(q)
	}
	p.or = &q
	return p
}

// Broken returns how out breaks p, or "".
func (p Promise) Broken(out Outcome) string {
	fault := p.broken(out)
	if fault != "" && p.or != nil && p.or.Broken(out) == "" {
		return ""
	}
	return fault
}

func (p Promise) broken(out Outcome) string {
	switch {
	case out.Status != p.status || p.status == 0:
		return fmt.Sprintf("answered %s, promised %d", out.Shown, p.status)
	case p.whole && out.Challenge != p.challenge, p.challenge == "" && out.Challenge != "":
		return fmt.Sprintf("challenge %q, promised %q", out.Challenge, p.challenge)
	case p.status == http.StatusServiceUnavailable && out.RetryAfter <= 0:
		return "no Retry-After"
	case p.status != http.StatusServiceUnavailable && out.RetryAfter > 0:
		return "a Retry-After, promised none"
	case p.status == http.StatusOK && out.Sub != p.sub:
		return fmt.Sprintf("took the caller for %q, promised %q", out.Sub, p.sub)
	}
	for part := range strings.SplitSeq(p.challenge, "\x00") {
		if !strings.Contains(out.Challenge, part) {
			return fmt.Sprintf("challenge %q, promised %q in it", out.Challenge, part)
		}
	}
	return ""
}

// HTTPStatus returns the HTTP status that says the same, and 0 for codes that a guard does not use.
func HTTPStatus(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	}
	return 0
}
