package house_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unshown are the exported functions and methods that no example has to show, each with the reason.
var unshown = map[string]string{
	"adapters/chiauth.Router.Connect": "is Get for another method, one that APIs hardly have",
	"adapters/chiauth.Router.Trace":   "is Get for another method, one that APIs hardly have",
}

// implied are methods that other code calls by an interface of the standard library: no user writes
// the call.
var implied = []string{"Error", "Format", "String", "Unwrap", "LogValue", "MarshalJSON", "MarshalText", "ServeHTTP"}

// TestDocumented reads every public package of every module as a documentation site does: each
// exported name has a comment, and each exported function and method is called by an example that
// runs. A function's example stands where a reader looks for it: under its own name, or under the
// type that it returns.
func TestDocumented(t *testing.T) {
	excused := map[string]bool{}
	for p, r := range mustListPublic(t) {
		d, err := r.read(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range d.undocumented() {
			t.Errorf("%s: %s has no comment", p.room(), name)
		}
		for _, name := range d.unshown() {
			if name := p.room() + "." + name; unshown[name] == "" {
				t.Errorf("%s: no example with an output shows it", name)
			} else {
				excused[name] = true
			}
		}
	}
	for name := range unshown {
		if !excused[name] {
			t.Errorf("%s is excused, and needs no excuse", name)
		}
	}
}

// A docPackage is a package as it is documented.
type docPackage struct {
	doc    *doc.Package
	pkg    *types.Package
	called map[string][]string // by the name of an example with an output: the functions and methods that it calls
}

// read parses the package and its tests, and looks what the examples call.
func (r *reader) read(p *public) (*docPackage, error) {
	parse := func(names []string) (files []*ast.File, err error) {
		for _, name := range names {
			f, err := parser.ParseFile(r.files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
		return files, nil
	}
	code, err := parse(p.GoFiles)
	if err != nil {
		return nil, err
	}
	tests, err := parse(p.XTestGoFiles)
	if err != nil {
		return nil, err
	}
	d := &docPackage{called: map[string][]string{}}
	if d.pkg, err = r.importer.Import(p.ImportPath); err != nil {
		return nil, err
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: r.importer, Error: func(error) {}} // what only the package's own tests export is not there
	_, _ = conf.Check(p.ImportPath+"_test", r.files, tests, info)
	for _, e := range doc.Examples(tests...) {
		if e.Output == "" && !e.EmptyOutput {
			continue
		}
		ast.Inspect(e.Code, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if fn, ok := info.Uses[id].(*types.Func); ok && fn.Pkg() != nil && fn.Pkg().Path() == p.ImportPath {
					d.called[e.Name] = append(d.called[e.Name], nameOf(fn.Origin()))
				}
			}
			return true
		})
	}
	d.doc, err = doc.NewFromFiles(r.files, code, p.ImportPath)
	return d, err
}

// nameOf returns "Func" or "Type.Method".
func nameOf(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if recv == nil {
		return fn.Name()
	}
	of := recv.Type()
	if p, ok := of.(*types.Pointer); ok {
		of = p.Elem()
	}
	if named, ok := of.(*types.Named); ok {
		return named.Obj().Name() + "." + fn.Name()
	}
	return fn.Name()
}

// undocumented returns the exported names that no comment explains.
func (d *docPackage) undocumented() (names []string) {
	if strings.TrimSpace(d.doc.Doc) == "" {
		names = append(names, "the package")
	}
	values := func(groups []*doc.Value) {
		for _, g := range groups {
			for _, spec := range g.Decl.Specs {
				v := spec.(*ast.ValueSpec)
				if v.Doc.Text()+v.Comment.Text() != "" || g.Doc != "" {
					continue
				}
				for _, id := range v.Names {
					if id.IsExported() {
						names = append(names, id.Name)
					}
				}
			}
		}
	}
	funcs := func(of string, all []*doc.Func) {
		for _, f := range all {
			if f.Doc == "" {
				names = append(names, of+f.Name)
			}
		}
	}
	values(d.doc.Consts)
	values(d.doc.Vars)
	funcs("", d.doc.Funcs)
	for _, typ := range d.doc.Types {
		if typ.Doc == "" {
			names = append(names, typ.Name)
		}
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs)
		funcs(typ.Name+".", typ.Methods)
		names = append(names, membersOf(typ)...)
	}
	return names
}

// membersOf returns the exported fields, and methods of an interface, that no comment explains.
func membersOf(typ *doc.Type) (names []string) {
	for _, spec := range typ.Decl.Specs {
		var list *ast.FieldList
		switch t := spec.(*ast.TypeSpec).Type.(type) {
		case *ast.StructType:
			list = t.Fields
		case *ast.InterfaceType:
			list = t.Methods
		default:
			continue
		}
		for _, f := range list.List {
			for _, id := range f.Names {
				if id.IsExported() && f.Doc.Text()+f.Comment.Text() == "" {
					names = append(names, typ.Name+"."+id.Name)
				}
			}
		}
	}
	return names
}

// unshown returns the exported functions, and methods of exported types, that no example with an
// output calls.
func (d *docPackage) unshown() (names []string) {
	for _, name := range d.pkg.Scope().Names() {
		obj := d.pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		switch obj := obj.(type) {
		case *types.Func:
			if !d.isShown(obj) {
				names = append(names, name)
			}
		case *types.TypeName:
			named, ok := obj.Type().(*types.Named)
			if !ok || obj.IsAlias() || types.IsInterface(named) {
				continue // the methods of an interface are others' to call
			}
			for m := range named.Methods() {
				if m.Exported() && !slices.Contains(implied, m.Name()) && !d.isCalled(nameOf(m), "") {
					names = append(names, nameOf(m))
				}
			}
		}
	}
	return names
}

// isShown reports whether an example calls fn where a reader looks for it.
func (d *docPackage) isShown(fn *types.Func) bool {
	if d.isCalled(fn.Name(), fn.Name()) {
		return true
	}
	for v := range fn.Signature().Results().Variables() {
		of := v.Type()
		if p, ok := of.(*types.Pointer); ok {
			of = p.Elem()
		}
		if named, ok := of.(*types.Named); ok && named.Obj().Pkg() == d.pkg && d.isCalled(fn.Name(), named.Obj().Name()) {
			return true
		}
	}
	return false
}

// isCalled reports whether an example of name, or of a method or variant of it, calls what; name ""
// is any.
func (d *docPackage) isCalled(what, name string) bool {
	for example, called := range d.called {
		if (name == "" || example == name || strings.HasPrefix(example, name+"_")) && slices.Contains(called, what) {
			return true
		}
	}
	return false
}

// A reader that finds no fault in anything would say so of the worst package, too.
func TestDocumentedFindsFaults(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"m/m.go": `package m

type T struct {
	A, B string // explained
	C    string
}

func New() *T { return nil }

// Old is explained.
func Old() {}

// M is explained, and shown.
func (*T) M() {}

// N is explained.
func (*T) N() {}

const X = 1

// Explained.
const (
	Y = 2
	Z = 3
)

// I is explained.
type I interface{ Do() }
`,
		"m/m_test.go": `package m_test

import "example.com/m/m"

func ExampleT() {
	m.New().M()
	// Output:
}

func ExampleOld() {
	m.Old() // has no output: it is compiled, and never run
}

func ExampleI() {
	m.New().N()
}
`,
	} {
		if err := os.MkdirAll(filepath.Join(dir, "m"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, pkgs, err := listPublic(dir)
	if err != nil || len(pkgs) != 1 {
		t.Fatalf("%d packages, %v", len(pkgs), err)
	}
	d, err := r.read(pkgs[0])
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(d.undocumented(), d.unshown())
	if want := "[the package X I.Do T New T.C] [Old T.N]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
