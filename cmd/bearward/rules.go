package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bearward/bearward/cmd/bearward/internal/rules"
	auth "github.com/bearward/bearward/middleware"
)

const rulesHelp = `bearward rules reads rules in the text form of auth.ParseRules: who may call what.

  bearward rules table [-json] [-text] FILE        a Markdown table, for review
  bearward rules diff  [-json] [-implies SCOPE=SCOPE,...] OLD NEW
                                                   what changed, and who gains or loses access
  bearward rules check [-json] [-strict] FILE      every fault by line and column, and warnings

  bearward rules table rules.txt > RULES.md
  git show main:rules.txt | bearward rules diff - rules.txt
  bearward rules check -strict rules.txt

FILE may be -, for standard input.

diff lists callers by what their tokens have, and nothing else that the two rules name. Where a
rule is gone, another counts: "/orders" for "GET /orders", or what bearward forward and
http.ServeMux go on to, as "GET /files/" for "GET /files/{name}". A program of yours refuses
requests to a route without a rule. -implies says what the Guard's GuardOptions.Implies does, as in
-implies admin:all=read:orders,write:orders, and may be given again.

Exit codes: 0 same, or no fault; 1 different, or a fault (with -strict, a warning too); 2 wrong
usage, or a file that table or diff cannot read.

`

// A rulesFlags is what the three commands take.
type rulesFlags struct {
	json, text, strict bool
	implies            map[string][]string
}

// rulesCommands are what stands behind `bearward rules`, with the files that each takes.
var rulesCommands = map[string]struct {
	files int
	run   func(t terminal, o rulesFlags, files []string) (int, error)
}{
	"table": {1, rulesTable},
	"diff":  {2, rulesDiff},
	"check": {1, rulesCheck},
}

// runRules is `bearward rules`.
func runRules(_ context.Context, t terminal, args []string) int {
	usage := func(err error) int {
		fmt.Fprintf(t.err, "bearward rules: %v\n`bearward help rules` tells how it is called.\n", err)
		return exitUsage
	}
	if len(args) == 0 {
		return usage(errors.New("one of table, diff and check is needed"))
	}
	name := args[0]
	command, ok := rulesCommands[name]
	if !ok && !isHelp(name) {
		return usage(fmt.Errorf("%q is none of table, diff and check", name))
	}
	var o rulesFlags
	flags := flag.NewFlagSet("bearward rules "+name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.json, "json", false, "")
	switch name {
	case "table":
		flags.BoolVar(&o.text, "text", false, "")
	case "diff":
		flags.Func("implies", "", o.addImplies)
	case "check":
		flags.BoolVar(&o.strict, "strict", false, "")
	}
	files, err := parseAnywhere(flags, args[1:])
	if isHelp(name) || errors.Is(err, flag.ErrHelp) {
		io.WriteString(t.out, rulesHelp)
		return exitGood
	}
	switch {
	case err != nil:
		return usage(err)
	case len(files) != command.files:
		return usage(fmt.Errorf("%s takes %d of FILE, not %d", name, command.files, len(files)))
	case name == "diff" && files[0] == "-" && files[1] == "-":
		return usage(errors.New("only one of OLD and NEW can be standard input"))
	case o.text && o.json:
		return usage(errors.New("-text and -json exclude each other"))
	}
	code, err := command.run(t, o, files)
	if err != nil {
		fmt.Fprintf(t.err, "bearward rules: %v\n", err)
	}
	return code
}

// addImplies reads a value of -implies.
func (o *rulesFlags) addImplies(value string) error {
	scope, narrower, _ := strings.Cut(value, "=")
	all := strings.FieldsFunc(narrower, func(r rune) bool { return r == ',' || r == ' ' })
	if scope == "" || len(all) == 0 {
		return errors.New("it is SCOPE=SCOPE, with commas between those that are implied")
	}
	if o.implies == nil {
		o.implies = map[string][]string{}
	}
	o.implies[scope] = append(o.implies[scope], all...)
	return nil
}

func isHelp(arg string) bool {
	return strings.TrimLeft(arg, "-") == "h" || strings.TrimLeft(arg, "-") == "help"
}

// maxRulesBytes bounds a file of rules.
const maxRulesBytes = 4 << 20

// readText returns what stands in a file, or on standard input for "-".
func readText(t terminal, name string) (string, error) {
	in := t.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxRulesBytes+1))
	if err == nil && len(text) > maxRulesBytes {
		err = fmt.Errorf("%s: more than %d MiB", name, maxRulesBytes>>20)
	}
	return string(text), err
}

// readRules reads rules that must have no fault. The error is a line for each.
func readRules(t terminal, name string) (auth.Rules, error) {
	text, err := readText(t, name)
	if err != nil {
		return nil, err
	}
	all, remarks := rules.Check(text)
	if all != nil {
		return all, nil
	}
	lines := []string{"the rules cannot be read"}
	for _, r := range remarks {
		lines = append(lines, at(name, r))
	}
	return nil, errors.New(strings.Join(lines, "\n"))
}

// at is a remark with its place, as compilers write it and editors follow it.
func at(name string, r rules.Remark) string {
	return fmt.Sprintf("%s:%d:%d: %s", name, r.Line, r.Column, r.Text)
}

func rulesTable(t terminal, o rulesFlags, files []string) (int, error) {
	all, err := readRules(t, files[0])
	if err != nil {
		return exitUsage, err
	}
	text := all.Table()
	switch {
	case o.text:
		text, err = all.Text()
	case o.json:
		type row struct {
			Operation string `json:"operation"`
			Rule      string `json:"rule"`
		}
		rows := []row{}
		for _, key := range rules.Keys(all) {
			rows = append(rows, row{key, all[key].String()})
		}
		text, err = document("rules", rows)
	}
	if err == nil {
		_, err = io.WriteString(t.out, text)
	}
	return codeOf(err, exitGood), err
}

func rulesDiff(t terminal, o rulesFlags, files []string) (int, error) {
	var both [2]auth.Rules
	var errs []error
	for i, name := range files {
		var err error
		both[i], err = readRules(t, name)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return exitUsage, err
	}
	changes, err := rules.Diff(both[0], both[1], o.implies)
	if err != nil {
		return exitUsage, err
	}
	text := ""
	switch {
	case o.json:
		text, err = document("changes", changes)
	default:
		text = diffText(t, changes)
	}
	if err == nil {
		_, err = io.WriteString(t.out, text)
	}
	if len(changes) > 0 {
		return codeOf(err, exitBad), err
	}
	return codeOf(err, exitGood), err
}

// diffText writes changes for people.
func diffText(t terminal, changes []rules.Change) string {
	if len(changes) == 0 {
		return "no rule differs\n"
	}
	var b strings.Builder
	side := func(mark, colour string, all []rules.Rule) {
		for _, r := range all {
			words := r.Rule
			switch {
			case r.Operation != "":
				words += " (the rule of " + r.Operation + ")"
			case words == "" && len(all) > 1:
				words = "no rule: other methods are refused"
			case words == "":
				words = "no rule: every request is refused"
			}
			b.WriteString(t.paint(colour, "  "+mark+" "+words) + "\n")
		}
	}
	for _, c := range changes {
		b.WriteString(t.paint("1", c.Operation) + "\n")
		side("-", "31", c.Old)
		side("+", "32", c.New)
		for _, who := range c.Gains {
			b.WriteString("    gains access: " + who + "\n")
		}
		for _, who := range c.Loses {
			b.WriteString("    loses access: " + who + "\n")
		}
		switch {
		case c.TooMany:
			b.WriteString("    who gains and loses is not told: the rules name too much\n")
		case len(c.Gains)+len(c.Loses) == 0:
			b.WriteString("    nobody gains or loses access\n")
		}
	}
	return b.String()
}

func rulesCheck(t terminal, o rulesFlags, files []string) (int, error) {
	text, err := readText(t, files[0])
	if err != nil {
		return exitUsage, err
	}
	all, remarks := rules.Check(text)
	out, code := "", exitGood
	for _, r := range remarks {
		colour, mark := "33", "warning: "
		if r.Fault {
			colour, mark = "1;31", ""
		}
		out += t.paint(colour, at(files[0], rules.Remark{Line: r.Line, Column: r.Column, Text: mark + r.Text})) + "\n"
	}
	switch {
	case all == nil, o.strict && len(remarks) > 0:
		code = exitBad
	case len(remarks) == 0:
		out = t.paint("1;32", fmt.Sprintf("✓ %s: %d rules, nothing found", files[0], len(all))) + "\n"
	}
	if o.json {
		if remarks == nil {
			remarks = []rules.Remark{}
		}
		if out, err = document("remarks", remarks); err != nil {
			return exitOpen, err
		}
	}
	_, err = io.WriteString(t.out, out)
	return codeOf(err, code), err
}

// codeOf is code, or that of what could not be written.
func codeOf(err error, code int) int {
	if err != nil {
		return exitOpen
	}
	return code
}

// document is a JSON document with its version and one member.
func document(name string, value any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]any{"version": 1, name: value})
	return b.String(), err
}
