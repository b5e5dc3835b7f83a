package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// findings are the entries that findings.md has, in its order: a letter, and how many of it there
// are.
var findings = []struct {
	letter string
	last   int
}{{"T", 25}, {"A", 13}, {"H", 21}, {"N", 12}, {"R", 48}}

// TestFindings holds findings.md to the repository: every entry is there, and those that are not
// open name tests and checks that exist.
func TestFindings(t *testing.T) {
	text, err := os.ReadFile("findings.md")
	if err != nil {
		t.Fatal(err)
	}
	open, problems := readFindings(os.DirFS("../.."), string(text))
	for _, p := range problems {
		t.Error(p)
	}
	t.Logf("%d findings are open: %s", len(open), strings.Join(open, " "))
}

var (
	entryHeading = regexp.MustCompile(`(?m)^### (\S+)$`)
	entryItem    = regexp.MustCompile(`(?m)^- (.+(?:\n  .+)*)$`)
	quoted       = regexp.MustCompile("`([^`]+)`")
	findingTest  = regexp.MustCompile(`^(\S+) ((?:Test|Fuzz|Example)[A-Za-z0-9_]*)(?:/(.+))?$`)
)

// readFindings returns the IDs of the page's open entries, and what is wrong with the page.
func readFindings(tree fs.FS, text string) (open []string, problems []error) {
	var want, got []string
	for _, f := range findings {
		for n := range f.last {
			want = append(want, fmt.Sprintf("%s%d", f.letter, n+1))
		}
	}
	headings := entryHeading.FindAllStringSubmatchIndex(text, -1)
	for i, h := range headings {
		id, end := text[h[2]:h[3]], len(text)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		got = append(got, id)
		isOpen, err := readFinding(tree, text[h[1]:end])
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", id, err))
		}
		if isOpen {
			open = append(open, id)
		}
	}
	if !slices.Equal(got, want) {
		problems = append(problems, fmt.Errorf("the entries are %v, want %v", got, want))
	}
	return open, problems
}

func readFinding(tree fs.FS, text string) (open bool, err error) {
	items := map[string]string{}
	for _, m := range entryItem.FindAllStringSubmatch(text, -1) {
		label, rest, _ := strings.Cut(strings.Join(strings.Fields(m[1]), " "), ": ")
		if label == "Situation" && items[label] != "" {
			return false, errors.New("a second entry without a heading")
		}
		items[label] = rest
	}
	for _, label := range []string{"Situation", "Right"} {
		if items[label] == "" {
			return false, fmt.Errorf("no %q", label)
		}
	}
	if _, open := items["Open"]; open {
		return true, nil
	}
	for _, label := range []string{"Tests", "Neighbours", "Adapters", "Check"} {
		if items[label] == "" {
			return false, fmt.Errorf("neither open, nor with %q", label)
		}
	}
	if n := len(strings.Split(items["Neighbours"], ";")); n < 3 {
		return false, fmt.Errorf("%d neighbours, want three at least, parted by semicolons", n)
	}
	tests := quoted.FindAllStringSubmatch(items["Tests"], -1)
	if len(tests) == 0 {
		return false, fmt.Errorf("no test between backquotes in %q", items["Tests"])
	}
	for _, m := range tests {
		if err := testExists(tree, m[1]); err != nil {
			return false, err
		}
	}
	return false, checksExist(tree, items["Check"])
}

// testExists looks for a test that is named as "folder TestName" or "folder TestName/subtest".
func testExists(tree fs.FS, name string) error {
	m := findingTest.FindStringSubmatch(name)
	if m == nil {
		return fmt.Errorf("%q is not of the form \"folder TestName\"", name)
	}
	source, err := sources(tree, m[1], true)
	if err != nil {
		return err
	}
	if !strings.Contains(source, "\nfunc "+m[2]+"(") {
		return fmt.Errorf("no function %s in the tests of %s", m[2], m[1])
	}
	for sub := range strings.SplitSeq(m[3], "/") {
		if !strings.Contains(source, sub) && !strings.Contains(source, strings.ReplaceAll(sub, "_", " ")) {
			return fmt.Errorf("the tests of %s do not say %q", m[1], sub)
		}
	}
	return nil
}

// checksExist looks for the marks of the checks that are named as "folder/name".
func checksExist(tree fs.FS, names string) error {
	if reason, none := strings.CutPrefix(names, "none: "); none && reason != "" {
		return nil
	}
	checks := quoted.FindAllStringSubmatch(names, -1)
	if len(checks) == 0 {
		return fmt.Errorf("neither a check between backquotes nor \"none: reason\" in %q", names)
	}
	for _, m := range checks {
		source, err := sources(tree, path.Dir(m[1]), false)
		if err != nil {
			return err
		}
		if !strings.Contains(source, "// check: "+path.Base(m[1])+"\n") {
			return fmt.Errorf("no mark \"// check: %s\" in %s", path.Base(m[1]), path.Dir(m[1]))
		}
	}
	return nil
}

// sources returns the text of the folder's test files, or of its other Go files.
func sources(tree fs.FS, folder string, tests bool) (string, error) {
	entries, err := fs.ReadDir(tree, folder)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") != tests {
			continue
		}
		text, err := fs.ReadFile(tree, path.Join(folder, e.Name()))
		if err != nil {
			return "", err
		}
		b.WriteString("\n" + strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	return b.String(), nil
}

func TestAFindingNamesWhatHoldsIt(t *testing.T) {
	tree := fstest.MapFS{
		"jwks/get.go":      {Data: []byte("package jwks\n\nfunc f() bool {\n\treturn true // check: redirect\n}\n")},
		"jwks/get_test.go": {Data: []byte("package jwks\n\nfunc TestGet(t *testing.T) { t.Run(\"another host\", nil) }\n")},
	}
	const said = "\n- Situation: a thing\n- Right: no\n  thing\n"
	done := func(tests, neighbours, check string) string {
		return said + "- Tests: " + tests + "\n- Neighbours: " + neighbours + "\n- Adapters: all\n- Check: " + check + "\n"
	}
	for _, c := range []struct {
		name, text string
		open       bool
		want       string // in the error; "": none
	}{
		{"open", said + "- Open\n", true, ""},
		{"done", done("`jwks TestGet`, `jwks TestGet/another_host`", "a; b;\n  c", "`jwks/redirect`"), false, ""},
		{"done without a check", done("`jwks TestGet`", "a; b; c", "none: an answer's text"), false, ""},
		{"neither", said, false, `nor with "Tests"`},
		{"nothing of what is right", "\n- Situation: a thing\n- Open\n", false, `no "Right"`},
		{"a test that is not there", done("`jwks TestPut`", "a; b; c", "`jwks/redirect`"), false, "no function TestPut"},
		{"a subtest that is not there", done("`jwks TestGet/twice`", "a; b; c", "`jwks/redirect`"), false, `say "twice"`},
		{"a folder that is not there", done("`keys TestGet`", "a; b; c", "`jwks/redirect`"), false, "keys"},
		{"two neighbours", done("`jwks TestGet`", "a; b", "`jwks/redirect`"), false, "2 neighbours"},
		{"a check that is not there", done("`jwks TestGet`", "a; b; c", "`jwks/reject`"), false, "// check: reject"},
		{"two under one heading", done("`jwks TestGet`", "a; b; c", "`jwks/redirect`") + said, false, "without a heading"},
		{"no reason for no check", done("`jwks TestGet`", "a; b; c", "none"), false, "reason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			open, err := readFinding(tree, c.text)
			if open != c.open || (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("open %t, error %v; want %t, %q", open, err, c.open, c.want)
			}
		})
	}
	if _, problems := readFindings(tree, "### T2\n"+said+"- Open\n\n### T1\n"+said+"- Open\n"); len(problems) != 1 {
		t.Errorf("a page with two of the entries, turned round: %v", problems)
	}
}
