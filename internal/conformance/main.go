// Command conformance runs the tests that carry the rows of the conformance matrix, and reports row by row.
//
// A test tells its rows by its name: a subtest of that name, as in TestMatrixToken/token/AT-18/chi/an_hour_ago, where the next element is the
// door; or a function that begins with them, as TestK09_ForgedKeyIDsCauseFewFetches. Tests without are named in proofs.txt. A row without a
// test is missing, never passing.
//
// It writes conformance.json, with every row and column, and CONFORMANCE.md for people. It fails when a row of what is built fails or is
// missing, and with -check when CONFORMANCE.md is not what it would write.
//
// Usage: go run ./internal/conformance [-check]
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
	"regexp"
	"slices"
	"strings"
)

const module = "github.com/bearward/bearward"

// The files that it writes.
const (
	report = "conformance.json"
	page   = "CONFORMANCE.md"
)

func main() {
	check := flag.Bool("check", false, "compare "+page+" instead of writing it")
	flag.Parse()
	if err := run(os.Stdout, *check); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, check bool) error {
	rows, err := readRows(rowsText)
	if err != nil {
		return err
	}
	p, err := readProofs(proofsText)
	if err != nil {
		return err
	}
	ran, err := runTests()
	if err != nil {
		return err
	}
	results, err := judge(rows, p, ran)
	if err != nil {
		return err
	}
	doc, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(report, append(doc, '\n'), 0o644); err != nil {
		return err
	}
	text := markdown(results)
	if check {
		old, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if !bytes.Equal(old, text) {
			return fmt.Errorf("%s is not what the tests say: run `make conformance`", page)
		}
	} else if err := os.WriteFile(page, text, 0o644); err != nil {
		return err
	}
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

// runTests runs the tests of the module, and those of bench/ that read other people's vectors.
func runTests() ([]ran, error) {
	all, err := goTest(".", "./jwks/...", "./middleware/...", "./adapters/...", ".")
	if err != nil {
		return nil, err
	}
	vectors, err := goTest("bench", "./vectors")
	return append(all, vectors...), err
}

func goTest(dir string, packages ...string) ([]ran, error) {
	cmd := exec.Command("go", append([]string{"test", "-json", "-count=1", "-timeout=10m"}, packages...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		return nil, err
	}
	var all []ran
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ Action, Package, Test, Output string }
		if err := dec.Decode(&e); err == io.EOF {
			break
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
	if len(all) == 0 {
		return nil, fmt.Errorf("no test ran in %s", path.Join(dir, strings.Join(packages, " ")))
	}
	return all, nil
}

// A state is how a row stands.
type state string

const (
	passing  state = "pass"
	failed   state = "FAIL"
	missing  state = "MISSING"
	notBuilt state = "not built yet"
)

// A result is a row and what the tests say of it.
type result struct {
	ID, Section, Level, Statement string
	Disposition                   disposition
	State                         state
	Adapters                      map[string]state // by column
	Tests                         int
	Note                          string   `json:",omitempty"`
	Lacks                         []string `json:",omitempty"`
	Failed                        []string `json:",omitempty"`
}

var (
	named     = regexp.MustCompile(`^Test((?:[A-Z]{1,2}\d\d_)+)`)
	duplicate = regexp.MustCompile(`#\d+$`)
)

// rowsOf returns the rows that the name of a test carries, and the column that it counts for.
func rowsOf(t ran) (ids []string, column string) {
	column = columnOf(t.pkg)
	elements := strings.Split(t.test, "/")
	if m := named.FindStringSubmatch(elements[0]); m != nil && len(elements) == 1 {
		for id := range strings.SplitSeq(strings.TrimSuffix(m[1], "_"), "_") {
			ids = append(ids, id[:len(id)-2]+"-"+id[len(id)-2:])
		}
		return ids, column
	}
	for i, e := range elements {
		if e = duplicate.ReplaceAllString(e, ""); !rowID.MatchString(e) {
			continue
		}
		if i+1 == len(elements) {
			if t.pkg == "adapters" {
				return nil, "" // its doors are counted, not the row above them; see leaves
			}
			return []string{e}, column
		}
		if c := doorColumn(duplicate.ReplaceAllString(elements[i+1], "")); c != "" {
			column = c
		}
		return []string{e}, column
	}
	return nil, ""
}

// leaves drops the tests of which subtests ran.
func leaves(all []ran) []ran {
	parents := map[string]bool{}
	for _, t := range all {
		for i := range len(t.test) {
			if t.test[i] == '/' {
				parents[t.pkg+" "+t.test[:i]] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(t ran) bool { return parents[t.pkg+" "+t.test] })
}

func judge(rows []row, p proofs, all []ran) ([]result, error) {
	type evidence struct {
		tests  int
		failed []string
	}
	seen := map[string]map[string]*evidence{}
	count := func(id, column string, t ran) {
		if t.action == "skip" {
			return
		}
		if seen[id] == nil {
			seen[id] = map[string]*evidence{}
		}
		e := seen[id][column]
		if e == nil {
			e = new(evidence)
			seen[id][column] = e
		}
		e.tests++
		if t.action == "fail" {
			e.failed = append(e.failed, strings.TrimSpace(t.pkg+" "+t.test))
		}
	}
	byName := map[string]ran{}
	for _, t := range all {
		byName[t.pkg+" "+t.test] = t
		if named.MatchString(t.test) && !strings.Contains(t.test, "/") {
			ids, column := rowsOf(t)
			for _, id := range ids {
				count(id, column, t)
			}
		}
	}
	for _, t := range leaves(all) {
		if named.MatchString(t.test) {
			continue
		}
		ids, column := rowsOf(t)
		if ids == nil && t.pkg == "adapters" {
			if e := duplicate.ReplaceAllString(path.Base(t.test), ""); rowID.MatchString(e) {
				ids, column = []string{e}, columnOf(t.pkg)
			}
		}
		for _, id := range ids {
			count(id, column, t)
		}
	}
	for _, proof := range p.tests {
		t, ok := byName[proof.pkg+" "+proof.test]
		if !ok {
			return nil, fmt.Errorf("proofs.txt: %s: there is no test %s in %q", proof.row, proof.test, proof.pkg)
		}
		count(proof.row, columnOf(t.pkg), t)
	}

	known := map[string]bool{}
	var results []result
	for _, r := range rows {
		known[r.ID] = true
		res := result{ID: r.ID, Section: r.Section, Level: r.Level, Statement: r.Statement, Disposition: built, State: passing,
			Adapters: map[string]state{}, Note: p.why[r.ID]}
		wave1 := slices.Contains(waveOne, r.group())
		if d, ok := dispositions[r.ID]; ok {
			res.Disposition = d
		} else if !wave1 {
			res.Disposition = refuseTest
		}
		for column, e := range seen[r.ID] {
			res.Tests += e.tests
			res.Adapters[column] = passing
			if len(e.failed) > 0 {
				res.Adapters[column], res.State = failed, failed
				res.Failed = append(res.Failed, e.failed...)
			}
		}
		switch {
		case len(seen[r.ID]) == 0 && !wave1:
			res.Disposition, res.State = later, notBuilt
		case len(seen[r.ID]) == 0:
			res.State = missing
		case wave1:
			for _, column := range p.needs(r) {
				if res.Adapters[column] == "" {
					res.Lacks = append(res.Lacks, column)
					res.Adapters[column] = missing
				}
			}
			if len(res.Lacks) > 0 && res.State == passing {
				res.State = missing
			}
		}
		slices.Sort(res.Failed)
		results = append(results, res)
	}
	for id := range seen {
		if !known[id] {
			return nil, fmt.Errorf("a test names row %s, which rows.md does not have", id)
		}
	}
	return results, nil
}
