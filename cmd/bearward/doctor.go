package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bearward/bearward/cmd/bearward/internal/doctor"
)

const doctorHelp = `bearward doctor looks at an issuer, at an API, or at both, and tells what is wrong, what that means
for an API that Bearward guards, and what to change.

  bearward doctor [flags] [ISSUER]

  bearward doctor https://issuer.example
  bearward doctor -api https://api.example.com -api-operation /orders
  bearward doctor -mcp -api https://mcp.example.com/mcp https://issuer.example
  bearward doctor -strict -json https://issuer.example > report.json

ISSUER is the name of the issuer, as its tokens have it in "iss". Of it doctor reads metadata, key
set, caching, redirects, certificate and clock, over several connections. Which keys are used is what
the key cache of an API says.

doctor sends GET requests alone, and no secret: to an API, one without a token and then tokens that it
makes up. It prints no key. For a certificate authority of your own set SSL_CERT_FILE
(Linux), or add it to the system's.

Exit codes: 0 no fault, 1 a fault (with -strict, a warning too), 2 wrong usage, 3 it could not be told.

`

// runDoctor is `bearward doctor`.
func runDoctor(ctx context.Context, t terminal, args []string) int {
	var o doctor.Options
	flags := flag.NewFlagSet("bearward doctor", flag.ContinueOnError)
	flags.StringVar(&o.API, "api", "", "the API's `URL`, as clients write it (RFC 9728); alone, the issuers that it names are looked at")
	flags.StringVar(&o.Operation, "api-operation", "", "the `PATH` of a GET operation of the API that needs a token, such as /orders")
	flags.BoolVar(&o.MCP, "mcp", false, "ask also for what clients of the Model Context Protocol need")
	strict := flags.Bool("strict", false, "warnings count as faults")
	asJSON := flags.Bool("json", false, "write the report as JSON; members may be added, none changes while \"version\" is 1")
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Second, "of each request, 1s to 1m")
	flags.IntVar(&o.Tries, "tries", 4, "how often to read documents over new connections, 1 to 20")
	flags.BoolVar(&o.AllowHTTP, "allow-http", false, "as jwks.Options.InsecureAllowHTTP")
	flags.BoolVar(&o.SameHostRedirects, "redirects", false, "as jwks.Options.SameHostRedirects")
	flags.BoolVar(&o.Proxy, "proxy", false, "as jwks.Options.ProxyFromEnvironment")
	flags.Usage = func() {}
	flags.SetOutput(io.Discard)
	names, err := parseAnywhere(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		io.WriteString(t.out, doctorHelp)
		flags.SetOutput(t.out)
		flags.PrintDefaults()
		return exitGood
	}
	switch {
	case err != nil:
	case len(names) > 1:
		err = fmt.Errorf("%d issuers, at most one: %q", len(names), names)
	case len(names) == 1:
		o.Issuer = names[0]
	}
	var report *doctor.Report
	if err == nil {
		report, err = doctor.Examine(ctx, o)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintf(t.err, "bearward doctor: %v\n", err)
		return exitOpen
	case err != nil:
		fmt.Fprintf(t.err, "bearward doctor: %v\n`bearward help doctor` tells how it is called.\n", err)
		return exitUsage
	case *asJSON:
		enc := json.NewEncoder(t.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	default:
		_, err = io.WriteString(t.out, t.doctorText(report))
	}
	if err != nil {
		fmt.Fprintf(t.err, "bearward doctor: %v\n", err)
		return exitOpen
	}
	return doctorCode(report, *strict)
}

// doctorCode is the exit code. What is wrong for sure counts more than what could not be told.
func doctorCode(r *doctor.Report, strict bool) int {
	switch {
	case r.Count(doctor.Fault) > 0, strict && r.Count(doctor.Warning) > 0:
		return exitBad
	case r.Count(doctor.Open) > 0:
		return exitOpen
	}
	return exitGood
}

// doctorMarks are what stands before a finding, and its colour on a terminal (ECMA-48 §8.3.117).
var doctorMarks = map[doctor.Severity]struct{ mark, colour string }{
	doctor.Fault:   {"✗", "1;31"},
	doctor.Open:    {"?", "1;33"},
	doctor.Warning: {"!", "33"},
	doctor.Note:    {"·", "2"},
}

// doctorText writes a report for people.
func (t terminal) doctorText(r *doctor.Report) string {
	var b strings.Builder
	for _, f := range r.Facts {
		fmt.Fprintf(&b, "%s  %s\n", t.paint("2", fmt.Sprintf("%-15s", f.Name)), f.Text)
	}
	if len(r.Facts) > 0 {
		b.WriteByte('\n')
	}
	for _, f := range r.Findings {
		m := doctorMarks[f.Severity]
		head := fmt.Sprintf("%s %-7s  %s", m.mark, f.Severity, f.ID)
		between := "  "
		if len([]rune(head))+len(between)+len([]rune(f.Where)) > columns {
			between = "\n   "
		}
		b.WriteString(t.paint(m.colour, head) + between + f.Where + "\n")
		b.WriteString(wrap("   ", f.What))
		b.WriteString(wrap("   ", f.Means))
		b.WriteString(wrap("   → ", string(f.Side)+": "+f.Do))
		b.WriteByte('\n')
	}
	if len(r.Findings) == 0 {
		b.WriteString(t.paint("1;32", "✓ nothing found") + "\n")
		return b.String()
	}
	var counts []string
	for _, s := range doctor.Severities() {
		switch n := r.Count(s); {
		case n == 0:
		case s == doctor.Open:
			counts = append(counts, fmt.Sprintf("%d open", n))
		case n == 1:
			counts = append(counts, "1 "+string(s))
		default:
			counts = append(counts, fmt.Sprintf("%d %ss", n, s))
		}
	}
	b.WriteString(strings.Join(counts, ", ") + "\n")
	return b.String()
}
