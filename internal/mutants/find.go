package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A mutant is a check that can be removed while a test runs.
type mutant struct {
	name string
	file string // relative to the module, with slashes
	line int
}

// form is a room, then what is removed: "middleware/signature".
var form = regexp.MustCompile(`^[a-z0-9]+(/[a-z0-9-]+)+$`)

// find returns the mutants of the rooms' non-test files, in order of file and line. A name that is not a literal, is of another
// form or is used twice is an error: each check has a mutant of its own.
func find(module string, rooms []string) ([]mutant, error) {
	var found []mutant
	at := map[string]mutant{}
	for _, room := range rooms {
		err := filepath.WalkDir(filepath.Join(module, room), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			some, err := inFile(module, name)
			if err != nil {
				return err
			}
			for _, m := range some {
				if first, twice := at[m.name]; twice {
					return fmt.Errorf("%s:%d: mutant %q is already at %s:%d", m.file, m.line, m.name, first.file, first.line)
				}
				at[m.name] = m
			}
			found = append(found, some...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(found, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	return found, nil
}

// inFile returns the mutants of one file.
func inFile(module, name string) ([]mutant, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	local := importedAs(f, "/internal/mutant")
	if local == "" {
		return nil, nil
	}
	rel, err := filepath.Rel(module, name)
	if err != nil {
		return nil, err
	}
	var found []mutant
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || err != nil || !isOn(call.Fun, local) {
			return err == nil
		}
		m := mutant{file: filepath.ToSlash(rel), line: files.Position(call.Pos()).Line}
		if len(call.Args) == 1 {
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				m.name, _ = strconv.Unquote(lit.Value)
			}
		}
		if !form.MatchString(m.name) {
			err = fmt.Errorf("%s:%d: a mutant's name is a literal such as \"middleware/signature\"", m.file, m.line)
			return false
		}
		found = append(found, m)
		return true
	})
	return found, err
}

// importedAs returns the name under which f imports the package whose path ends in suffix, or "".
func importedAs(f *ast.File, suffix string) string {
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !strings.HasSuffix(p, suffix) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(p)
	}
	return ""
}

func isOn(fun ast.Expr, local string) bool {
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "On" {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == local
}
