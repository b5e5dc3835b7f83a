package house_test

import (
	"go/doc/comment"
	"strings"
	"testing"
)

// docPreamble declares what the code in package comments takes for granted.
const docPreamble = `package snippet

import (
	"crypto/tls"
	"log"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	"google.golang.org/grpc"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/forwardauth"
	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/mtls"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/provider"
	"github.com/bearward/bearward/middleware/resource"
	"github.com/bearward/bearward/middleware/revocation"
)

var (
	_ = log.Fatal
	_ chi.Router
	_ grpc.ServerOption
	_ = chiauth.Check
	_ = echoauth.Check
	_ = forwardauth.New
	_ = grpcauth.Check
	_ = httpauth.NewMux
	_ = jwks.New
	_ = dpop.New
	_ = mtls.New
	_ tls.Config
	_ netip.Prefix
	_ = introspect.New
	_ = provider.Google
	_ = resource.New
	_ = revocation.NewMemory
)

func code(guard *auth.Guard, rules auth.Rules, mux *http.ServeMux, e *echo.Echo, healthz http.HandlerFunc, listOrders http.HandlerFunc, logger *slog.Logger, config auth.Config) {
`

// The code that a package's comment shows compiles. Tests that it shows are held to a file: see
// authtest's doc_test.go.
func TestPackageCommentsCompile(t *testing.T) {
	c, blocks := mustCompiler(t), 0
	for p, r := range mustListPublic(t) {
		if mustList(t)[p.ImportPath] == nil {
			continue // another module's: it has tests of its own
		}
		d, err := r.read(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range new(comment.Parser).Parse(d.doc.Doc).Content {
			block, ok := b.(*comment.Code)
			if !ok || strings.HasPrefix(block.Text, "func Test") || strings.HasPrefix(block.Text, "import ") ||
				strings.HasPrefix(block.Text, "# ") || // the configuration of another program
				strings.Contains(block.Text, "--->") { // a drawing
				continue
			}
			blocks++
			text := docPreamble
			if p.room() == "adapters/echoauth" {
				text = strings.Replace(text, "listOrders http.HandlerFunc", "listOrders echo.HandlerFunc", 1)
			}
			for _, problem := range c.check(text + "{\n" + block.Text + "\n}\n}\n") {
				if !strings.Contains(problem, "declared and not used") {
					t.Errorf("%s: %s, in\n%s", p.room(), problem, block.Text)
				}
			}
		}
	}
	if blocks < 8 {
		t.Errorf("only %d blocks of code were found", blocks)
	}
}
