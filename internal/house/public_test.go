package house_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// mustListPublic returns the packages that users import, of all modules, each with what reads it.
func mustListPublic(t *testing.T) map[*public]*reader {
	t.Helper()
	all, err := listAllPublic()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var listAllPublic = sync.OnceValues(func() (map[*public]*reader, error) {
	dirs, err := modules()
	if err != nil {
		return nil, err
	}
	all := map[*public]*reader{}
	for _, dir := range dirs {
		if strings.HasPrefix(filepath.ToSlash(dir), "internal/") {
			continue // it has none
		}
		r, pkgs, err := listPublic(dir)
		if err != nil {
			return nil, err
		}
		if len(pkgs) == 0 {
			return nil, fmt.Errorf("module %s has no public package", dir)
		}
		for _, p := range pkgs {
			all[p] = r
		}
	}
	return all, nil
})

// modules returns the folders of the root module and of those that are nested in it and meant for
// users.
func modules() (dirs []string, err error) {
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "examples" || name == "bench" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != "."):
			return fs.SkipDir
		case d.Name() == "go.mod":
			dirs = append(dirs, filepath.Dir(name))
		}
		return nil
	})
	return dirs, err
}

// A public package is what go list says of one that users import.
type public struct {
	Dir, ImportPath, Name              string
	GoFiles, TestGoFiles, XTestGoFiles []string
	TestImports, XTestImports          []string
}

// room returns the package's folder in the repository.
func (p *public) room() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// A reader reads the packages of a module.
type reader struct {
	files    *token.FileSet
	importer types.Importer
}

// listPublic returns the public packages of the module in dir, and what reads them.
func listPublic(dir string) (*reader, []*public, error) {
	var pkgs []*public
	imports := map[string]bool{}
	err := eachListed(&pkgs, "list", "-C", dir, "-json=Dir,ImportPath,Name,GoFiles,TestGoFiles,XTestGoFiles,TestImports,XTestImports", "./...")
	if err != nil {
		return nil, nil, err
	}
	pkgs = slices.DeleteFunc(pkgs, func(p *public) bool {
		path := p.ImportPath + "/"
		return p.Name == "main" || len(p.GoFiles) == 0 || p.ImportPath == module || strings.Contains(path, "/internal/")
	})
	for _, p := range pkgs {
		imports[p.ImportPath] = true
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			imports[path] = true
		}
	}
	args := []string{"list", "-C", dir, "-deps", "-export", "-json=ImportPath,Export"}
	for path := range imports {
		args = append(args, path)
	}
	var built []*listed
	if err := eachListed(&built, args...); err != nil {
		return nil, nil, err
	}
	exports := map[string]string{}
	for _, b := range built {
		exports[b.ImportPath] = b.Export
	}
	files := token.NewFileSet()
	return &reader{files, importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, os.ErrNotExist
		}
		return os.Open(exports[path])
	})}, pkgs, nil
}

// eachListed appends to all what the go command prints.
func eachListed[T any](all *[]*T, args ...string) error {
	out, err := output("go", args...)
	if err != nil {
		return err
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(T)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		*all = append(*all, p)
	}
}
