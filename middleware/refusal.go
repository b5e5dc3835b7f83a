package auth

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ProblemType is the media type of refusals (RFC 9457 §6.1).
const ProblemType = "application/problem+json"

// An answer is a refusal made ready before the first request.
type answer struct {
	challenge []string
	body      []byte
}

// prepare renders the answer of every Reason.
func (g *Guard) prepare() {
	g.answers = make(map[Reason]answer, len(reasons))
	for _, r := range reasons {
		e := &Error{Reason: r}
		g.answers[r] = answer{g.renderChallenge(e), e.problem()}
	}
}

// Challenge returns the values of WWW-Authenticate for err, one for each field line; none when the
// answer carries no challenge (RFC 6750 §3).
func (g *Guard) Challenge(err *Error) []string {
	if len(err.Scopes) > 0 {
		return g.renderChallenge(err)
	}
	return g.answers[err.Reason].challenge
}

// renderChallenge is the one encoder of WWW-Authenticate. Everything in it is a constant, a setting
// or a scope of the rule.
func (g *Guard) renderChallenge(err *Error) []string {
	v := responseFor(err.Reason)
	if v.error == "" && err.Reason != ReasonCredentialsMissing { // check: challenge-where-none
		return nil
	}
	var b strings.Builder
	b.WriteString(g.challenge)
	if v.error != "" {
		b.WriteString(`, error="` + v.error + `", error_description="` + v.text + `"`)
	}
	if len(err.Scopes) > 0 {
		b.WriteString(`, scope="`)
		for i, s := range err.Scopes {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(s)
		}
		b.WriteByte('"')
	}
	return []string{b.String()}
}

// quote returns s as a quoted-string (RFC 9110 §5.6.4), or an error when s has a character that is
// not printable ASCII.
func quote(s string) (string, error) {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' { // check: realm-characters
			return "", fmt.Errorf("%q has a character that is not printable ASCII", s)
		}
		if c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
	return b.String(), nil
}

// problem returns the problem document of e (RFC 9457 §3).
func (e *Error) problem() []byte {
	v := responseFor(e.Reason)
	b := append([]byte(`{"type":"about:blank","title":`), quoteJSON(http.StatusText(v.status))...)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(v.status), 10)
	b = append(append(b, `,"detail":`...), quoteJSON(v.text)...)
	b = append(append(b, `,"code":`...), quoteJSON(v.code)...)
	if len(e.Scopes) > 0 {
		b = append(append(b, `,"scope":`...), quoteJSON(strings.Join(e.Scopes, " "))...)
	}
	return append(b, '}', '\n')
}

func quoteJSON(s string) []byte {
	b, _ := jsontext.AppendQuote(nil, s) // fails on invalid UTF-8 alone, and these are constants and scopes
	return b
}

// MarshalJSON returns the problem document of e (RFC 9457): what a caller may be shown.
func (e *Error) MarshalJSON() ([]byte, error) { return e.problem(), nil }

// SetRefusalHeader sets in h what an answer to err needs besides its body: WWW-Authenticate,
// Retry-After, Cache-Control and Content-Type. It is for adapters whose router writes the answer
// itself.
func (g *Guard) SetRefusalHeader(h http.Header, err *Error) {
	if c := g.Challenge(err); len(c) > 0 { // check: challenge
		h["Www-Authenticate"] = c
	}
	if after := err.RetryAfter(); after > 0 { // check: retry-after
		h.Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
	h.Set("Cache-Control", "no-store") // check: no-store
	h.Set("Content-Type", ProblemType)
}

// Refuse writes the answer to a request that Authorize did not let through. An error that holds no
// *[Error] counts as not judged.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	g.SetRefusalHeader(w.Header(), e)
	if g.override != nil {
		own := &refusalWriter{ResponseWriter: w, status: e.Status()}
		g.override(own, r, e)
		own.finish()
		return
	}
	body := g.answers[e.Reason].body
	if len(e.Scopes) > 0 {
		body = e.problem()
	}
	w.WriteHeader(e.Status())
	_, _ = w.Write(body)
}

// A refusalWriter sees to it that a refusal is never answered with 200: the status is the refusal's
// unless another was written.
type refusalWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (w *refusalWriter) WriteHeader(status int) {
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *refusalWriter) Write(b []byte) (int, error) {
	w.finish()
	return w.ResponseWriter.Write(b)
}

func (w *refusalWriter) finish() {
	if !w.wrote { // check: refuse-status
		w.WriteHeader(w.status)
	}
}

// Unwrap is for http.ResponseController.
func (w *refusalWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// AsError returns the *[Error] that err holds. Any other error, and nil, counts as not judged.
func AsError(err error) *Error {
	if err == nil {
		err = errors.New("auth: a refusal without an error")
	}
	return asError(err)
}
