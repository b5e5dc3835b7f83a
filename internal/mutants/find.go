package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A mutant is a check that can be removed while a test runs.
type mutant struct {
	name string
	file string // relative to the module, with slashes
	line int
}

// marker is the comment that marks a check.
var marker = regexp.MustCompile(`^// check: ([a-z0-9-]+)$`)

// find returns the mutants of the rooms' non-test files, in order of file and line, and the files
// as they must be built for each mutant to be there, by their name relative to the module. A
// mutant's name is its folder's and its marker's, such as "middleware/token-size", and belongs to
// one place. Each of the replacements must belong to a mark. A room that is not there holds no
// checks.
func find(module string, rooms []string, replacements map[string]string) ([]mutant, map[string][]byte, error) {
	var found []mutant
	built := map[string][]byte{}
	at := map[string]mutant{}
	for _, room := range rooms {
		err := filepath.WalkDir(filepath.Join(module, room), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) && name == filepath.Join(module, room) {
					return nil
				}
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			rel, err := filepath.Rel(module, name)
			if err != nil {
				return err
			}
			rel = filepath.ToSlash(rel)
			src, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			some, mutated, err := inFile(rel, src, replacements)
			if err != nil {
				return err
			}
			for _, m := range some {
				if first, twice := at[m.name]; twice {
					return fmt.Errorf("%s:%d: check %q is already at %s:%d", m.file, m.line, m.name, first.file, first.line)
				}
				at[m.name] = m
			}
			if len(some) > 0 {
				built[rel] = mutated
			}
			found = append(found, some...)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	for name := range replacements {
		if _, marked := at[name]; !marked {
			return nil, nil, fmt.Errorf("replacements.go: no mark \"// check: %s\" in a file of %s", path.Base(name), path.Dir(name))
		}
	}
	slices.SortStableFunc(found, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	return found, built, nil
}

// An edit replaces a part of a file.
type edit struct {
	from, to int // byte offsets
	text     string
}

// inFile returns the mutants of one file, and its source with each of them built in. Lines keep
// their numbers.
func inFile(name string, src []byte, replacements map[string]string) ([]mutant, []byte, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	var found []mutant
	offset := func(p token.Pos) int { return files.Position(p).Offset }
	edits := []edit{{offset(f.Name.End()), offset(f.Name.End()), `; import "` + mutantPackage + `"`}}
	for _, group := range f.Comments {
		for _, c := range group.List {
			match := marker.FindStringSubmatch(c.Text)
			if match == nil {
				if strings.HasPrefix(c.Text, "// check:") {
					return nil, nil, fmt.Errorf("%s: %q is not of the form \"// check: name\"", files.Position(c.Pos()), c.Text)
				}
				continue
			}
			m := mutant{name: path.Join(path.Dir(name), match[1]), file: name, line: files.Position(c.Pos()).Line}
			some, err := m.edits(files, f, src, c, replacements[m.name])
			if err != nil {
				return nil, nil, fmt.Errorf("%s: check %s: %w", files.Position(c.Pos()), m.name, err)
			}
			edits = append(edits, some...)
			found = append(found, m)
		}
	}
	return found, apply(src, edits), nil
}

// edits returns what builds m in: code in the place of a comment that stands alone, and otherwise a
// change of the condition, the returned value or the statement that ends on the comment's line.
func (m mutant) edits(files *token.FileSet, f *ast.File, src []byte, c *ast.Comment, code string) ([]edit, error) {
	on := fmt.Sprintf("mutant.On(%q)", m.name)
	offset := func(p token.Pos) int { return files.Position(p).Offset }
	start := offset(c.Pos())
	if alone := len(bytes.TrimSpace(src[bytes.LastIndexByte(src[:start], '\n')+1:start])) == 0; alone {
		if code == "" {
			return nil, fmt.Errorf("a mark on a line of its own needs code in replacements.go")
		}
		return []edit{{start, offset(c.End()), "if " + on + " { " + code + " }"}}, nil
	}
	around := func(n ast.Node, before, after string) []edit {
		return []edit{{offset(n.Pos()), offset(n.Pos()), before}, {offset(n.End()), offset(n.End()), after}}
	}
	choose := func(n ast.Expr, byDefault string) []edit {
		if code != "" {
			return around(n, fmt.Sprintf("%s && (%s) || !%s && (", on, code, on), ")")
		}
		return around(n, "(", byDefault) // the mutant counts as reached only where it makes a difference
	}
	switch n := marked(files, f, m.line).(type) {
	case *ast.IfStmt:
		return choose(n.Cond, ") && !"+on), nil
	case *ast.CaseClause:
		return choose(n.List[0], ") && !"+on), nil
	case *ast.ReturnStmt:
		return choose(n.Results[0], ") || "+on), nil
	case ast.Stmt:
		return around(n, "if "+on+" { "+code+" } else { ", " }"), nil
	}
	return nil, fmt.Errorf("no condition, return of one value or statement ends on this line")
}

// marked returns the node that a marker at the end of a line is about, the innermost when several
// end there; nil when there is none.
func marked(files *token.FileSet, f *ast.File, line int) ast.Node {
	lineOf := func(p token.Pos) int { return files.Position(p).Line }
	var found ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			if lineOf(n.Body.Lbrace) == line {
				found = n
			}
		case *ast.CaseClause:
			if len(n.List) == 1 && lineOf(n.Colon) == line {
				found = n
			}
		case *ast.ReturnStmt:
			if len(n.Results) == 1 && lineOf(n.End()) == line {
				found = n
			}
		case *ast.ExprStmt, *ast.AssignStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt:
			_, taken := found.(*ast.IfStmt) // the statement is then a part of the if
			if !taken && lineOf(n.End()) == line && lineOf(n.Pos()) == line {
				found = n
			}
		}
		return true
	})
	return found
}

// apply returns src with the edits made.
func apply(src []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var b bytes.Buffer
	done := 0
	for _, e := range edits {
		b.Write(src[done:e.from])
		b.WriteString(e.text)
		done = e.to
	}
	b.Write(src[done:])
	return b.Bytes()
}
