package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/bearward/bearward/cmd/bearward/internal/rules"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/explain"
	"github.com/bearward/bearward/middleware/provider"
)

const explainHelp = `bearward explain tells why an API refuses a token: all that is wrong with it, what was not looked
at, and what to change. It makes the checks of the API's own Guard.

  bearward explain -issuer URL -audience NAME [flags] < TOKEN

  bearward explain -issuer https://issuer.example -audience orders < token.txt
  bearward explain -issuer https://tenant.eu.auth0.com/ -audience orders -preset auth0 -token token.txt
  bearward explain -issuer https://issuer.example -audience orders -keys jwks.json \
      -at 2026-03-01T12:00:00Z < token.txt
  bearward explain -issuer https://issuer.example -audience orders -rules rules.txt \
      -operation "GET /orders" < token.txt

The token comes from standard input, or from the file of -token. It is never an argument: those stay
in the shell's history. "Bearer " in front of it and a line end behind it are left out.

Nothing of the token is shown but what form its claims have, and how far its times are from now.
-claims shows the values, which may be personal data. Claims are looked at even where the signature
is bad. They are then what anybody may have written, and a line says so.

Without -issuer, the environment of provider.FromEnv names issuer and API (BEARWARD_ISSUER).

With -rules alone, explain lists every operation and whether the token may call it.

Without -keys it asks the issuer for its keys, as an API does. A proof of possession comes with each
request, so with -dpop or -mtls a token that needs one is accepted as far as can be told without it.

Exit codes: 0 accepted, 1 refused, 2 wrong usage, 3 not judged: the keys could not be had.

`

// explainFlags are what `bearward explain` takes.
type explainFlags struct {
	issuer, preset, token, keys, at, rules, operation string
	audiences, callers                                []string
	json, claims, allowHTTP, dpop, mtls               bool
}

// runExplain is `bearward explain`.
func runExplain(ctx context.Context, t terminal, args []string) int {
	var f explainFlags
	flags := flag.NewFlagSet("bearward explain", flag.ContinueOnError)
	list := func(to *[]string) func(string) error {
		return func(s string) error { *to = append(*to, s); return nil }
	}
	flags.StringVar(&f.issuer, "issuer", "", "the `URL` of the issuer, as Config.Issuer has it")
	flags.Func("audience", "a `NAME` of the API, as Config.Audiences has it; may be given again", list(&f.audiences))
	flags.StringVar(&f.preset, "preset", "", "the `NAME` of a preset, as provider.Named takes it:\n"+strings.TrimSpace(wrap("", strings.Join(provider.Names(), ", "))))
	flags.Func("caller", "a `NAME` of who may call, for presets that ask for it (provider.Named); may be given again", list(&f.callers))
	flags.StringVar(&f.token, "token", "", "the `FILE` that holds the token (default standard input)")
	flags.StringVar(&f.keys, "keys", "", "a `FILE` with the issuer's key set, to use in place of its own")
	flags.StringVar(&f.at, "at", "", "the `TIME` to compare the token with, as 2026-03-01T12:00:00Z or in seconds since 1970 (default now)")
	flags.StringVar(&f.rules, "rules", "", "a `FILE` with rules, as auth.ParseRules reads them")
	flags.StringVar(&f.operation, "operation", "", "the `OPERATION` to ask about, as the rules have it, such as \"GET /orders\"")
	flags.BoolVar(&f.json, "json", false, "write the report as JSON; members may be added, none changes while \"version\" is 1")
	flags.BoolVar(&f.claims, "claims", false, "show header and claims")
	flags.BoolVar(&f.allowHTTP, "allow-http", false, "as jwks.Options.InsecureAllowHTTP")
	flags.BoolVar(&f.dpop, "dpop", false, "the API has a dpop.Binding")
	flags.BoolVar(&f.mtls, "mtls", false, "the API has an mtls.Binding")
	flags.Usage = func() {}
	flags.SetOutput(io.Discard)
	rest, err := parseAnywhere(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		io.WriteString(t.out, explainHelp)
		flags.SetOutput(t.out)
		flags.PrintDefaults()
		return exitGood
	}
	q, err := questionOf(t, f, rest, err)
	if err != nil {
		fmt.Fprintf(t.err, "bearward explain: %v\n`bearward help explain` tells how it is called.\n", err)
		return exitUsage
	}
	defer q.close()
	answer := q.ask(ctx)
	text := explainText(t, answer)
	if f.json {
		text, err = answer.json()
	}
	if err == nil {
		_, err = io.WriteString(t.out, text)
	}
	if err != nil {
		fmt.Fprintf(t.err, "bearward explain: %v\n", err)
		return exitOpen
	}
	switch answer.Report.Outcome {
	case "accepted", "reported":
		return exitGood
	case "refused":
		return exitBad
	}
	return exitOpen
}

// A question is what the command line of explain asks.
type question struct {
	guard     *auth.Guard
	token     string
	tidied    []string // what was left out of what was given as the token
	options   explain.Options
	operation string
	rules     auth.Rules // to list, when no operation is named
	close     func()
}

// questionOf makes the question of what was given. No error tells anything that may be a token.
func questionOf(t terminal, f explainFlags, rest []string, flagErr error) (*question, error) {
	switch {
	case len(rest) > 0:
		return nil, errors.New("a token is not taken as an argument, which would stay in the shell's history and show in the list of processes: give it on standard input or in the file of -token")
	case flagErr != nil:
		return nil, tellFlag(flagErr)
	case f.operation != "" && f.rules == "":
		return nil, errors.New("-operation needs -rules")
	}
	q := &question{operation: f.operation, close: func() {}}
	q.options.Claims = f.claims
	var err error
	if q.options.At, err = parseAt(f.at); err != nil {
		return nil, err
	}
	if f.rules != "" {
		if f.rules == "-" {
			return nil, errors.New("-rules is a file: standard input is the token's")
		}
		if q.rules, err = readRules(t, f.rules); err != nil {
			return nil, err
		}
	}
	if f.operation != "" {
		req := q.rules[f.operation] // the zero Requirement where there is none, as in the API
		if method, pattern, ok := strings.Cut(f.operation, " "); ok {
			_, req, _ = q.rules.Find(method, pattern)
		}
		q.options.Requirement, q.rules = &req, nil
	}
	if q.guard, q.close, err = explainGuard(f); err != nil {
		return nil, err
	}
	if q.token, q.tidied, err = readToken(t, f.token); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

// An explainAnswer is what the command tells.
type explainAnswer struct {
	*explain.Report
	Operation  string             `json:"operation,omitempty"`  // that was asked about
	Rule       string             `json:"rule,omitempty"`       // what it asks for
	Operations []explainOperation `json:"operations,omitempty"` // of -rules without -operation
	LeftOut    []string           `json:"left_out,omitempty"`   // of what was given as the token
}

// An explainOperation says whether the token may call an operation.
type explainOperation struct {
	Operation string      `json:"operation"`
	Rule      string      `json:"rule"`
	Outcome   string      `json:"outcome"`
	Reason    auth.Reason `json:"reason,omitempty"`
}

func (q *question) ask(ctx context.Context) explainAnswer {
	a := explainAnswer{Report: explain.Token(ctx, q.guard, q.token, &q.options), Operation: q.operation, LeftOut: q.tidied}
	if q.options.Requirement != nil {
		a.Rule = q.options.Requirement.String()
	}
	for _, key := range rules.Keys(q.rules) {
		req := q.rules[key]
		o := q.options
		o.Requirement = &req
		r := explain.Token(ctx, q.guard, q.token, &o)
		a.Operations = append(a.Operations, explainOperation{key, req.String(), r.Outcome, r.Reason})
	}
	return a
}
