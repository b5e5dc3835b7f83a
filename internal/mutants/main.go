// Command mutants removes each security check of the module in turn and tells whether a test notices.
//
// A comment at the end of a line marks the check that stands there:
//
//	if len(raw) > max { // check: token-size
//
// The mutant's name is the folder's and the mark's, "middleware/token-size". When it is on, the
// condition of an if or a case is false, a returned bool is true, and any other statement is passed
// over. An entry of replacements.go gives the condition, the value or the statement instead; a mark on
// a line of its own needs one, and its code then stands at that line. A mark that names no check, and
// an entry without a mark, fail the run. The sources are built as they are: an overlay of the go
// command carries the mutants, so nothing that is shipped can ever switch a check off.
//
// Each package's tests are built once, with every mutant in them, and run once per mutant with BEARWARD_MUTANT set to
// its name: the tests of the check's own package first, then those of every package that links it, until one kills it. A
// mutant is killed when it was reached and an assertion failed. One that makes the tests crash or run out of time is
// not: nothing has said what is wrong. With -write, every test that carries rows of the conformance matrix is asked too, and the
// page says which rows kill which mutant.
//
// Usage: go run ./internal/mutants [-list] [-run regexp] [-for duration] [-write]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"time"
)

// table is the file that -write rewrites.
const table = "internal/mutants/README.md"

// mutantPackage tells the built tests which mutant is on.
const mutantPackage = "github.com/bearward/bearward/internal/mutant"

// rooms are the folders whose checks have mutants.
var rooms = []string{"jwks", "middleware", "adapters", "internal", "cmd"}

func main() {
	var (
		list  = flag.Bool("list", false, "list the mutants and where they are, and run none")
		only  = flag.String("run", "", "run only the mutants whose name matches this `regexp`")
		limit = flag.Duration("for", 0, "start no mutant after this long, and take them in random order; 0: run all")
		write = flag.Bool("write", false, "write "+table+"; not with -run or -for")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *list, *only, *limit, *write); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, list bool, only string, limit time.Duration, write bool) error {
	if write && (only != "" || limit != 0) {
		return fmt.Errorf("-write needs every mutant: leave out -run and -for")
	}
	match, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	mutants, mutated, err := find(".", rooms, replacements)
	if err != nil {
		return err
	}
	mutants = matching(mutants, match)
	if len(mutants) == 0 {
		return fmt.Errorf("no mutant matches %q", only)
	}
	if list {
		for _, m := range mutants {
			fmt.Fprintf(out, "%s\t%s:%d\n", m.name, m.file, m.line)
		}
		return nil
	}

	c, err := build(ctx, ".", mutants, mutated)
	if err != nil {
		return err
	}
	defer c.remove()
	if write {
		if c.rowTests, err = readRowTests(); err != nil {
			return err
		}
	}
	if limit > 0 {
		rand.Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
	}
	results, err := c.tryAll(ctx, mutants, limit, func(r result) {
		fmt.Fprintf(out, "%-9s  %-40s  %-60s  %4.1f s\n", r.outcome, r.name, r.by, r.elapsed.Seconds())
	})
	if err != nil {
		return err
	}
	if write {
		if err := os.WriteFile(table, markdown(results), 0o644); err != nil {
			return err
		}
	}
	return summarize(out, results, len(mutants))
}

func matching(mutants []mutant, match *regexp.Regexp) []mutant {
	var some []mutant
	for _, m := range mutants {
		if match.MatchString(m.name) {
			some = append(some, m)
		}
	}
	return some
}

// summarize prints how it went, and returns an error unless every mutant that ran was killed.
func summarize(out io.Writer, results []result, total int) error {
	alive := 0
	for _, r := range results {
		if r.outcome != killed {
			alive++
			fmt.Fprintf(out, "\n%s: %s (%s:%d)\n%s", r.outcome, r.name, r.file, r.line, r.output)
		}
	}
	fmt.Fprintf(out, "\n%d mutants: %d killed, %d not killed, %d not run\n",
		total, len(results)-alive, alive, total-len(results))
	if alive > 0 {
		return fmt.Errorf("%d mutants were not killed by an assertion", alive)
	}
	return nil
}

// someOf names a dozen rows, and says how many more there are: a check that every token passes fails all of them.
func someOf(rows []string) string {
	const most = 12
	if len(rows) <= most {
		return strings.Join(rows, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(rows[:most], " "), len(rows)-most)
}

// markdown renders the results as the table of the page.
func markdown(results []result) []byte {
	var b strings.Builder
	b.WriteString("# Mutants\n\nEach row is a security check, the first test that fails when the check is removed, and the rows of the conformance matrix\n" +
		"([conformance](../conformance/README.md)) whose tests fail with it. `go run ./internal/mutants -write` writes this page, in about forty minutes.\n" +
		"An empty last cell is a check that no row asks for: its own test kills it.\n\n")
	fmt.Fprintf(&b, "%d checks.\n\n| check | file | killed by | rows that kill it |\n|---|---|---|---|\n", len(results))
	for _, r := range results {
		by := r.by
		if r.outcome != killed {
			by = "**" + r.outcome.String() + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.name, r.file, by, someOf(r.rows))
	}
	return []byte(b.String())
}
