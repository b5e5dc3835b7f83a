// Package main_test asks the rows of the conformance matrix of adapters that are modules of their
// own. The tests of internal/conformance belong to the root module, which links none of them. So
// they are compiled once more, here, with testdata/nested_test.go among them: it has the servers of
// those adapters in place of the root module's.
package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "github.com/go-chi/chi/v5"
	_ "github.com/labstack/echo/v4"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/grpc"
	_ "google.golang.org/grpc/test/bufconn"

	_ "connectrpc.com/connect"
	_ "github.com/gin-gonic/gin"

	_ "github.com/bearward/bearward/adapters/chiauth"
	_ "github.com/bearward/bearward/adapters/connectauth"
	_ "github.com/bearward/bearward/adapters/ginauth"
	"github.com/bearward/bearward/internal/conformance/rows"
)

// fewestRows are fewer than the matrix has, by the column of an adapter.
var fewestRows = map[string]int{"gin": 200, "Connect": 200}

// matrix are the tests whose servers nested_test.go replaces.
const matrix = "^(TestMatrix.*|TestAProofIsSpentOnce|TestAnswersOfBindings|TestRevoked|TestPeer|TestRequireBound|" +
	"TestReportOnly|TestReportOnlyGoesByNoName|TestTheTokenInAnotherField|TestCachesKnowTheField|" +
	"TestPathValue.*|TestResourceMetadata|TestCertificateBindingsAreAdvertised)$"

const inner = "ROUTERS_INNER"

// Each question that was put to an adapter of this module is a subtest, so that the report of
// internal/conformance finds it.
func TestEveryRow(t *testing.T) {
	if os.Getenv(inner) != "" {
		t.Skip("this is the run that the other one began")
	}
	cmd := exec.Command("go", "test", "-count=1", "-json", "-overlay", overlay(t), "-run", matrix, ".")
	cmd.Env = append(os.Environ(), inner+"=1")
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	out, err := cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	asked, told := map[string]map[string]bool{}, false
	for _, r := range resultsOf(t, out) {
		row, transport := rows.OfSubtest(r.name)
		column := rows.TransportColumn(transport)
		if fewestRows[column] == 0 {
			if r.action == "fail" {
				t.Errorf("%s\n%s", r.name, r.output)
				told = true
			}
			continue
		}
		if asked[column] == nil {
			asked[column] = map[string]bool{}
		}
		asked[column][row] = true
		told = told || r.action == "fail"
		t.Run(r.name, func(t *testing.T) {
			switch r.action {
			case "skip":
				t.Skip(r.output)
			case "fail":
				t.Error(r.output)
			}
		})
	}
	if err != nil && !told {
		t.Fatalf("%v\n%s\n%s", err, stderr, out)
	}
	for column, fewest := range fewestRows {
		t.Logf("%s: %d rows", column, len(asked[column]))
		if len(asked[column]) < fewest {
			t.Errorf("%s: %d rows were asked, want %d at least", column, len(asked[column]), fewest)
		}
	}
}

// overlay returns the file that puts the tests of internal/conformance into this folder.
func overlay(t *testing.T) string {
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
	name := filepath.Join(t.TempDir(), "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A result is a test without subtests that ended, and what it said.
type result struct{ name, action, output string }

// resultsOf reads what "go test -json" printed.
func resultsOf(t *testing.T, out []byte) []result {
	var all []result
	said, parents := map[string]*strings.Builder{}, map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ Action, Test, Output string }
		if err := dec.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if e.Test == "" {
			continue
		}
		if said[e.Test] == nil {
			said[e.Test] = new(strings.Builder)
			for i, c := range e.Test {
				if c == '/' {
					parents[e.Test[:i]] = true
				}
			}
		}
		said[e.Test].WriteString(e.Output)
		if e.Action == "pass" || e.Action == "fail" || e.Action == "skip" {
			all = append(all, result{e.Test, e.Action, said[e.Test].String()})
		}
	}
	return slices.DeleteFunc(all, func(r result) bool {
		return parents[r.name] && (r.action != "fail" || !ownFailure.MatchString(r.output))
	})
}

// ownFailure matches what a test with subtests says when it fails by itself.
var ownFailure = regexp.MustCompile(`(?m)^\s+\w+_test\.go:\d+: `)
