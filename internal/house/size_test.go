package house_test

import (
	"cmp"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The top folder is what a visitor sees first.
func TestTheTopFolderIsShort(t *testing.T) {
	const most = 21
	var top []string
	for _, name := range committed(t) {
		name, _, _ = strings.Cut(name, "/")
		top = append(top, name)
	}
	slices.Sort(top)
	if top = slices.Compact(top); len(top) > most {
		t.Errorf("%d entries, at most %d: %s", len(top), most, strings.Join(top, " "))
	}
}

// The one public package is learned as a whole: its names have a budget.
func TestThePublicPackageHasABudgetOfNames(t *testing.T) {
	const most = 260
	api, err := os.ReadFile(surfaceFile)
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for line := range strings.Lines(string(api)) {
		if strings.HasPrefix(line, "middleware: ") {
			names++
		}
	}
	if names == 0 || names > most {
		t.Errorf("%s has %d names of middleware, at most %d", surfaceFile, names, most)
	}
}

// Comments wrap at 100 columns; `make fmt-comments` wraps them. Those that do not yet become fewer:
// lower the share when they have.
func TestCommentsWrap(t *testing.T) {
	const columns, mostPerMille = 100, 10
	lines, long := 0, 0
	byFile := map[string]int{}
	for _, name := range committed(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".pb.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Split(string(src), "\n")
		for _, group := range f.Comments {
			for _, c := range group.List {
				line := text[files.Position(c.Pos()).Line-1]
				if isOutput(c.Text) {
					break // it is compared with what runs
				}
				if !strings.HasPrefix(strings.TrimSpace(line), "//") || isDirective(c.Text) || isBlock(c.Text) {
					continue // at the end of a line of code, or read by a tool, or a table or code
				}
				lines++
				if utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")) > columns {
					long++
					byFile[name]++
				}
			}
		}
	}
	share := 1000 * long / max(lines, 1)
	t.Logf("%d of %d lines of comments are above %d columns: %d per mille", long, lines, columns, share)
	if share > mostPerMille {
		worst := slices.SortedFunc(maps.Keys(byFile), func(a, b string) int { return cmp.Compare(byFile[b], byFile[a]) })
		t.Errorf("at most %d may be; most are in %v", mostPerMille, worst[:min(10, len(worst))])
	}
}

// isDirective reports whether a tool reads the comment, so that it cannot be wrapped.
func isDirective(comment string) bool {
	return strings.HasPrefix(comment, "//go:") || strings.HasPrefix(comment, "//lint:")
}

// isOutput reports whether the comment, and all that follows in its group, is what an example
// prints.
func isOutput(comment string) bool {
	comment = strings.ToLower(comment)
	return strings.HasPrefix(comment, "// output:") || strings.HasPrefix(comment, "// unordered output:")
}

// isBlock reports whether the comment is a line of code or of a table.
func isBlock(comment string) bool { return strings.HasPrefix(comment, "//\t") }
