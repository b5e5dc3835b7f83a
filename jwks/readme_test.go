package jwks_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestDrawingShowsTheStatesOfTheCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, drawing, _ := strings.Cut(string(readme), "```mermaid\n")
	drawing, _, _ = strings.Cut(drawing, "```")
	drawn := map[string]bool{}
	for _, arrow := range regexp.MustCompile(`(\S+) --> ([^\s:]+)`).FindAllStringSubmatch(drawing, -1) {
		for _, state := range arrow[1:] {
			if state != "[*]" {
				drawn[state] = true
			}
		}
	}
	f, err := parser.ParseFile(token.NewFileSet(), "status.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	coded := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "State") {
			name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Error(err)
			}
			coded[name] = true
		}
		return true
	})
	if !maps.Equal(drawn, coded) || len(coded) == 0 {
		t.Errorf("README.md draws %v, status.go has %v", slices.Sorted(maps.Keys(drawn)), slices.Sorted(maps.Keys(coded)))
	}
}
