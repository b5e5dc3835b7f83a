// Package main_test asks the rows of the conformance matrix of adapters that are modules of their
// own. The tests of internal/conformance belong to the root module, which links none of them. So
// they are compiled once more, here, with testdata/nested_test.go among them: it has the routers of
// those adapters in place of the root module's.
package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	_ "github.com/go-chi/chi/v5"
	_ "github.com/labstack/echo/v4"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/grpc"
	_ "google.golang.org/grpc/test/bufconn"

	_ "github.com/gin-gonic/gin"

	_ "github.com/bearward/bearward/adapters/chiauth"
	_ "github.com/bearward/bearward/adapters/ginauth"
)

// fewestRows are fewer than the matrix has for HTTP.
const fewestRows = 200

const inner = "BEARWARD_ROUTERS"

func TestEveryRow(t *testing.T) {
	if os.Getenv(inner) != "" {
		t.Skip("this is the run that the other one began")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(here, "../conformance/*_test.go"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files of tests, %v", len(files), err)
	}
	replace := map[string]string{}
	for _, name := range append(files, filepath.Join(here, "testdata/nested_test.go")) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(src, []byte("package main_test\n")) { // the others are of the command
			replace[filepath.Join(here, filepath.Base(name))] = name
		}
	}
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-count=1", "-v", "-overlay", overlay, "-run", "^TestMatrix", ".")
	cmd.Env = append(os.Environ(), inner+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, transport := range []string{"gin"} {
		passed := regexp.MustCompile(`--- PASS: TestMatrix\S*/([A-Z]+-\d+)/`+transport+`[/ ]`).FindAllSubmatch(out, -1)
		rows := map[string]bool{}
		for _, m := range passed {
			rows[string(m[1])] = true
		}
		t.Logf("%s: %d questions of %d rows", transport, len(passed), len(rows))
		if len(rows) < fewestRows {
			t.Errorf("%s: %d rows were asked, want %d at least", transport, len(rows), fewestRows)
		}
	}
}
