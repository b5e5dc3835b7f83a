package house_test

import (
	"fmt"
	"go/types"
	"os"
	"slices"
	"strings"
	"testing"
)

// surfaceFile lists everything that the modules export, a line each. A change of it is a change of
// the promise that goes with the version: it shows in the diff, and UPDATE=1 go test -run Surface
// ./internal/house makes it.
const surfaceFile = "internal/house/api.txt"

func TestSurface(t *testing.T) {
	var lines []string
	for p, r := range mustListPublic(t) {
		pkg, err := r.importer.Import(p.ImportPath)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range surface(pkg) {
			lines = append(lines, p.room()+": "+line)
		}
	}
	slices.Sort(lines)

	got := strings.Join(lines, "\n") + "\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(surfaceFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	golden, err := os.ReadFile(surfaceFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(golden), "\n"), "\n")
	for _, line := range lines {
		if !slices.Contains(want, line) {
			t.Errorf("new, and not in %s: %s", surfaceFile, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("in %s, and gone: %s", surfaceFile, line)
		}
	}
}

// What is walled in by TestJWXStaysInThreeFiles does not come out through a door: no package of the
// root module, internal ones included, has a type of jwx in what it exports.
func TestNoPackageExportsATypeOfJWX(t *testing.T) {
	c, asked := mustCompiler(t), 0
	for path, p := range mustList(t) {
		room, ours := p.room()
		if !ours || p.Name == "main" || p.Export == "" {
			continue
		}
		pkg, err := c.importer.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		asked++
		for _, line := range surface(pkg) {
			if strings.Contains(line, "lestrrat-go") {
				t.Errorf("%s: a type of jwx is exported: %s", room, line)
			}
		}
	}
	if asked < 8 {
		t.Errorf("only %d packages were read", asked)
	}
}

// surface returns a line for every exported name of the package, with exported fields and methods.
func surface(pkg *types.Package) (lines []string) {
	names := func(other *types.Package) string {
		if other == pkg {
			return ""
		}
		return strings.TrimPrefix(other.Path(), module+"/")
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		switch obj := obj.(type) {
		case *types.Const:
			add("%s = %s", types.ObjectString(obj, names), obj.Val())
		case *types.TypeName:
			if obj.IsAlias() {
				add("%s", types.ObjectString(obj, names))
				continue
			}
			addType(add, obj, names)
		default:
			add("%s", types.ObjectString(obj, names))
		}
	}
	return lines
}

func addType(add func(string, ...any), obj *types.TypeName, names types.Qualifier) {
	is := types.TypeString(obj.Type(), names)
	switch under := obj.Type().Underlying().(type) {
	case *types.Struct:
		add("type %s struct", is)
		for f := range under.Fields() {
			if f.Exported() {
				add("field (%s) %s %s", is, f.Name(), types.TypeString(f.Type(), names))
			}
		}
	case *types.Interface:
		addInterface(add, is, under, names)
		return
	default:
		add("type %s %s", is, types.TypeString(under, names))
	}

	for method := range types.NewMethodSet(types.NewPointer(obj.Type())).Methods() {
		fn := method.Obj().(*types.Func)
		if !fn.Exported() {
			continue
		}
		receiver := is
		if _, pointer := fn.Signature().Recv().Type().(*types.Pointer); pointer {
			receiver = "*" + is
		}
		signature, _ := strings.CutPrefix(types.TypeString(fn.Signature(), names), "func")
		add("method (%s) %s%s", receiver, fn.Name(), signature)
	}
}

// addInterface lists the methods of an interface. Those of an exported one that it embeds stand
// there.
func addInterface(add func(string, ...any), is string, of *types.Interface, names types.Qualifier) {
	var embeds string
	embedded := map[string]bool{}
	for e := range of.EmbeddedTypes() {
		if named, ok := e.(*types.Named); !ok || !named.Obj().Exported() {
			continue // what it declares stands here
		}
		embeds += " embeds " + types.TypeString(e, names)
		if e, ok := e.Underlying().(*types.Interface); ok {
			for m := range e.Methods() {
				embedded[m.Name()] = true
			}
		}
	}
	add("type %s interface%s", is, embeds)
	for m := range of.Methods() {
		if m.Exported() && !embedded[m.Name()] {
			signature, _ := strings.CutPrefix(types.TypeString(m.Signature(), names), "func")
			add("method (%s) %s%s", is, m.Name(), signature)
		}
	}
}
