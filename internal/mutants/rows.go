package main

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// proofsFile names the tests that prove a row of the conformance matrix without bearing its name.
const proofsFile = "internal/conformance/proofs.txt"

// rowTests matches the functions that bear rows in their own names, or in those of their subtests.
const rowTests = `TestMatrix.*|Test[A-Z]{1,2}[0-9]{2}_.*`

var (
	inFunction = regexp.MustCompile(`^Test((?:[A-Z]{1,2}\d\d_)+)`)
	inSubtest  = regexp.MustCompile(`^([A-Z]{1,2}-\d\d)(?:#\d+)?$`)
	failure    = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
)

// A docket knows which tests prove which rows: by package below the module and test, the rows of proofs.txt.
type docket map[string]map[string][]string

func readDocket(root string) (docket, error) {
	text, err := os.ReadFile(filepath.Join(root, proofsFile))
	if err != nil {
		return nil, err
	}
	d := docket{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] == "#" || f[1] == "only" {
			continue
		}
		if d[f[1]] == nil {
			d[f[1]] = map[string][]string{}
		}
		d[f[1]][f[2]] = append(d[f[1]][f[2]], f[0])
	}
	return d, nil
}

// tests is a pattern for the tests of a package that prove rows.
func (d docket) tests(pkg string) string {
	return "^(" + strings.Join(append([]string{rowTests}, slices.Sorted(maps.Keys(d[pkg]))...), "|") + ")$"
}

// rows returns the rows whose tests the output of a package's tests calls failed.
func (d docket) rows(pkg, output string) []string {
	found := map[string]bool{}
	for _, m := range failure.FindAllStringSubmatch(output, -1) {
		elements := strings.Split(m[1], "/")
		for _, id := range d[pkg][elements[0]] {
			found[id] = true
		}
		if named := inFunction.FindStringSubmatch(elements[0]); named != nil {
			for id := range strings.SplitSeq(strings.TrimSuffix(named[1], "_"), "_") {
				found[id[:len(id)-2]+"-"+id[len(id)-2:]] = true
			}
		}
		for _, e := range elements[1:] {
			if named := inSubtest.FindStringSubmatch(e); named != nil {
				found[named[1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// rowsThatKill returns every row of which a test fails when m is on.
func (c *court) rowsThatKill(ctx context.Context, m mutant, d docket) []string {
	var all []string
	for _, j := range c.judges {
		if !j.deps[c.packageOf(m)] {
			continue
		}
		pkg := strings.TrimPrefix(strings.TrimPrefix(j.path, c.module), "/")
		one, cancel := context.WithTimeout(ctx, c.timeout)
		cmd := exec.CommandContext(one, j.binary, "-test.short", "-test.run="+d.tests(pkg), "-test.timeout="+c.timeout.String())
		cmd.Dir = j.dir
		cmd.Env = append(os.Environ(), "BEARWARD_MUTANT="+m.name)
		out, _ := cmd.CombinedOutput() // that it fails is what is looked for
		cancel()
		all = append(all, d.rows(pkg, string(out))...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
