package jwks_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bearward/bearward/jwks"
)

// constants returns the values of the package's constants of one type, in the order of the source.
func constants(t *testing.T, typ string) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == typ && len(v.Values) == 1 {
				text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, text)
			}
			return true
		})
	}
	return all
}

func TestListsNameEveryConstant(t *testing.T) {
	for typ, listed := range map[string]any{"State": jwks.States(), "Trigger": jwks.Triggers(), "SkipReason": jwks.SkipReasons()} {
		want := constants(t, typ)
		if got := fmt.Sprint(listed); len(want) < 5 || got != fmt.Sprint(want) {
			t.Errorf("%s: listed %v, want %v", typ, got, want)
		}
	}
	jwks.States()[0] = "changed" // a caller's copy
	if jwks.States()[0] == "changed" {
		t.Error("a caller can change the list of states")
	}
}
