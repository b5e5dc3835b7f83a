package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// module is a small module with a mutant for each way that a mutant can fare.
var module = map[string]string{
	"go.mod": "module github.com/bearward/bearward\n\ngo 1.26\n",
	"internal/mutant/mutant.go": `package mutant

import "os"

func On(name string) bool {
	if os.Getenv("MUTANT") != name {
		return false
	}
	f, err := os.OpenFile(os.Getenv("MUTANT_REACHED"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	f.WriteString(name + "\n")
	return true
}
`,
	"guard/guard.go": `package guard

func Allow(n int) bool {
	switch {
	case n < 0: // check: negative
		return false
	case n == 1000: // check: thousand
		return false
	case n%2 == 1: // check: odd
		return false
	case n == 500: // check: never
		return false
	}
	if n > 2000 { // check: inverted
		return false
	}
	if n == 2 {
		// check: crash
		// check: hang
		n += 0 // check: statement
	}
	return even(n)
}

func even(n int) bool {
	return n%2 == 0 || n == 1 // check: even
}
`,
	"guard/guard_test.go": `package guard

import "testing"

func TestAllow(t *testing.T) {
	t.Run("two is fine", func(t *testing.T) {
		if !Allow(2) {
			t.Error("refused")
		}
	})
	t.Run("a negative number", func(t *testing.T) {
		if Allow(-2) {
			t.Error("allowed")
		}
	})
	Allow(1) // reached, and nobody looks
	if even(3) {
		t.Error("three is even")
	}
}
`,
	// A second package tests the first one's checks too.
	"adapter/adapter.go": `package adapter

import "github.com/bearward/bearward/guard"

func Handle(n int) bool { return guard.Allow(n) }
`,
	"adapter/adapter_test.go": `package adapter

import "testing"

func TestThousand(t *testing.T) {
	if Handle(1000) {
		t.Error("allowed")
	}
}
`,
	// A module of its own below tests its own checks, and not the first one's.
	"adapter/sink/go.mod": `module github.com/bearward/bearward/adapter/sink

go 1.26

replace github.com/bearward/bearward => ../..

require github.com/bearward/bearward v0.0.0
`,
	"adapter/sink/sink.go": `package sink

import "github.com/bearward/bearward/guard"

func Count(n int) bool {
	if n > 9 { // check: bound
		return false
	}
	return guard.Allow(n)
}
`,
	"adapter/sink/sink_test.go": `package sink

import "testing"

func TestBound(t *testing.T) {
	if Count(10) {
		t.Error("counted")
	}
	if Count(1) {
		t.Error("odd, and counted")
	}
}
`,
}

// moduleReplacements are the entries that module's marks need.
var moduleReplacements = map[string]string{
	"guard/inverted":  `n <= 2000`,
	"guard/crash":     `panic("crash")`,
	"guard/hang":      `select {}`,
	"guard/statement": `n = -1`,
}

func TestEachOutcomeIsToldFromTheOthers(t *testing.T) {
	root := lay(t, module)
	mutants, mutated, err := find(root, []string{"guard", "adapter", "absent"}, moduleReplacements)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newSuite(t.Context(), root, mutants, mutated)
	if err != nil {
		t.Fatal(err)
	}
	defer c.remove()
	c.timeout = 2 * time.Second
	results, err := c.tryAll(t.Context(), mutants, 0, func(result) {})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"guard/negative":  "killed guard TestAllow/a_negative_number",
		"guard/thousand":  "killed adapter TestThousand",
		"guard/odd":       "SURVIVED ",
		"guard/never":     "UNREACHED ",
		"guard/inverted":  "killed guard TestAllow/two_is_fine",
		"guard/crash":     "CRASHED ",
		"guard/hang":      "TIMED OUT ",
		"guard/statement": "killed guard TestAllow/two_is_fine",
		"guard/even":      "killed guard TestAllow",

		"adapter/sink/bound": "killed adapter/sink TestBound",
	}
	for _, r := range results {
		if got := r.outcome.String() + " " + r.by; got != want[r.name] {
			t.Errorf("%s: got %q, want %q\n%s", r.name, got, want[r.name], r.output)
		}
		delete(want, r.name)
	}
	for name := range want {
		t.Errorf("%s was not tried", name)
	}

	var out bytes.Buffer
	if err := summarize(&out, results, len(mutants)); err == nil {
		t.Error("a run with survivors was called good")
	}
	if want := "10 mutants: 6 killed, 4 not killed, 0 not run"; !strings.Contains(out.String(), want) {
		t.Errorf("the summary lacks %q:\n%s", want, out.String())
	}
}

// What killed a mutant before is asked first; a test that is gone or passes costs nothing but time.
func TestThePageTellsWhomToAskFirst(t *testing.T) {
	root := lay(t, map[string]string{
		"go.mod": module["go.mod"], "internal/mutant/mutant.go": module["internal/mutant/mutant.go"],
		"guard/guard.go": "package guard\n\nfunc Allow(n int) bool {\n\treturn n >= 0 // check: negative\n}\n",
		"guard/guard_test.go": "package guard\n\nimport \"testing\"\n\nfunc TestFirst(t *testing.T) {\n\tif Allow(-1) {\n\t\tt.Error(\"allowed\")\n\t}\n}\n\n" +
			"func TestSecond(t *testing.T) { TestFirst(t) }\n\nfunc TestNothing(*testing.T) {}\n",
	})
	mutants, mutated, err := find(root, []string{"guard"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newSuite(t.Context(), root, mutants, mutated)
	if err != nil {
		t.Fatal(err)
	}
	defer c.remove()
	for by, want := range map[string]string{
		"guard TestSecond":        "guard TestSecond",
		"guard TestSecond/a_part": "guard TestSecond",
		"guard TestGone/a_part":   "guard TestFirst",
		"guard TestNothing":       "guard TestFirst",
		"gone TestSecond":         "guard TestFirst",
		"**SURVIVED**":            "guard TestFirst",
		"":                        "guard TestFirst",
	} {
		c.known = page{"guard/negative": {by: by}}
		results, err := c.tryAll(t.Context(), mutants, 0, func(result) {})
		if err != nil || len(results) != 1 || results[0].outcome != killed || results[0].by != want {
			t.Errorf("%q: %+v, %v, want it killed by %s", by, results, err, want)
		}
	}
}

func TestTestsThatFailByThemselvesKillNothing(t *testing.T) {
	root := lay(t, module)
	write(t, root, "guard/red_test.go", "package guard\n\nimport \"testing\"\n\nfunc TestRed(t *testing.T) { t.Error(\"red\") }\n")
	mutants, mutated, err := find(root, []string{"guard"}, moduleReplacements)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newSuite(t.Context(), root, mutants, mutated)
	if err != nil {
		t.Fatal(err)
	}
	defer c.remove()
	if _, err := c.tryAll(t.Context(), mutants, 0, func(result) {}); err == nil || !strings.Contains(err.Error(), "TestRed") {
		t.Errorf("got error %v, want one that names TestRed", err)
	}
}

func TestAMarkSaysWhatItMeans(t *testing.T) {
	for _, c := range []struct {
		name, body   string
		replacements map[string]string
		want         string // in the error; "": none
	}{
		{"a condition", "if true { // check: x\n}", nil, ""},
		{"a condition with an entry", "if true { // check: x\n}", map[string]string{"guard/x": "1 > 2"}, ""},
		{"a line of its own with an entry", "// check: x\nprintln()", map[string]string{"guard/x": "return"}, ""},
		{"a name of another form", "if true { // check: Upper\n}", nil, "form"},
		{"code behind the name", "if true { // check: x: 1 > 2\n}", nil, "form"},
		{"a name that is used twice", "if true { // check: x\n}\nif true { // check: x\n}", nil, "already at"},
		{"a line without a check", "var x int // check: x\n_ = x", nil, "ends on this line"},
		{"a line of its own without an entry", "// check: x\nprintln()", nil, "needs code"},
		{"an entry without a mark", "if true { // check: x\n}", map[string]string{"guard/y": "1 > 2"}, "check: y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := lay(t, map[string]string{"guard/guard.go": "package guard\n\nfunc f() {\n" + c.body + "\n}\n"})
			found, _, err := find(root, []string{"guard"}, c.replacements)
			switch {
			case c.want == "" && (err != nil || len(found) != 1):
				t.Errorf("got %v and error %v, want one mutant", found, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v and error %v, want one that says %q", found, err, c.want)
			}
		})
	}
}

func TestTheMarksOfThisModule(t *testing.T) {
	if found, _, err := find("../..", rooms, replacements); err != nil || len(found) < 300 {
		t.Errorf("%d checks, error %v", len(found), err)
	}
}

func TestOutcome(t *testing.T) {
	failed := func(code string) error { return exec.Command("sh", "-c", "exit "+code).Run() }
	for _, c := range []struct {
		name, output string
		err          error
		want         outcome
		by           string
	}{
		{"every test passed", "PASS\n", nil, survived, ""},
		{"a subtest failed", "--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/one (0.0s)\n        x.go:1: no\n    --- FAIL: TestA/two (0.0s)\nFAIL\n", failed("1"), killed, "TestA/one"},
		{"a test failed after another one", "--- FAIL: TestA (0.1s)\n    x.go:1: no\n--- FAIL: TestB (0.1s)\nFAIL\n", failed("1"), killed, "TestA"},
		{"a test panicked", "--- FAIL: TestA (0.1s)\npanic: oh [recovered]\n", failed("2"), crashed, ""},
		{"the tests ran out of time", "panic: test timed out after 1m0s\n", failed("2"), timedOut, ""},
		{"the process ended without a failed test", "oh\n", failed("1"), crashed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, by := outcomeOf(c.output, c.err); got != c.want || by != c.by {
				t.Errorf("got %v by %q, want %v by %q", got, by, c.want, c.by)
			}
		})
	}
}

// lay writes the files into a new folder.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		write(t, root, name, text)
	}
	return root
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRowsThatFailed(t *testing.T) {
	d := rowTests{"adapters/chiauth": {"TestCheck": {"O-07"}}}
	const output = `--- FAIL: TestMatrixToken (0.1s)
    --- FAIL: TestMatrixToken/token#12 (0.1s)
        --- FAIL: TestMatrixToken/token#12/AT-18 (0.1s)
            --- FAIL: TestMatrixToken/token#12/AT-18/chi/an_hour_ago (0.1s)
        --- FAIL: TestMatrixToken/token#12/B-24#01 (0.1s)
--- FAIL: TestJ05_J10_KeysAreBoundToOneAlgorithm (0.1s)
--- FAIL: TestCheck (0.1s)
--- PASS: TestK01_KnownKeyIsServedDuringAFlood (0.1s)
`
	if got := strings.Join(d.rows("adapters/chiauth", output), " "); got != "AT-18 B-24 J-05 J-10 O-07" {
		t.Errorf("rows %s", got)
	}
	if got := strings.Join(d.rows("jwks", output), " "); got != "AT-18 B-24 J-05 J-10" {
		t.Errorf("rows of a package whose TestCheck proves nothing: %s", got)
	}
	if got := someOf(strings.Fields("a b c d e f g h i j k l m n")); got != "a b c d e f g h i j k l and 2 more" {
		t.Errorf("some of 14: %s", got)
	}
}

func TestWhatChangedComesFirst(t *testing.T) {
	names := func(all []mutant) string {
		var b strings.Builder
		for _, m := range all {
			b.WriteString(m.name)
		}
		return b.String()
	}
	var all []mutant
	for _, name := range strings.Split("abcdefgh", "") {
		all = append(all, mutant{name: name, file: name + ".go"})
	}
	changed := map[string]bool{"c.go": true, "f.go": true}
	starts := map[string]bool{}
	for _, commit := range []string{"one", "two", "three", "four", "five", "six", "seven", "eight"} {
		got := names(order(all, changed, commit))
		if head := got[:2]; head != "cf" && head != "fc" {
			t.Errorf("%s: %s begins with what did not change", commit, got)
		}
		if !strings.Contains("abdeghabdegh", got[2:]) || len(got) != 8 {
			t.Errorf("%s: %s is not the others in turn", commit, got)
		}
		starts[got[2:3]] = true
	}
	if len(starts) < 3 {
		t.Errorf("eight commits begin at %v", starts)
	}
	if got := names(order(all, nil, "")); len(got) != 8 {
		t.Errorf("without git: %s", got)
	}
}

func TestThePageIsMergedByName(t *testing.T) {
	old := "# Mutants\n\n| check | file | killed by | rows that kill it |\n|---|---|---|---|\n" +
		"| a/gone | a/a.go | a TestGone | B-01 |\n| a/kept | a/a.go | a TestKept | B-01 and 9 more |\n| a/changed | a/a.go | a TestOld |  |\n"
	all := []mutant{{name: "a/kept", file: "a/moved.go"}, {name: "a/changed", file: "a/a.go"}, {name: "a/new", file: "a/b.go"}, {name: "a/unrun", file: "a/b.go"}}
	p := readPage(old)
	p.merge([]result{
		{mutant: all[1], outcome: survived},
		{mutant: all[2], outcome: killed, by: "a TestNew", rows: []string{"B-02", "B-03"}},
	}, true)
	text := string(p.markdown(all))
	_, table, _ := strings.Cut(text, "|---|---|---|---|\n")
	want := "| a/kept | a/moved.go | a TestKept | B-01 and 9 more |\n| a/changed | a/a.go | **SURVIVED** |  |\n| a/new | a/b.go | a TestNew | B-02 B-03 |\n"
	if table != want || !strings.Contains(text, "\n4 checks, of which 1 have not run yet.\n") {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if again := string(readPage(text).markdown(all)); again != text {
		t.Errorf("read and written again:\n%s", again)
	}
	p.merge([]result{{mutant: all[0], outcome: killed, by: "a TestOther"}, {mutant: all[3], outcome: killed, by: "a TestUnrun"}}, false)
	text = string(p.markdown(all))
	for _, want := range []string{"| a/kept | a/moved.go | a TestOther | B-01 and 9 more |\n", "| a/unrun | a/b.go | a TestUnrun | not asked yet |\n", "\n4 checks. For 1 of them, which"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
