package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/promise"
)

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
func (r *report) row(call, token string, p promise.Promise, cells []cell) {
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
	line := "  " + pad(call, callWidth) + pad(token, tokenWidth) + pad(p.Text, promiseWidth) + strings.Join(marks, "")
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
	out   promise.Outcome
	fault string
}

// shown is the status as an HTTP number; a gRPC code is shown by the number
// that says the same, so that the columns can be compared.
func (c cell) shown() string {
	if c.out.Status == 0 {
		return "?"
	}
	return fmt.Sprint(c.out.Status)
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
