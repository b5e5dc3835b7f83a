// Package house_test holds the rules of the house: who may import whom, what the module requires,
// what does not compile, what the API is, and that the documentation shows code that exists. Its
// tests run at the top of the repository.
package house_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

const (
	module = "github.com/bearward/bearward"
	jwx    = "github.com/lestrrat-go/jwx/v2"
)

// A listed package is what go list says of one.
type listed struct {
	ImportPath, Name, Export                 string
	Imports, TestImports, XTestImports, Deps []string
	Module                                   *struct{ Path string }
}

// room returns the package's folder in the repository, and whether it is one of the repository's.
func (p *listed) room() (string, bool) {
	if p.Module == nil || !strings.HasPrefix(p.Module.Path+"/", module+"/") {
		return "", false
	}
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/"), true
}

// packages returns the root module's packages and everything they need, by import path.
var packages = sync.OnceValues(func() (map[string]*listed, error) {
	return list(".", "-deps", "-export", "-json=ImportPath,Name,Export,Imports,TestImports,XTestImports,Deps,Module")
})

// everyPackage returns the packages of all modules that users import from, and everything they
// need, by import path.
var everyPackage = sync.OnceValues(func() (map[string]*listed, error) {
	dirs, err := modules()
	if err != nil {
		return nil, err
	}
	every := map[string]*listed{}
	for _, dir := range dirs {
		all, err := list(dir, "-deps", "-json=ImportPath,Name,Imports,TestImports,XTestImports,Deps,Module")
		if err != nil {
			return nil, err
		}
		maps.Copy(every, all)
	}
	return every, nil
})

func list(dir string, flags ...string) (map[string]*listed, error) {
	out, err := output("go", slices.Concat([]string{"list", "-C", dir}, flags, []string{"./..."})...)
	if err != nil {
		return nil, err
	}
	all := map[string]*listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(listed)
		if err := dec.Decode(p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
}

func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = new(bytes.Buffer)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, cmd.Stderr)
	}
	return out, nil
}

func mustList(t *testing.T) map[string]*listed {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustListEvery(t *testing.T) map[string]*listed {
	t.Helper()
	all, err := everyPackage()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A rule says which rooms of this module the code of a room, and its tests, may import. A room is a
// folder, or all folders right below one ("adapters/*"). What is nil is not restricted.
type rule struct {
	room        string
	code, tests []string
}

var rules = []rule{
	{room: "internal/fetch", code: []string{}},
	{room: "internal/jose", code: []string{}},
	{room: "internal/peer", code: []string{}},
	{room: "internal/steps", code: []string{}},
	{room: "internal/tokencache", code: []string{}},
	{room: "jwks", code: []string{"internal/fetch", "internal/jose"}},
	{room: "middleware", code: []string{"jwks", "internal/jose", "internal/peer", "internal/steps", "internal/tokencache"}},
	{room: "internal/issuer", code: []string{"jwks", "middleware", "internal/jose"}},
	{room: "middleware/authtest", code: []string{"jwks", "middleware", "internal/certfields", "internal/cite", "internal/issuer"}},
	{ // it reads proofs by the parts that read tokens, and remembers their keys as those remember tokens
		room: "middleware/dpop",
		code: []string{"middleware", "internal/jose", "internal/tokencache"},
	},
	{ // it asks an issuer as the key cache does, and remembers as the verifier does
		room: "middleware/introspect",
		code: []string{"jwks", "middleware", "internal/fetch", "internal/jose", "internal/tokencache"},
	},
	{ // it is told what each check of the Guard finds
		room: "middleware/explain",
		code: []string{"jwks", "middleware", "internal/steps"},
	},
	{ // presets know where their provider's endpoint is
		room: "middleware/provider",
		code: []string{"jwks", "middleware", "middleware/introspect"},
	},
	{room: "middleware/*", code: []string{"jwks", "middleware"}},
	{ // telemetry tells of keys, too
		room: "adapters/otelauth",
		code: []string{"middleware", "middleware/introspect", "jwks"},
	},
	{
		room: "adapters/promauth",
		code: []string{"middleware", "middleware/introspect", "jwks"},
	},
	{ // its tests put documents before the routers of other adapters
		room: "adapters/openapiauth",
		code: []string{"middleware"},
	},
	{ // it rechecks its streams; its tests bind tokens to keys, and have clients find the issuer
		room:  "adapters/mcpauth",
		code:  []string{"middleware", "middleware/openstream"},
		tests: []string{"middleware", "middleware/authtest", "middleware/dpop", "middleware/resource"},
	},
	{ // it rechecks its streams, and the kit for gRPC servers tests it, too
		room:  "adapters/connectauth",
		code:  []string{"middleware", "middleware/openstream"},
		tests: []string{"middleware", "middleware/authtest", "middleware/dpop", "middleware/mtls", "adapters/grpcauth/grpcauthtest", "internal/*"},
	},
	{ // its tests bind tokens to keys
		room:  "adapters/ginauth",
		code:  []string{"middleware"},
		tests: []string{"middleware", "middleware/authtest", "middleware/dpop", "internal/*"},
	},
	{ // it implements the stores of these
		room: "adapters/redisauth",
		code: []string{"middleware", "middleware/dpop", "middleware/revocation"},
	},
	{ // it rechecks its streams
		room:  "adapters/grpcauth",
		code:  []string{"middleware", "middleware/openstream"},
		tests: []string{"jwks", "middleware", "middleware/authtest", "internal/*"},
	},
	{ // it hears gateways alone: it must know who asks before a token does
		room:  "adapters/forwardauth",
		code:  []string{"middleware", "internal/peer"},
		tests: []string{"middleware", "middleware/authtest", "middleware/dpop", "internal/*"},
	},
	{
		room:  "adapters/*",
		code:  []string{"middleware"},
		tests: []string{"jwks", "middleware", "middleware/authtest", "internal/*"},
	},
	{ // the test kit for gRPC, which middleware/authtest cannot hold without linking gRPC
		room:  "adapters/grpcauth/grpcauthtest",
		code:  []string{"middleware", "middleware/authtest", "adapters/grpcauth", "internal/certfields", "internal/cite"},
		tests: []string{"middleware", "middleware/authtest", "middleware/dpop", "middleware/mtls", "adapters/grpcauth", "internal/*"},
	},
	{ // it links the root module alone
		room: "cmd/bearward",
		code: []string{"jwks", "middleware", "middleware/*", "adapters/forwardauth", "internal/*", "cmd/bearward/internal/*"},
	},
	{
		room: "cmd/bearward/internal/*",
		code: []string{"jwks", "middleware", "middleware/*", "adapters/forwardauth", "internal/*"},
	},
}

// frameworks says which rooms of the root module alone may link what.
var frameworks = map[string][]string{
	"github.com/go-chi/chi/v5":                  {"adapters/chiauth"},
	"github.com/labstack/echo/v4":               {"adapters/echoauth"},
	"google.golang.org/grpc":                    {"adapters/grpcauth", "adapters/grpcauth/grpcauthtest"},
	"google.golang.org/protobuf":                {"adapters/grpcauth", "adapters/grpcauth/grpcauthtest"},
	"google.golang.org/genproto/googleapis/rpc": {"adapters/grpcauth", "adapters/grpcauth/grpcauthtest"},
}

// testKits are what links testing.
var testKits = []string{"middleware/authtest", "adapters/grpcauth/grpcauthtest", "internal/fuzztest", "internal/fipstest"}

// matches reports whether room is one of the patterns.
func matches(room string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		parent, all := strings.CutSuffix(p, "/*")
		if !all {
			return room == p
		}
		below, ok := strings.CutPrefix(room, parent+"/")
		return ok && !strings.Contains(below, "/")
	})
}

func TestImportsPointOneWay(t *testing.T) {
	all := mustListEvery(t)
	for _, p := range all {
		room, ours := p.room()
		if !ours {
			continue
		}
		i := slices.IndexFunc(rules, func(r rule) bool { return matches(room, []string{r.room}) })
		if i < 0 {
			if room != "" && !strings.HasPrefix(room, "internal/") {
				t.Errorf("%s: no rule says what this room may import", room)
			}
			continue
		}
		check := func(what string, imports, allowed []string) {
			for _, path := range imports {
				to, ours := strings.CutPrefix(path, module+"/")
				if ours && allowed != nil && to != room && !matches(to, allowed) {
					t.Errorf("%s: %s import %s, and may import only %v", room, what, to, allowed)
				}
			}
		}
		check("its files", p.Imports, rules[i].code)
		check("its tests", slices.Concat(p.TestImports, p.XTestImports), rules[i].tests)
	}
}

func TestFrameworksStayInTheirAdapters(t *testing.T) {
	all := mustList(t)
	for _, p := range all {
		room, ours := p.room()
		if !ours || strings.HasPrefix(room, "internal/") {
			continue
		}
		for _, d := range p.Deps {
			dep := all[d]
			if dep == nil || dep.Module == nil {
				continue
			}
			if homes, framework := frameworks[dep.Module.Path]; framework && !slices.Contains(homes, room) {
				t.Errorf("%s links %s, which belongs in %q alone", room, d, homes)
			}
		}
	}
}

// The test kits cannot reach production by accident: they alone link testing, which registers flags
// and is easily seen in a binary, and no other package links them.
func TestOnlyTheTestKitLinksTesting(t *testing.T) {
	for _, p := range mustListEvery(t) {
		room, ours := p.room()
		if ours && !slices.Contains(testKits, room) && slices.Contains(p.Deps, "testing") {
			t.Errorf("%s links testing", room)
		}
	}
}

// jwx/v2 is no longer maintained upstream. As long as three files know it, leaving it is a patch.
func TestJWXStaysInThreeFiles(t *testing.T) {
	const most = 3
	var got []string
	for _, room := range []string{"jwks", "middleware", "adapters", "internal", "cmd"} {
		err := filepath.WalkDir(room, func(name string, d fs.DirEntry, err error) error {
			if name == room && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, spec := range f.Imports {
				if path, _ := strconv.Unquote(spec.Path.Value); path == jwx || strings.HasPrefix(path, jwx+"/") {
					got = append(got, filepath.ToSlash(name))
					break
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) > most {
		t.Errorf("jwx is imported by %v, at most %d files may", got, most)
	}
}

// libraries are other people's modules that jwks, middleware and what they import may import. All
// others belong in adapters.
var libraries = []string{jwx, "github.com/go-json-experiment/json"}

// Adapters are where other people's modules are linked; jwks and middleware, and the internal
// packages and commands beside them, import none but jwx and jsontext. Nested modules count: what
// stands below middleware stays small wherever its go.mod is.
func TestOtherPeoplesModulesStayInAdapters(t *testing.T) {
	all := mustListEvery(t)
	core := map[string]bool{}
	for _, p := range all {
		room, ours := p.room()
		if ours && (room == "jwks" || room == "middleware" || strings.HasPrefix(room, "middleware/") || strings.HasPrefix(room, "cmd/")) {
			core[p.ImportPath] = true
			for _, d := range p.Deps {
				if dep := all[d]; dep != nil {
					if room, ours := dep.room(); ours && !strings.HasPrefix(room, "adapters/") {
						core[d] = true
					}
				}
			}
		}
	}
	if len(core) < 4 {
		t.Fatalf("only %d packages of jwks and middleware were found", len(core))
	}
	for path := range core {
		room, _ := all[path].room()
		for _, to := range all[path].Imports {
			dep := all[to]
			if dep == nil || dep.Module == nil || strings.HasPrefix(to+"/", module+"/") || slices.Contains(libraries, dep.Module.Path) {
				continue
			}
			t.Errorf("%s imports %s: other people's modules are linked in adapters", room, to)
		}
	}
}

func TestTheModuleRequiresLittle(t *testing.T) {
	// genproto and protobuf are grpc's own requirements: grpcauth speaks their ErrorInfo and
	// RetryInfo.
	want := []string{
		"github.com/go-chi/chi/v5",
		"github.com/go-json-experiment/json",
		"github.com/labstack/echo/v4",
		jwx,
		"google.golang.org/genproto/googleapis/rpc",
		"google.golang.org/grpc",
		"google.golang.org/protobuf",
	}
	out, err := output("go", "mod", "edit", "-json")
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace []any
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range mod.Require {
		if !r.Indirect {
			got = append(got, r.Path)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("go.mod requires\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	if len(mod.Replace) > 0 {
		t.Errorf("go.mod replaces %v; who requires this module would not see it", mod.Replace)
	}
}

// committed returns the files under version control that exist, and the new ones that are not
// ignored.
func committed(t *testing.T) []string {
	t.Helper()
	out, err := output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	return slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || !info.Mode().IsRegular()
	})
}
