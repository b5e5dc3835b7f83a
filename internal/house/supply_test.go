package house_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What openvex.json says about jwx is so: encrypted tokens cannot be read, since that package is
// not linked, and no signed message is parsed by it.
func TestWhatIsSaidOfJWXsAdvisoriesIsSo(t *testing.T) {
	text, err := os.ReadFile(".github/openvex.json")
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Context    string `json:"@context"`
		Statements []struct {
			Vulnerability struct{ Name, Description string }
			Products      []struct {
				ID            string `json:"@id"`
				Subcomponents []struct {
					ID string `json:"@id"`
				}
			}
			Status, Justification string
		}
	}
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	linked, used := linkedOfJWX(t), usedOfJWX(t)
	if len(said.Statements) == 0 || said.Context != "https://openvex.dev/ns/v0.2.0" {
		t.Errorf("%d statements by %s", len(said.Statements), said.Context)
	}
	for _, s := range said.Statements {
		name := s.Vulnerability.Name
		if len(s.Products) != 1 || s.Products[0].ID != "pkg:golang/"+module || len(s.Products[0].Subcomponents) != 1 || s.Products[0].Subcomponents[0].ID != "pkg:golang/"+jwx {
			t.Errorf("%s: of %v", name, s.Products)
		}
		if s.Status != "not_affected" {
			t.Errorf("%s: status %s, which this test cannot hold", name, s.Status)
		}
		switch s.Justification {
		case "vulnerable_code_not_present": // that of JWE
			if !strings.Contains(s.Vulnerability.Description, "JWE") || slices.Contains(linked, jwx+"/jwe") {
				t.Errorf("%s: %s is linked: %v", name, jwx+"/jwe", linked)
			}
		case "vulnerable_code_not_in_execute_path": // that of jws.Parse
			for _, selector := range used {
				if !slices.Contains([]string{"jws.NewVerifier", "jws.Verifier", "jws.NewSigner", "jws.Signer", "jwa.SignatureAlgorithm"}, selector) {
					t.Errorf("%s: %s is used", name, selector)
				}
			}
		default:
			t.Errorf("%s: justification %s", name, s.Justification)
		}
	}
	if !slices.Contains(used, "jws.NewVerifier") || !slices.Contains(linked, jwx+"/jws") {
		t.Errorf("linked are %v, used are %v: this test looks past jwx", linked, used)
	}
}

// linkedOfJWX are the packages of jwx that the root module links.
func linkedOfJWX(t *testing.T) (all []string) {
	for path, p := range mustList(t) {
		if p.Module != nil && p.Module.Path == jwx {
			all = append(all, path)
		}
	}
	return all
}

// usedOfJWX are the names of jwx that the root module's own code uses, as "jws.NewVerifier".
func usedOfJWX(t *testing.T) (all []string) {
	for _, name := range committed(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "bench/") || strings.HasPrefix(name, "examples/") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var imported []string
		for _, spec := range f.Imports {
			if at := strings.Trim(spec.Path.Value, `"`); strings.HasPrefix(at, jwx+"/") {
				if spec.Name != nil {
					t.Errorf("%s imports %s under another name", name, at)
				}
				imported = append(imported, path.Base(at))
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := s.X.(*ast.Ident); ok && slices.Contains(imported, id.Name) {
					all = append(all, id.Name+"."+s.Sel.Name)
				}
			}
			return true
		})
	}
	return all
}

// Newer dependencies are proposed for every module and every package.json, and actions are named by
// the hash of what was looked at.
func TestDependenciesAreWatched(t *testing.T) {
	text, err := os.ReadFile(".github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range committed(t) {
		if base := path.Base(name); base == "go.mod" || base == "package.json" {
			folder := path.Join("/", path.Dir(name))
			if !regexp.MustCompile(`(?m)^ +- ` + regexp.QuoteMeta(folder) + `$`).Match(text) {
				t.Errorf("dependabot.yml does not name %s, which has a %s", folder, base)
			}
		}
	}
	workflow, err := os.ReadFile(".github/workflows/ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	uses := regexp.MustCompile(`uses: (\S+)(.*)`).FindAllStringSubmatch(string(workflow), -1)
	if len(uses) == 0 {
		t.Error("ci.yml uses no action")
	}
	for _, use := range uses {
		if !regexp.MustCompile(`^[\w.-]+/[\w.-]+@[0-9a-f]{40}$`).MatchString(use[1]) || !regexp.MustCompile(`^ # v\d+\.\d+\.\d+$`).MatchString(use[2]) {
			t.Errorf("ci.yml: %s%s: want a hash, and the version beside it", use[1], use[2])
		}
	}
}
