package house_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// A Go block of a Markdown file names the region of a compiled file that it shows:
//
//	```go file=examples/chi/main.go region=protect
//
// The file is relative to the module, and the region lies between "// region: protect" and "//
// endregion" there; in configurations of servers the marks begin with "#". Blocks of other languages
// may name a region, too. UPDATE=1 rewrites the blocks from the files. A shell block may name only
// what exists.

// fenced starts a block, however deep in a list.
var fenced = regexp.MustCompile("^([ \t]*)```([a-z]+)(.*)$")

// fileRegion is what follows "```go".
var fileRegion = regexp.MustCompile(`^ file=(\S+)(?: region=(\S+))?$`)

func TestREADME(t *testing.T) {
	update := os.Getenv("UPDATE") != ""
	tree := os.DirFS(".")
	for _, name := range committed(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fixed, problems := render(tree, string(text))
		if update && fixed != string(text) {
			if err := os.WriteFile(name, []byte(fixed), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range problems {
			if !update || !errors.Is(p, errStale) {
				t.Errorf("%s:%v", name, p)
			}
		}
	}
}

var errStale = errors.New("the block is not what the file says; UPDATE=1 go test -run README ./internal/house rewrites it")

// render returns the document with each Go block as its file has it, and what is wrong with the
// document as it is.
func render(tree fs.FS, doc string) (fixed string, problems []error) {
	lines := strings.SplitAfter(doc, "\n")
	var b strings.Builder
	for i := 0; i < len(lines); i++ {
		b.WriteString(lines[i])
		m := fenced.FindStringSubmatch(strings.TrimRight(lines[i], "\r\n"))
		if m == nil {
			continue
		}
		end := i + 1
		for end < len(lines) && strings.TrimSpace(lines[end]) != "```" {
			end++
		}
		block := strings.Join(lines[i+1:end], "")
		indent, language, info := m[1], m[2], m[3]
		switch isShown := language == "go" || strings.HasPrefix(info, " file="); {
		case isShown:
			want, err := shownBlock(tree, indent, info)
			if err == nil && want != block {
				err, block = errStale, want
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("%d: %w", i+1, err))
			}
		case slices.Contains([]string{"sh", "bash", "shell", "console"}, language):
			for _, err := range shellBlock(tree, block, language == "console") {
				problems = append(problems, fmt.Errorf("%d: %w", i+1, err))
			}
		}
		b.WriteString(block)
		if i = end; end < len(lines) {
			b.WriteString(lines[end])
		}
	}
	return b.String(), problems
}

// shownBlock returns the text that a block with this info string shows.
func shownBlock(tree fs.FS, indent, info string) (string, error) {
	m := fileRegion.FindStringSubmatch(info)
	if m == nil || indent != "" {
		return "", errors.New("a Go block stands at the margin and starts with ```go file=FILE region=NAME: it is copied from code that compiles")
	}
	text, err := fs.ReadFile(tree, m[1])
	if err != nil {
		return "", err
	}
	if m[2] == "" {
		return string(text), nil
	}
	lines, err := region(string(text), m[2])
	if err != nil {
		return "", fmt.Errorf("%s: %w", m[1], err)
	}
	return strings.Trim(dedent(lines), "\n") + "\n", nil
}

// region returns the lines between the region's marks, without the marks of regions inside.
func region(text, name string) ([]string, error) {
	var lines []string
	depth, found := 0, false
	for line := range strings.Lines(text) {
		mark := strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(mark, "# "); ok {
			mark = "// " + comment
		}
		switch opens := strings.HasPrefix(mark, "// region: "); {
		case depth == 0 && mark == "// region: "+name:
			if found {
				return nil, fmt.Errorf("region %s is there twice", name)
			}
			depth, found = 1, true
		case depth > 0 && opens:
			depth++
		case depth > 0 && mark == "// endregion":
			depth--
		case depth > 0:
			lines = append(lines, line)
		}
	}
	if !found || depth > 0 {
		return nil, fmt.Errorf("no region %s that ends", name)
	}
	return lines, nil
}

// dedent joins the lines without the tabs or spaces that all of them begin with.
func dedent(lines []string) string {
	least := -1
	for _, l := range lines {
		if n := len(l) - len(strings.TrimLeft(l, "\t ")); strings.TrimSpace(l) != "" && (least < 0 || n < least) {
			least = n
		}
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l[min(max(least, 0), len(l)-len(strings.TrimLeft(l, "\t "))):])
	}
	return b.String()
}

var (
	settings = regexp.MustCompile(`^([A-Z_]+=\S* )+`)
	target   = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	chdir    = regexp.MustCompile(`^go (run|test|build) -C (\S+) (\S+)`)
	program  = regexp.MustCompile(`^go (run|test|build) (\./\S*|\.)`)
	getting  = regexp.MustCompile(`^go (get|install) ` + regexp.QuoteMeta(module) + `(/[^@\s]+)?(@\S+)?$`)
)

// useClone makes a clone of this repository what an API builds with, in a folder beside it.
const useClone = "go mod edit -replace " + module + "=../bearward && go mod tidy"

// shellBlock returns what the commands name that does not exist. In a console block, only lines
// that begin with $ are commands.
func shellBlock(tree fs.FS, block string, console bool) (problems []error) {
	continued := false
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		inside := continued
		continued = strings.HasSuffix(line, "\\")
		command, prompt := strings.CutPrefix(line, "$ ")
		command, _, _ = strings.Cut(command, " #")
		if inside || command == "" || strings.HasPrefix(command, "#") || console && !prompt {
			continue
		}
		if err := commandExists(tree, strings.TrimSpace(command)); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func commandExists(tree fs.FS, command string) error {
	command = settings.ReplaceAllString(command, "")
	word, rest, _ := strings.Cut(command, " ")
	if m := chdir.FindStringSubmatch(command); m != nil {
		return folderExists(tree, path.Join(m[2], m[3]))
	}
	if m := program.FindStringSubmatch(command); m != nil {
		return folderExists(tree, path.Clean(m[2]))
	}
	if command == useClone {
		return nil // .ci/newcomer runs it
	}
	if m := getting.FindStringSubmatch(command); m != nil {
		return folderExists(tree, path.Join(".", m[2]))
	}
	switch word {
	case "make":
		makefile, err := fs.ReadFile(tree, "Makefile")
		if err != nil {
			return err
		}
		targets := map[string]bool{}
		for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
			targets[m[1]] = true
		}
		for _, name := range strings.Fields(rest) {
			if !strings.Contains(name, "=") && !targets[name] {
				return fmt.Errorf("make has no target %q; it has %v", name, slices.Sorted(maps.Keys(targets)))
			}
		}
		return nil
	case "bash":
		_, err := fs.Stat(tree, strings.Fields(rest + " .")[0])
		return err
	case "curl", "git", "grpcurl", "npx", "prometheus":
		return nil
	case "bearward":
		main, err := fs.ReadFile(tree, "cmd/bearward/main.go")
		name, _, _ := strings.Cut(rest, " ")
		if err == nil && name != "help" && !strings.Contains(string(main), "\t{\""+name+"\", ") {
			err = fmt.Errorf("bearward has no command %q", name)
		}
		return err
	case "go":
		if strings.HasPrefix(rest, "test ") {
			return nil
		}
	}
	return fmt.Errorf("cannot tell whether %q works: see commandExists in internal/house/readme_test.go", command)
}

func folderExists(tree fs.FS, name string) error {
	name = strings.TrimSuffix(name, "/...")
	if info, err := fs.Stat(tree, name); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no folder", name)
	}
	return nil
}

// The counts that README opens with are not above those of the pages that commands write, and the
// time is where the check of the benchmarks fails.
func TestFiguresOfREADME(t *testing.T) {
	for _, f := range []struct{ claim, page, figure string }{
		{`Over ([0-9]+) security checks`, "internal/mutants/README.md", `(?m)^([0-9]+) checks[.,]`},
		{`Over ([0-9]+) statements`, "internal/conformance/README.md", `(?m)^([0-9]+) of [0-9]+ rows pass`},
	} {
		claimed, fileRegion := figureIn(t, "README.md", f.claim), figureIn(t, f.page, f.figure)
		if claimed > fileRegion {
			t.Errorf("README says %d, and %s %d (%s)", claimed, f.page, fileRegion, f.figure)
		}
	}
	claimed := figureIn(t, "README.md", `at most 1\.([0-9]+) times the time`)
	if checked := figureIn(t, "bench/run/cold.go", `\{"RS256", 1\.[0-9]+, 1\.([0-9]+), `); claimed != checked {
		t.Errorf("README says that a new token takes 1.%d times its signature, and make bench-check fails above 1.%d", claimed, checked)
	}
}

// figureIn returns the number that the pattern finds in a file.
func figureIn(t *testing.T, name, pattern string) int {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has nothing like %s", name, pattern)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRender(t *testing.T) {
	tree := fstest.MapFS{
		"nginx.conf":           {Data: []byte("server {\n    # region: on\n    gzip on;\n    # endregion\n}\n")},
		"cmd/bearward/main.go": {Data: []byte("\t{\"dev\", \"\", runDev},\n")},
		"Makefile":             {Data: []byte("test: unit ## all\n")},
		"examples/a/main.go":   {Data: []byte("package main\n\nfunc main() {\n\t// region: six\n\tif x {\n\t\t// region: in\n\t\ty()\n\t\t// endregion\n\t}\n\t// endregion\n}\n\n// region: apart\n\nfunc z() {}\n\n// endregion\n")},
	}
	block := func(info, body string) string { return "Text.\n\n```" + info + "\n" + body + "```\nMore.\n" }
	six := "if x {\n\ty()\n}\n"
	for _, c := range []struct {
		name, doc, fixed, problem string
	}{
		{"a block as in the file", block("go file=examples/a/main.go region=six", six), "", ""},
		{"a region with empty lines around", block("go file=examples/a/main.go region=apart", "func z() {}\n"), "", ""},
		{"a region inside a region", block("go file=examples/a/main.go region=in", "y()\n"), "", ""},
		{"a block that has drifted", block("go file=examples/a/main.go region=six", "if z {\n"), block("go file=examples/a/main.go region=six", six), "3: the block is not what"},
		{"a block without a file", block("go", six), "", "starts with ```go file="},
		{"a block in a list", "- Text.\n\n  ```go file=examples/a/main.go region=in\n  y()\n  ```\n", "", "stands at the margin"},
		{"a region that is not there", block("go file=examples/a/main.go region=seven", six), "", "no region seven"},
		{"a file that is not there", block("go file=examples/b/main.go region=six", six), "", "examples/b/main.go"},
		{"a target that exists", block("sh", "make test\n"), "", ""},
		{"a target after a setting", block("sh", "FUZZTIME=1s make test\n"), "", ""},
		{"a target that does not", block("sh", "make tea\n"), "", `no target "tea"`},
		{"an example that exists", block("sh", "go run -C examples ./a -check # comment\n"), "", ""},
		{"an example that does not", block("sh", "go run -C examples ./b\n"), "", "examples/b"},
		{"a package that does not exist", block("sh", "go get "+module+"/nowhere\n"), "", "nowhere"},
		{"a command of bearward", block("sh", "bearward dev token\n"), "", ""},
		{"one that it lacks", block("sh", "bearward serve\n"), "", `bearward has no command "serve"`},
		{"a command that nobody checks", block("sh", "rm -rf x\n"), "", "cannot tell"},
		{"output in a console block", block("console", "$ make test\nok everything\n"), "", ""},
		{"another language", block("json", "{}\n"), "", ""},
		{"another language, as in the file", block("nginx file=nginx.conf region=on", "gzip on;\n"), "", ""},
		{"another language, that has drifted", block("nginx file=nginx.conf region=on", "gzip off;\n"), block("nginx file=nginx.conf region=on", "gzip on;\n"), "3: the block is not what"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.fixed == "" {
				c.fixed = c.doc
			}
			fixed, problems := render(tree, c.doc)
			if fixed != c.fixed {
				t.Errorf("got %q, want %q", fixed, c.fixed)
			}
			if got := fmt.Sprint(problems); (c.problem == "") != (len(problems) == 0) || !strings.Contains(got, c.problem) {
				t.Errorf("got problems %s, want %q", got, c.problem)
			}
		})
	}
}

// What a newcomer copies for two issuers, opaque tokens, metrics and logs is ten lines at most.
func TestTheBlocksOfREADMEAreShort(t *testing.T) {
	const most = 10
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range []string{"route", "issuers", "opaque", "metrics", "logs"} {
		_, block, ok := strings.Cut(string(text), " region="+region+"\n")
		block, _, _ = strings.Cut(block, "```")
		if n := strings.Count(block, "\n"); !ok || n == 0 || n > most {
			t.Errorf("the block %q has %d lines, at most %d", region, n, most)
		}
	}
}
