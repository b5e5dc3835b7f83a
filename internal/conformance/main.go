// Command conformance reports, row by row, what the tests say of the conformance matrix.
//
// A test tells its rows by its name: a subtest of that name, as in
// TestMatrixToken/token/AT-18/chi/an_hour_ago, where the next element is the transport; or a
// function that begins with them, as TestK09_ForgedKeyIDsCauseFewFetches. Tests without are named
// in rows/proofs.txt. A row without a test is missing, never passing, unless rows/planned.txt says
// that it is not built yet.
//
// It writes artifacts/conformance.json, with every row and column, and the README.md of its folder
// for people. It fails when a row of what is built fails or is missing, and with -check when the
// page is not what it would write. With -json it runs nothing, and reads what `make test` left: the
// output of "go test -json", of all modules. Otherwise it runs the tests that bear rows.
//
// Usage: go run ./internal/conformance [-check] [-json pattern]
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/conformance/rows"
)

const module = "github.com/bearward/bearward"

// The files that it writes.
const (
	report = "artifacts/conformance.json"
	page   = "internal/conformance/README.md"
)

func main() {
	check := flag.Bool("check", false, "compare "+page+" instead of writing it")
	ran := flag.String("json", "", "read the files that match this `pattern`, what \"go test -json\" printed, and run nothing")
	flag.Parse()
	if err := run(os.Stdout, *check, *ran); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, check bool, pattern string) error {
	all, err := rows.All()
	if err != nil {
		return err
	}
	p, err := rows.AllProofs()
	if err != nil {
		return err
	}
	var tests []ran
	if pattern != "" {
		tests, err = readFiles(pattern)
	} else {
		tests, err = runTests()
	}
	if err != nil {
		return err
	}
	results, err := resultsOf(all, p, tests)
	if err != nil {
		return err
	}
	if err := write(results, check); err != nil {
		return err
	}
	return explain(out, results)
}

// write writes the report and the page, or compares the page.
func write(results []result, check bool) error {
	doc, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(path.Dir(report), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(report, append(doc, '\n'), 0o644); err != nil {
		return err
	}
	text := markdown(results)
	if !check {
		return os.WriteFile(page, text, 0o644)
	}
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	if !bytes.Equal(old, text) {
		return fmt.Errorf("%s is not what the tests say: run `make conformance`", page)
	}
	return nil
}

// explain prints the rows that fail or are missing, and returns an error when there are any.
func explain(out io.Writer, results []result) error {
	bad := 0
	for _, r := range results {
		if r.State == failed || r.State == missing {
			bad++
			fmt.Fprintf(out, "%-8s %s: %s\n", r.State, r.ID, r.Statement)
			for _, f := range r.Failed {
				fmt.Fprintf(out, "         %s\n", f)
			}
			if len(r.Lacks) > 0 {
				fmt.Fprintf(out, "         no test over %s\n", strings.Join(r.Lacks, ", "))
			}
		}
	}
	fmt.Fprint(out, summary(results))
	if bad > 0 {
		return fmt.Errorf("%d rows fail or have no test", bad)
	}
	return nil
}

// A ran is a test that ended: its package below the module, its name, and how.
type ran struct{ pkg, test, action string }

// readFiles returns the tests of which the files that match the pattern tell.
func readFiles(pattern string) ([]ran, error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no file matches %s: run `make test`", pattern)
	}
	var all []ran
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		some, err := readTests(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// runTests runs the tests of the module that bear rows, and those of the modules below adapters.
// With them run those of internal/routers, which ask the matrix of adapters that are modules, those
// of bench that read other people's vectors, those of examples that have other people's clients,
// and the rehearsal of a release.
func runTests() ([]ran, error) {
	all, err := goTest(".", "./jwks/...", "./middleware/...", "./adapters/...", "./cmd/...", "./internal/...")
	if err != nil {
		return nil, err
	}
	nested, err := filepath.Glob("adapters/*/go.mod")
	if err != nil {
		return nil, err
	}
	for _, name := range nested {
		some, err := goTest(filepath.Dir(name), "./...")
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	routers, err := goTest("internal/routers", ".")
	if err != nil {
		return nil, err
	}
	vectors, err := goTest("bench", "./vectors")
	if err != nil {
		return nil, err
	}
	consumers, err := goTest("internal/release", ".")
	if err != nil {
		return nil, err
	}
	clients, err := goTest("examples", "./mcp")
	return slices.Concat(all, routers, vectors, consumers, clients), err
}

func goTest(dir string, packages ...string) ([]ran, error) {
	packages = slices.DeleteFunc(packages, func(p string) bool {
		_, err := os.Stat(filepath.Join(dir, strings.TrimSuffix(p, "/...")))
		return err != nil
	})
	cmd := exec.Command("go", append([]string{"test", "-json", "-count=1", "-timeout=10m"}, packages...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		return nil, err
	}
	all, err := readTests(bytes.NewReader(out))
	if err == nil && len(all) == 0 {
		return nil, fmt.Errorf("no test ran in %s", path.Join(dir, strings.Join(packages, " ")))
	}
	return all, err
}

// readTests reads what "go test -json" prints.
func readTests(r io.Reader) ([]ran, error) {
	var all []ran
	for dec := json.NewDecoder(r); ; {
		var e struct{ Action, Package, Test, Output string }
		if err := dec.Decode(&e); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		switch {
		case e.Action == "build-output", e.Action == "output" && e.Test == "" && strings.Contains(e.Output, "panic:"):
			fmt.Fprint(os.Stderr, e.Output)
		case e.Action == "build-fail":
			return nil, fmt.Errorf("%s does not build", e.Package)
		case e.Test != "" && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
			pkg := strings.TrimPrefix(strings.TrimPrefix(e.Package, module), "/")
			all = append(all, ran{pkg, e.Test, e.Action})
		}
	}
}
