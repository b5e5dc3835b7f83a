package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bearward/bearward/examples/internal/api"
)

// promise is what must come back.
type promise struct {
	status    int
	challenge string // what WWW-Authenticate holds; "" for none at all
	whole     bool   // the challenge is exactly that
	sub       string // of a 200: who the API takes the caller for
	text      string // how the table says it
}

func okAs(sub string) promise { return promise{status: 200, sub: sub, text: "200 as " + sub} }

func okAnonymous() promise { return promise{status: 200, text: "200 anonymous"} }

func noToken() promise {
	return promise{status: 401, challenge: `Bearer realm="api"`, whole: true, text: `401 Bearer realm="api"`}
}

func badToken() promise {
	return promise{status: 401, challenge: `error="invalid_token"`, text: `401 error="invalid_token"`}
}

func needs(scope string) promise {
	return promise{status: 403, challenge: `error="insufficient_scope"`, text: `403 scope="` + scope + `"`}.and(`scope="` + scope + `"`)
}

func notJudged() promise { return promise{status: 503, text: "503 with Retry-After"} }

// silent is for answers that do not tell who is calling.
func (p promise) silent() promise {
	p.text = "200"
	return p
}

// and adds another thing that the challenge holds.
func (p promise) and(more string) promise {
	p.challenge += "\x00" + more
	return p
}

// broken returns how out breaks p, or "".
func (p promise) broken(out outcome) string {
	switch {
	case out.status != p.status:
		return fmt.Sprintf("status %d (%s), want %d", out.status, out.shown, p.status)
	case p.whole && out.challenge != p.challenge, p.challenge == "" && out.challenge != "":
		return fmt.Sprintf("challenge %q, want %q", out.challenge, p.challenge)
	case p.status == 503 && out.retryAfter <= 0:
		return "no Retry-After"
	case p.status != 503 && out.retryAfter > 0:
		return "a Retry-After, want none"
	case p.status == 200 && out.sub != p.sub:
		return fmt.Sprintf("sub %q, want %q", out.sub, p.sub)
	}
	for part := range strings.SplitSeq(p.challenge, "\x00") {
		if !strings.Contains(out.challenge, part) {
			return fmt.Sprintf("challenge %q, want %q in it", out.challenge, part)
		}
	}
	return ""
}

// report prints the table as it grows and counts what was not as promised.
type report struct {
	out     io.Writer
	checked int
	broken  int
}

// Widths of the first columns.
const (
	callWidth    = 30
	tokenWidth   = 26
	promiseWidth = 28
	cellWidth    = 9
)

func (r *report) chapter(title string) {
	adapters := make([]string, len(api.Adapters()))
	for i, name := range api.Adapters() {
		adapters[i] = pad(name, cellWidth)
	}
	line := pad("call", callWidth) + pad("token", tokenWidth) + pad("promised", promiseWidth) + strings.Join(adapters, "")
	fmt.Fprintf(r.out, "\n%s\n  %s\n", title, strings.TrimRight(line, " "))
}

// row prints what each adapter answered to one call.
func (r *report) row(call, token string, p promise, cells []cell) {
	var marks, faults []string
	for i, c := range cells {
		text := "-"
		if c.asked {
			r.checked++
			text = c.shown() + " ok"
			if c.fault != "" {
				r.broken++
				text = c.shown() + " BAD"
				faults = append(faults, fmt.Sprintf("    %s: %s\n", api.Adapters()[i], c.fault))
			}
		}
		marks = append(marks, pad(text, cellWidth))
	}
	line := "  " + pad(call, callWidth) + pad(token, tokenWidth) + pad(p.text, promiseWidth) + strings.Join(marks, "")
	fmt.Fprintf(r.out, "%s\n%s", strings.TrimRight(line, " "), strings.Join(faults, ""))
}

// fact prints something that is not a call to the API.
func (r *report) fact(what string, err error) {
	r.checked++
	if err != nil {
		r.broken++
		fmt.Fprintf(r.out, "  %s: BAD\n    %v\n", what, err)
		return
	}
	fmt.Fprintf(r.out, "  %s: ok\n", what)
}

// cell is one adapter's answer to one call.
type cell struct {
	asked bool
	out   outcome
	fault string
}

// shown is the status as an HTTP number; a gRPC code is shown by the number
// that says the same, so that the columns can be compared.
func (c cell) shown() string {
	if c.out.status == 0 {
		return "?"
	}
	return fmt.Sprint(c.out.status)
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(s)))
}

// legend tells how to read the table.
func (r *report) legend() {
	names := slices.Clone(api.Adapters())
	fmt.Fprintf(r.out, "Columns %s: what that adapter answered; gRPC codes are shown as the\n"+
		"HTTP status that says the same (UNAUTHENTICATED 401, PERMISSION_DENIED 403, UNAVAILABLE 503).\n"+
		"A cell is ok only if status, challenge, Retry-After and caller are all as promised.\n", strings.Join(names, ", "))
}
