package auth

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An Error says that a request was refused or not judged, and why. Hooks and
// [GuardOptions].WriteRefusal are given one, and [AsError] finds it in an error. A [TokenVerifier]
// written elsewhere returns one with a Reason of the constants. A *Error may be shared between
// requests: read only.
type Error struct {
	// Reason is why: one of the constants.
	Reason Reason
	// Scopes are what the operation needs, sorted, when the token lacks some: with
	// ReasonInsufficientScope or ReasonInsufficientUserAuthentication. With
	// [GuardOptions].ScopeInChallenge they are there at every 401.
	Scopes []string
	// Err is the cause, for operators. It never reaches a caller, and may be nil.
	Err error

	acr       []string      // that a client is to ask for, in order of preference
	within    time.Duration // what the authentication may be old; 0 for any
	about     *detail
	scheme    int    // which of the Guard's schemes the caller used, for the challenge
	boundOnly bool   // the rule accepts bound tokens alone
	field     string // that a malformed request has the token in, "" for Authorization
}

// orInternal returns e, or the Error of a program that made none of its nil *Error.
func (e *Error) orInternal() *Error {
	if e == nil { // check: error-nil
		return &Error{Reason: ReasonInternal}
	}
	return e
}

// validScopes returns the scopes of e that are scopes (RFC 6749 §3.3): a check of the user's own,
// and a handler, may put any text there.
func (e *Error) validScopes() []string {
	if !slices.ContainsFunc(e.Scopes, func(s string) bool { return !isScope(s) }) {
		return e.Scopes
	}
	return slices.DeleteFunc(slices.Clone(e.Scopes), func(s string) bool { return !isScope(s) }) // check: error-scopes
}

// challenged returns err with what its challenge needs to know of the request.
func (g *Guard) challenged(err *Error, req Requirement, o *outcome) *Error {
	scopes, boundOnly := err.validScopes(), g.bearerIsPlain && req.needsBound()
	if g.tellScopes && len(scopes) == 0 && err.Status() == http.StatusUnauthorized { // check: scope-in-challenge
		scopes = req.ChallengeScopes()
	}
	field := g.fieldTold(err.Reason)
	if o.scheme == err.scheme && boundOnly == err.boundOnly && field == err.field && len(scopes) == len(err.Scopes) {
		return err
	}
	e := *err
	e.Scopes, e.scheme, e.boundOnly, e.field = scopes, o.scheme, boundOnly, field
	return &e
}

// fieldTold returns GuardOptions.Header where a refusal for r names it.
func (g *Guard) fieldTold(r Reason) string {
	if g.header == nil || r != ReasonInvalidRequest {
		return ""
	}
	return g.header.name
}

// A detail is what one check saw. Its note is a constant text, or one that is made of the
// configuration and of names of algorithms.
type detail struct{ claim, expected, seen, note string }

// oneOf tells an operator what was configured: "a or b", with "none" for the empty name.
func oneOf(names []string) string {
	told := slices.Clone(names)
	for i, name := range told {
		if name == "" {
			told[i] = "none"
		}
	}
	return strings.Join(told, " or ")
}

// maxSeen bounds what Error.Seen returns, in bytes.
const maxSeen = 128

// Error returns a constant text for the Reason. It carries nothing that the caller sent, so it is
// safe to log.
func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
	}
	return "auth: request refused: " + string(e.Reason)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.orInternal().Err }

// Status returns the HTTP status: 400, 401, 403, 500 or 503.
func (e *Error) Status() int { return responseFor(e.orInternal().Reason).status }

// Description returns the constant text of the answer to the caller.
func (e *Error) Description() string {
	e = e.orInternal()
	text := responseFor(e.Reason).text
	if e.field != "" {
		text = strings.Replace(text, authorizationField, e.field, 1)
	}
	return text
}

// Params returns what a challenge tells a client of e, by the names of its parameters. They are
// "error" and "scope" (RFC 6750 §3), "acr_values" and "max_age" (RFC 9470 §3), each only where
// there is something to tell. The map is the caller's. For transports without WWW-Authenticate.
func (e *Error) Params() map[string]string {
	e = e.orInternal()
	params := map[string]string{}
	for name, value := range map[string]string{
		"error": responseFor(e.Reason).error, "scope": strings.Join(e.validScopes(), " "),
		"acr_values": strings.Join(e.acr, " "), "max_age": e.maxAge(),
	} {
		if value != "" {
			params[name] = value
		}
	}
	return params
}

// maxAge returns max_age in seconds, "" for none.
func (e *Error) maxAge() string {
	if e.within == 0 {
		return ""
	}
	return strconv.FormatInt(int64(e.within/time.Second), 10)
}

// RetryAfter returns how long a caller should wait before it tries again, and 0 when trying again
// will not help.
func (e *Error) RetryAfter() time.Duration {
	if e.Status() == http.StatusServiceUnavailable {
		return retryIn(e.Err)
	}
	return 0
}

// retryAfter is how long the caller of a request that was not judged is told to wait. It is the key
// cache's longest back-off step while it holds no keys.
const retryAfter = 5 * time.Second

// Claim returns the name of the header member or claim that was at fault, as configured, or "" when
// no single one was.
func (e *Error) Claim() string {
	if e == nil || e.about == nil {
		return ""
	}
	return e.about.claim
}

// Expected returns what the check would have accepted, in words or as configured, or "".
func (e *Error) Expected() string {
	if e == nil || e.about == nil {
		return ""
	}
	return e.about.expected
}

// Detail returns what an operator is told beyond the Reason, such as "encrypted (5 parts)" for a
// token that is no JWS, or "". It holds nothing that the caller made up, so it is safe to log.
// Where the Guard itself has no more to say, it is what a method Detail() string of Err returns. A
// Binding tells so what was wrong with a proof.
func (e *Error) Detail() string {
	if e == nil {
		return ""
	}
	if e.about != nil && e.about.note != "" {
		return e.about.note
	}
	if d, ok := errors.AsType[detailed](e.Err); ok {
		return d.Detail()
	}
	return ""
}

// A detailed error has a constant text for operators.
type detailed interface {
	Error() string
	Detail() string
}

// Seen returns what the token had in place of Expected, cut to 128 printable ASCII bytes, or "". It
// comes from the caller: before the signature is verified it is set only for "typ" and "alg" of
// well-known names. No log, metric or answer of this module holds it.
func (e *Error) Seen() string {
	if e == nil || e.about == nil {
		return ""
	}
	return e.about.seen
}

// asError returns err as the *Error it holds. Any other error is one that a TokenVerifier should
// not have returned: nothing is known of the token, so the request counts as not judged.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e != nil && e.Reason.known() { // check: reason-known
		if scopes := e.validScopes(); len(scopes) != len(e.Scopes) {
			clean := *e
			clean.Scopes = scopes
			return &clean
		}
		return e
	}
	return &Error{Reason: ReasonUnavailable, Err: err}
}

// printable cuts s to maxSeen bytes and replaces every byte that is not printable ASCII.
func printable(s string) string {
	b := make([]byte, 0, min(len(s), maxSeen))
	for _, r := range s {
		if len(b) == maxSeen {
			break
		}
		if r < ' ' || r >= utf8.RuneSelf-1 {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return string(b)
}
