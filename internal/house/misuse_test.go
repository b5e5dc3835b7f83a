package house_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// compiler type-checks against the packages that go list has built. All its users share one
// importer, so that a package is read once and its types are the same everywhere. It is not safe
// for concurrent use.
type compiler struct {
	files    *token.FileSet
	importer types.Importer
}

var newCompiler = sync.OnceValues(func() (*compiler, error) {
	all, err := packages()
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	return &compiler{files, importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		if p := all[path]; p != nil && p.Export != "" {
			return os.Open(p.Export)
		}
		return nil, os.ErrNotExist
	})}, nil
})

func mustCompiler(t *testing.T) *compiler {
	t.Helper()
	c, err := newCompiler()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// check returns the errors in a file.
func (c *compiler) check(src string) (problems []string) {
	f, err := parser.ParseFile(c.files, "snippet.go", src, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	conf := types.Config{Importer: c.importer, Error: func(err error) { problems = append(problems, err.Error()) }}
	conf.Check("snippet", c.files, []*ast.File{f}, nil) // its error is the first of problems
	return problems
}

// preamble declares what the snippets below use.
const preamble = `package snippet

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	"google.golang.org/grpc"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

var (
	keys      jwks.Source
	guard     *auth.Guard
	principal *auth.Principal
	h         http.HandlerFunc
	r         chi.Router
	e         *echo.Echo
	eh        echo.HandlerFunc
	_         []grpc.ServerOption = grpcauth.ServerOptions(guard, nil)
	_                             = httpauth.NewMux
	_                             = chiauth.NewRouter
	_                             = echoauth.Require
)

func use(...any) {}

func _() {
`

// Each of these is a way to leave a door open, and none of them compiles. What stands beside it
// differs only in the mistake, and does: so it is the mistake that the compiler objects to.
var misuses = []struct {
	name, bad, good, because string
}{
	{"all of no scopes", `use(auth.Scopes())`, `use(auth.Scopes("read"))`, "not enough arguments"},
	{"any of no scopes", `use(auth.AnyScope())`, `use(auth.AnyScope("read"))`, "not enough arguments"},
	{"all of no requirements", `use(auth.AllOf())`, `use(auth.AllOf(auth.AnyToken(), auth.Scopes("read")))`, "not enough arguments"},
	{"any of no requirements", `use(auth.AnyOf())`, `use(auth.AnyOf(auth.Scopes("read"), auth.Scopes("write")))`, "not enough arguments"},
	{"a guard that requires no scope", `use(guard.Require())`, `use(guard.Require("read"))`, "not enough arguments"},
	{"a guard that enforces nothing", `use(guard.Enforce())`, `use(guard.Enforce(auth.AnyToken()))`, "not enough arguments"},
	{"a requirement made by hand", `use(auth.Requirement{public: true})`, `use(auth.Requirement{})`, "public"},
	{"a string for a requirement", `use(auth.Rules{"GET /x": "read"})`, `use(auth.Rules{"GET /x": auth.Scopes("read")})`, "cannot use"},

	{"a verifier without a configuration", `auth.NewVerifier(keys)`, `auth.NewVerifier(keys, auth.Config{})`, "not enough arguments"},
	{"a guard without an audience", `auth.New("https://issuer.example")`, `auth.New("https://issuer.example", "https://api.example", nil)`, "not enough arguments"},
	{"an HMAC algorithm", `use(auth.Config{Algorithms: []auth.Algorithm{auth.HS256}})`, `use(auth.Config{Algorithms: []auth.Algorithm{auth.ES256}})`, "undefined: auth.HS256"},
	{"the algorithm none", `use(auth.Config{Algorithms: []auth.Algorithm{auth.None}})`, `use(auth.Config{Algorithms: []auth.Algorithm{auth.EdDSA}})`, "undefined: auth.None"},
	{"an algorithm by its name", `use(auth.Config{Algorithms: []auth.Algorithm{"none"}})`, `use(auth.Config{Algorithms: []auth.Algorithm{auth.RS256}})`, "cannot"},

	{"a principal that is changed", `principal.Subject = nil`, `use(principal.Subject())`, "cannot assign"},

	{"a net/http route without a requirement", `httpauth.NewMux(guard).Handle("GET /x", h)`, `httpauth.NewMux(guard).Handle("GET /x", auth.AnyToken(), h)`, "not enough arguments"},
	{"a chi route without a requirement", `chiauth.NewRouter(guard, r).Get("/x", h)`, `chiauth.NewRouter(guard, r).Get("/x", auth.AnyToken(), h)`, "not enough arguments"},
	{"an Echo route that requires no scope", `e.GET("/x", eh, echoauth.Require(guard))`, `e.GET("/x", eh, echoauth.Require(guard, "read"))`, "not enough arguments"},
	{"a gRPC server without rules", `use(grpcauth.ServerOptions(guard))`, `use(grpcauth.ServerOptions(guard, auth.Rules{}))`, "not enough arguments"},
}

func TestMisuseDoesNotCompile(t *testing.T) {
	c := mustCompiler(t)
	if problems := c.check(preamble + "}\n"); len(problems) > 0 {
		t.Fatalf("the preamble does not compile:\n%s", strings.Join(problems, "\n"))
	}
	for _, m := range misuses {
		t.Run(m.name, func(t *testing.T) {
			if problems := c.check(preamble + m.good + "\n}\n"); len(problems) > 0 {
				t.Errorf("%s\ndoes not compile:\n%s", m.good, strings.Join(problems, "\n"))
			}
			problems := c.check(preamble + m.bad + "\n}\n")
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, m.because) }) {
				t.Errorf("%s\ngot errors %q, want one that says %q", m.bad, problems, m.because)
			}
		})
	}
}
