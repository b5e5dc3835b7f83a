package auth

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// problemType is the media type of refusals (RFC 9457 §6.1).
const problemType = "application/problem+json"

// prepare renders what the refusals of every Reason have alike.
func (g *Guard) prepare() {
	g.bodies = make(map[Reason][]byte, len(reasons))
	g.lines = make(map[Reason][]string, len(reasons))
	for _, r := range reasons {
		e := &Error{Reason: r, field: g.fieldTold(r)}
		g.bodies[r] = e.problem()
		for i := range g.schemes {
			g.lines[r] = append(g.lines[r], g.challengeLine(e, i))
		}
	}
}

// challengesOf returns the values of WWW-Authenticate for err, one for each field line and scheme;
// none when the answer carries no challenge (RFC 6750 §3). The scheme that the caller used comes
// first, with the error; for a request with several schemes each has the error (RFC 9449 §7.2).
// Then comes every other that the rule accepts, first those of Bindings: clients without a secret
// take the first they know. The slice is the caller's.
func (g *Guard) challengesOf(err *Error) []string {
	reason := err.orInternal().Reason
	code := responseFor(reason).error
	if code == "" && reason != ReasonCredentialsMissing { // check: challenge-where-none
		return nil
	}
	withoutBearer := g.bearerIsPlain && (g.requireBound || err.boundOnly)
	first := err.scheme
	if first == everyScheme || first == bearerScheme && (withoutBearer || code == "") {
		first = min(bearerScheme+1, len(g.schemes)-1)
	}
	lines := []string{g.lineOf(err, first)}
	others := &Error{Reason: ReasonCredentialsMissing}
	if g.tellScopes {
		others.Scopes = err.Scopes
	}
	if err.scheme == everyScheme {
		others = err
	}
	for i := bearerScheme + 1; i < len(g.schemes); i++ {
		if i != first {
			lines = append(lines, g.lineOf(others, i))
		}
	}
	if first != bearerScheme && !withoutBearer { // check: bearer-not-offered
		lines = append(lines, g.lineOf(others, bearerScheme))
	}
	return lines
}

// lineOf is challengeLine, with the lines that are the same for every refusal made once.
func (g *Guard) lineOf(err *Error, scheme int) string {
	if err.isPlain() {
		return g.lines[err.orInternal().Reason][scheme]
	}
	return g.challengeLine(err, scheme)
}

// isPlain reports whether a client is told of e what its Reason says, and no more.
func (e *Error) isPlain() bool {
	return e == nil || len(e.Scopes) == 0 && len(e.acr) == 0 && e.within == 0
}

// challengeLine is the one encoder of WWW-Authenticate. Everything in it is a constant, a setting
// or a scope of the rule.
func (g *Guard) challengeLine(err *Error, scheme int) string {
	v := responseFor(err.Reason)
	var b strings.Builder
	b.WriteString(g.schemes[scheme].name + " " + g.challenge)
	if v.error != "" {
		b.WriteString(`, error="` + v.error + `", error_description="` + err.Description() + `"`)
	}
	if scopes := err.validScopes(); len(scopes) > 0 {
		b.WriteString(`, scope="` + strings.Join(scopes, " ") + `"`)
	}
	if len(err.acr) > 0 { // check: challenge-acr
		b.WriteString(`, acr_values="` + strings.Join(err.acr, " ") + `"`)
	}
	if age := err.maxAge(); age != "" { // check: challenge-max-age
		b.WriteString(`, max_age="` + age + `"`)
	}
	b.WriteString(g.schemes[scheme].params)
	return b.String()
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
	e = e.orInternal()
	v := responseFor(e.Reason)
	b := append([]byte(`{"type":"about:blank","title":`), quoteJSON(http.StatusText(v.status))...)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(v.status), 10)
	b = append(append(b, `,"detail":`...), quoteJSON(e.Description())...)
	b = append(append(b, `,"code":`...), quoteJSON(v.code)...)
	params := e.Params()
	for _, name := range []string{"scope", "acr_values", "max_age"} {
		if params[name] != "" {
			b = append(append(b, `,"`+name+`":`...), quoteJSON(params[name])...)
		}
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
// Retry-After, Cache-Control and Content-Type. WWW-Authenticate has one value for each scheme, or
// none (RFC 6750 §3). Challenges of other schemes that h has already stay, behind the Guard's own.
// It is for adapters that write the answer themselves.
func (g *Guard) SetRefusalHeader(h http.Header, err *Error) {
	g.setChallenge(h, err)
	h.Set("Content-Type", problemType)
}

// setChallenge is SetRefusalHeader without what tells of a body.
func (g *Guard) setChallenge(h http.Header, err *Error) {
	if lines := g.challengesOf(err); len(lines) > 0 { // check: challenge
		for _, line := range h["Www-Authenticate"] {
			if name, _, _ := strings.Cut(line, " "); !g.hasScheme(name) { // check: challenge-of-others
				lines = append(lines, line)
			}
		}
		h["Www-Authenticate"] = lines
	}
	if after := err.RetryAfter(); after > 0 { // check: retry-after
		h.Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
	h.Set("Cache-Control", "no-store") // check: no-store
}

// Refuse writes the answer to a request that Authorize refused. An error that holds no *[Error]
// counts as not judged.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	g.setChallenge(w.Header(), e)
	if g.override != nil {
		own := &refusalWriter{ResponseWriter: w, status: e.Status()}
		g.override(own, r, e)
		own.finish()
		return
	}
	body := g.bodies[e.Reason]
	if !e.isPlain() {
		body = e.problem()
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(e.Status())
	_, _ = w.Write(body)
}

// A refusalWriter sees to it that a refusal is never answered with 200 by omission: the status is
// the refusal's unless another was written.
type refusalWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (w *refusalWriter) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols { // check: refuse-informational
		w.wrote = true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *refusalWriter) Write(b []byte) (int, error) {
	w.finish()
	return w.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController, and Flush for those who ask for an http.Flusher.
func (w *refusalWriter) FlushError() error {
	w.finish() // check: refuse-flush
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *refusalWriter) Flush() { _ = w.FlushError() }

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
