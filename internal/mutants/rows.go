package main

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/conformance/rows"
)

// failure matches the lines that name a failed test.
var failure = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// rowTests are the tests that prove rows without bearing their names: by package and test, the
// rows.
type rowTests map[string]map[string][]string

func readRowTests() (rowTests, error) {
	proofs, err := rows.AllProofs()
	if err != nil {
		return nil, err
	}
	d := rowTests{}
	for _, p := range proofs.Tests {
		if d[p.Package] == nil {
			d[p.Package] = map[string][]string{}
		}
		d[p.Package][p.Test] = append(d[p.Package][p.Test], p.Row)
	}
	return d, nil
}

// tests is a pattern for the tests of a package that prove rows.
func (d rowTests) tests(pkg string) string {
	return "^(" + strings.Join(append([]string{rows.TestPattern}, slices.Sorted(maps.Keys(d[pkg]))...), "|") + ")$"
}

// rows returns the rows whose tests the output of a package's tests calls failed.
func (d rowTests) rows(pkg, output string) []string {
	found := map[string]bool{}
	for _, m := range failure.FindAllStringSubmatch(output, -1) {
		function, _, _ := strings.Cut(m[1], "/")
		for _, id := range slices.Concat(d[pkg][function], rows.OfFunction(function)) {
			found[id] = true
		}
		if id, _ := rows.OfSubtest(m[1]); id != "" {
			found[id] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// rowsThatKill returns every row of which a test fails when m is on.
func (c *suite) rowsThatKill(ctx context.Context, m mutant, d rowTests) ([]string, error) {
	var all []string
	for _, j := range c.binaries {
		if !j.deps[c.packageOf(m)] {
			continue
		}
		if err := j.ready(); err != nil {
			return nil, err
		}
		pkg := strings.TrimPrefix(strings.TrimPrefix(j.path, c.module), "/")
		one, cancel := context.WithTimeout(ctx, j.timeout)
		cmd := exec.CommandContext(one, j.binary, "-test.short", "-test.run="+d.tests(pkg), "-test.timeout="+j.timeout.String())
		cmd.Dir = j.dir
		cmd.Env = append(os.Environ(), "MUTANT="+m.name)
		out, _ := cmd.CombinedOutput() // that it fails is what is looked for
		cancel()
		all = append(all, d.rows(pkg, string(out))...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
