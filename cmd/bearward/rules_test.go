package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	oldRules = `# who may call what
GET /orders       = read:orders
POST /orders      = write:orders and role:admin
GET /stats        = report-only read:stats
/me               = any token
GET /me           = read:me
/shop.Orders/Get  = read:orders
`
	newRules = `GET /orders       = read:orders or role:admin
POST /orders      = write:orders
GET /stats        = read:stats
/me               = any token
/shop.Orders/*    = read:orders and acr:mfa
GET /open         = public
`
	brokenRules = "GET /x\n\nfoo /x = a\n/y = a and b or c\n"
)

// inFiles writes texts into files of a folder that is the working one from now on.
func inFiles(t *testing.T, texts map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range texts {
		if err := os.WriteFile(filepath.Clean(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRulesAtATerminal(t *testing.T) {
	inFiles(t, map[string]string{"old.txt": oldRules, "new.txt": newRules, "broken.txt": brokenRules, "plain.txt": "/me = any token\n"})
	for name, tt := range map[string]struct {
		args []string
		in   string
		code int
		out  string
		err  string
	}{
		"a table": {args: []string{"table", "-"}, in: "GET /orders = read:orders\n/open = public\n", out: `| method | operation | who may call it |
|---|---|---|
| any | /open | everybody: public |
| GET | /orders | read:orders |
`},
		"a table as text": {args: []string{"table", "plain.txt", "-text"}, out: "/me = any token\n"},
		"a diff": {args: []string{"diff", "old.txt", "new.txt"}, code: exitBad, out: `GET /me
  - read:me
  + any token (the rule of /me)
    gains access: any token
GET /open
  - no rule: every request is refused
  + public
    gains access: no token
    gains access: any token
GET /orders
  - read:orders
  + read:orders or role:admin
    gains access: role:admin
POST /orders
  - write:orders and role:admin
  + write:orders
    gains access: write:orders
/shop.Orders/*
  - no rule: every request is refused
  + read:orders and acr:mfa
    gains access: read:orders and acr:mfa
/shop.Orders/Get
  - read:orders
  + read:orders and acr:mfa (the rule of /shop.Orders/*)
    loses access: read:orders
GET /stats
  - report-only read:stats
  + read:stats
    loses access: no token
    loses access: any token
`},
		"no diff": {args: []string{"diff", "plain.txt", "-"}, in: "# the same\n/me   = any token", out: "no rule differs\n"},
		"rules that say the same in other words": {
			args: []string{"diff", "-", "plain.txt"}, in: "/me = (any token or read:me)\n", code: exitBad, out: `/me
  - any token or read:me
  + any token
    nobody gains or loses access
`},
		"a diff of scopes that imply others": {
			args: []string{"diff", "-implies", "admin:all=read:me,write:me", "-", "-implies", "write:me=read:me", "plain.txt"}, in: "/me = read:me or admin:all\n", code: exitBad, out: `/me
  - read:me or admin:all
  + any token
    gains access: any token
`},
		"a check": {args: []string{"check", "old.txt"}, out: `old.txt:4:1: warning: GET /stats is report-only: nobody is refused yet
`},
		"a strict check": {args: []string{"check", "-strict", "-"}, in: "GET /o/{id} = a\nGET /o/{key} = B\n/o/{id} = a\n /p = b or role:x or role:X\n", code: exitBad,
			out: `-:1:1: warning: GET /o/{id} says what /o/{id} says already
-:2:1: warning: GET /o/{key} differs from line 1 in the names of parameters alone: no router has both, and one is never asked
-:4:2: warning: the scope "b" differs from "B" of line 2 in case alone: they are two
-:4:2: warning: the role "x" differs from "X" of line 4 in case alone: they are two
`},
		"nothing to check": {args: []string{"check", "-strict", "plain.txt"}, out: "✓ plain.txt: 1 rules, nothing found\n"},
		"faults": {args: []string{"check", "broken.txt"}, code: exitBad, out: `broken.txt:1:7: expected " = " and what the operation asks for
broken.txt:3:1: expected a method in upper case, as in GET
broken.txt:4:14: expected "and": put parentheses where both "and" and "or" occur
`},
		"a table of faults": {args: []string{"table", "broken.txt"}, code: exitUsage, err: `bearward rules: the rules cannot be read
broken.txt:1:7: expected " = " and what the operation asks for
broken.txt:3:1: expected a method in upper case, as in GET
broken.txt:4:14: expected "and": put parentheses where both "and" and "or" occur
`},
		"a doubled key": {args: []string{"check", "-"}, in: "/a = x\n/a = y\n", code: exitBad, out: "-:2:1: a second rule for \"/a\", after line 1\n"},
		"no rules":      {args: []string{"check", "-"}, in: "# none\n", code: exitBad, out: "-:1:1: no rules: every operation would be refused\n"},
		"help":          {args: []string{"-h"}, out: rulesHelp},
		"help for one":  {args: []string{"diff", "--help"}, out: rulesHelp},
	} {
		out, err, code := bearward(t, tt.in, append([]string{"rules"}, tt.args...)...)
		if out != tt.out || err != tt.err || code != tt.code {
			t.Errorf("%s: exit code %d, want %d\ngot\n%s%s\nwant\n%s%s", name, code, tt.code, out, err, tt.out, tt.err)
		}
	}
}

func TestRulesRefuseWrongUsageByName(t *testing.T) {
	inFiles(t, map[string]string{"a.txt": "/a = x\n"})
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "one of table, diff and check"},
		{[]string{"show", "a.txt"}, `"show"`},
		{[]string{"table"}, "table takes 1 of FILE, not 0"},
		{[]string{"diff", "a.txt"}, "diff takes 2 of FILE, not 1"},
		{[]string{"diff", "-", "-"}, "only one of OLD and NEW"},
		{[]string{"diff", "-strict", "a.txt", "a.txt"}, "-strict"},
		{[]string{"diff", "-implies", "admin:all", "a.txt", "a.txt"}, "SCOPE=SCOPE"},
		{[]string{"diff", "-implies", "=a", "a.txt", "a.txt"}, "SCOPE=SCOPE"},
		{[]string{"diff", "-implies", "a\"b=x", "a.txt", "a.txt"}, "GuardOptions.Implies"},
		{[]string{"table", "-implies", "a=b", "a.txt"}, "-implies"},
		{[]string{"check", "-text", "a.txt"}, "-text"},
		{[]string{"table", "-text", "-json", "a.txt"}, "-text and -json"},
		{[]string{"check", "gone.txt"}, "gone.txt"},
		{[]string{"diff", "a.txt", "gone.txt"}, "gone.txt"},
	} {
		out, err, code := bearward(t, "", append([]string{"rules"}, tt.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(err, tt.want) {
			t.Errorf("%q: exit code %d, %q, %q", tt.args, code, out, err)
		}
	}
	if _, err, code := bearward(t, strings.Repeat("#", maxRulesBytes+1), "rules", "check", "-"); code != exitUsage || !strings.Contains(err, "4 MiB") {
		t.Errorf("a text that is too long: exit code %d, %q", code, err)
	}
}

func TestRulesAsJSON(t *testing.T) {
	inFiles(t, map[string]string{"old.txt": oldRules, "new.txt": newRules, "broken.txt": brokenRules})
	for _, tt := range []struct {
		args         []string
		code         int
		member, want string
	}{
		{[]string{"table", "new.txt"}, exitGood, "rules", `{"operation":"/me","rule":"any token"}`},
		{[]string{"diff", "old.txt", "new.txt"}, exitBad, "changes",
			`{"gains":["any token"],"loses":[],"new":[{"operation":"/me","rule":"any token"}],"old":[{"rule":"read:me"}],"operation":"GET /me"}`},
		{[]string{"check", "broken.txt"}, exitBad, "remarks", `{"column":7,"fault":true,"line":1,"text":"expected \" = \" and what the operation asks for"}`},
	} {
		out, _, code := bearward(t, "", append([]string{"rules", tt.args[0], "-json"}, tt.args[1:]...)...)
		var doc map[string]any
		if err := json.Unmarshal([]byte(out), &doc); err != nil || code != tt.code || doc["version"] != 1.0 {
			t.Errorf("%q: exit code %d, %v: %s", tt.args, code, err, out)
			continue
		}
		if first, _ := json.Marshal(doc[tt.member].([]any)[0]); string(first) != tt.want {
			t.Errorf("%q: got %s, want %s", tt.args, first, tt.want)
		}
	}
	for _, empty := range [][]string{{"diff", "-json", "old.txt", "old.txt"}, {"check", "-json", "-"}} {
		if out, _, code := bearward(t, "/a = x\n", append([]string{"rules"}, empty...)...); code != exitGood || !strings.Contains(out, ": []") {
			t.Errorf("%q: exit code %d, %s", empty, code, out)
		}
	}
}

func TestRulesInColour(t *testing.T) {
	inFiles(t, map[string]string{"old.txt": oldRules, "new.txt": newRules})
	var colours, none strings.Builder
	run(t.Context(), terminal{out: &colours, err: t.Output(), colour: true}, []string{"rules", "diff", "old.txt", "new.txt"})
	run(t.Context(), terminal{out: &none, err: t.Output()}, []string{"rules", "diff", "old.txt", "new.txt"})
	if !strings.Contains(colours.String(), "\x1b[31m  - read:me\x1b[0m\n") {
		t.Errorf("got %q", &colours)
	}
	if plain := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[1m", "", "\x1b[0m", "").Replace(colours.String()); plain != none.String() {
		t.Errorf("colours change the text:\n%s", plain)
	}
}
