package main

import (
	"fmt"
	"strings"
)

// pageFile is the page that -write rewrites.
const pageFile = "internal/mutants/README.md"

// A page has a line for each check, by its name: the cells behind it.
type page map[string]pageLine

type pageLine struct{ file, by, rows string }

// readPage reads the lines of the table.
func readPage(text string) page {
	p := page{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		name, row := strings.CutPrefix(cells[0], "| ")
		if !row || len(cells) != 4 || !strings.Contains(name, "/") {
			continue
		}
		p[name] = pageLine{cells[1], cells[2], strings.TrimSpace(strings.TrimSuffix(cells[3], "|"))}
	}
	return p
}

// killer returns the package and the test, without its subtests, that killed the named mutant,
// empty when none is known.
func (p page) killer(name string) (pkg, test string) {
	pkg, test, _ = strings.Cut(p[name].by, " ")
	test, _, _ = strings.Cut(test, "/")
	if !strings.HasPrefix(test, "Test") && !strings.HasPrefix(test, "Example") {
		return "", ""
	}
	return pkg, test
}

// rowsNotAsked is the cell of rows of a check whose rows no run has asked for.
const rowsNotAsked = "not asked yet"

// merge puts the results in the place of the lines of their checks. Where rows were not asked for,
// what was known of them stays.
func (p page) merge(results []result, rows bool) {
	for _, r := range results {
		by := r.by
		if r.outcome != killed {
			by = "**" + r.outcome.String() + "**"
		}
		cell := someOf(r.rows)
		if old, ok := p[r.name]; !rows && ok {
			cell = old.rows
		} else if !rows {
			cell = rowsNotAsked
		}
		p[r.name] = pageLine{r.file, by, cell}
	}
}

// lacks counts the checks that have no line.
func (p page) lacks(all []mutant) (n int) {
	for _, m := range all {
		if _, ok := p[m.name]; !ok {
			n++
		}
	}
	return n
}

// unasked counts the checks whose rows no run has asked for.
func (p page) unasked(all []mutant) (n int) {
	for _, m := range all {
		if p[m.name].rows == rowsNotAsked {
			n++
		}
	}
	return n
}

// markdown renders the lines of those checks that there are.
func (p page) markdown(all []mutant) []byte {
	var b strings.Builder
	b.WriteString("# Mutants\n\nEach row is a security check, the first test that fails when the check is removed, and the rows of the conformance matrix\n" +
		"([conformance](../conformance/README.md)) whose tests fail with it. An empty last cell is a check that no row asks for: its own test\n" +
		"kills it. `go run ./internal/mutants -write` writes this page; `-rows` asks for the rows too, which takes an hour or more. With\n" +
		"`-run` or `-new` it writes the lines of what ran, and leaves the others.\n\n")
	fmt.Fprintf(&b, "%d checks", len(all))
	if n := p.lacks(all); n > 0 {
		fmt.Fprintf(&b, ", of which %d have not run yet", n)
	}
	b.WriteString(".")
	if n := p.unasked(all); n > 0 {
		fmt.Fprintf(&b, " For %d of them, which are newer than the last run of `-rows`, the rows are not known yet; their tests are.", n)
	}
	b.WriteString("\n\n| check | file | killed by | rows that kill it |\n|---|---|---|---|\n")
	for _, m := range all {
		if l, ok := p[m.name]; ok {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.name, m.file, l.by, l.rows)
		}
	}
	return []byte(b.String())
}

// someOf names a dozen rows, and says how many more there are: a check that every token passes
// fails all of them.
func someOf(rows []string) string {
	const most = 12
	if len(rows) <= most {
		return strings.Join(rows, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(rows[:most], " "), len(rows)-most)
}
