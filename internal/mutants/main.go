// Command mutants removes each security check of the module in turn and tells whether a test
// notices.
//
// A comment at the end of a line marks the check that stands there:
//
//	if len(raw) > max { // check: token-size
//
// The mutant's name is the folder's and the mark's, "middleware/token-size". When it is on, the
// condition of an if or a case is false, a returned bool is true, and any other statement is passed
// over. An entry of replacements.go gives the condition, the value or the statement instead; a mark
// on a line of its own needs one, and its code then stands at that line. A mark that names no
// check, and an entry without a mark, fail the run. The sources are built as they are: an overlay
// of the go command carries the mutants, so nothing that is shipped can ever switch a check off.
//
// Each package's tests are built once, with every mutant in them, when they are first asked, and
// run once per mutant with MUTANT set to its name: the test that killed it when README.md
// was written first, then the tests of the check's own package, then those of every package that
// links it, until one kills it. A mutant is killed when it was reached and an assertion failed. One
// that makes the tests crash or run out of time is not: nothing has said what is wrong.
//
// With -for, checks in files that the branch changed are tried first, and then the others, from a
// place that the commit's hash tells: each commit tries another share. With -write, the page says
// what killed each mutant; lines of mutants that did not run stay as they are. With -rows too,
// every test that carries rows of the conformance matrix is asked, and the page says which rows
// kill which mutant. With -new, only what the page lacks is tried.
//
// Usage: go run ./internal/mutants [-list] [-run regexp] [-new] [-for duration] [-write [-rows]]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"time"
)

// mutantPackage tells the built tests which mutant is on.
const mutantPackage = "github.com/bearward/bearward/internal/mutant"

// rooms are the folders whose checks have mutants.
var rooms = []string{"jwks", "middleware", "adapters", "internal", "cmd"}

// flags are what the command line says.
type flags struct {
	list, fresh, write, rows bool
	only                     string
	limit                    time.Duration
}

func main() {
	var f flags
	flag.BoolVar(&f.list, "list", false, "list the mutants and where they are, and run none")
	flag.StringVar(&f.only, "run", "", "run only the mutants whose name matches this `regexp`")
	flag.BoolVar(&f.fresh, "new", false, "run only the mutants that "+pageFile+" lacks")
	flag.DurationVar(&f.limit, "for", 0, "start no mutant after this long, and begin with what changed; 0: run all")
	flag.BoolVar(&f.write, "write", false, "write what came out into "+pageFile)
	flag.BoolVar(&f.rows, "rows", false, "with -write, ask which rows of the conformance matrix kill each mutant")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, f); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, f flags) error {
	if f.rows && !f.write {
		return errors.New("-rows needs -write")
	}
	match, err := regexp.Compile(f.only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	all, mutated, err := find(".", rooms, replacements)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(pageFile)
	if err != nil {
		return err
	}
	known := readPage(string(text))
	mutants := slices.DeleteFunc(slices.Clone(all), func(m mutant) bool {
		_, there := known[m.name]
		return !match.MatchString(m.name) || f.fresh && there
	})
	if len(mutants) == 0 {
		if f.fresh {
			fmt.Fprintf(out, "%s lacks none\n", pageFile)
			return nil
		}
		return fmt.Errorf("no mutant matches %q", f.only)
	}
	if f.list {
		for _, m := range mutants {
			fmt.Fprintf(out, "%s\t%s:%d\n", m.name, m.file, m.line)
		}
		return nil
	}
	if f.limit > 0 {
		mutants = order(mutants, changedFiles(ctx, "."), head(ctx, "."))
	}
	results, err := tryThem(ctx, out, mutants, mutated, known, f)
	if err != nil {
		return err
	}
	if f.write {
		known.merge(results, f.rows)
	}
	if n := known.lacks(all); n > 0 {
		fmt.Fprintf(out, "%s lacks %d checks: go run ./internal/mutants -new -write\n", pageFile, n)
	}
	if f.write {
		if err := os.WriteFile(pageFile, known.markdown(all), 0o644); err != nil {
			return err
		}
	}
	return summarize(out, results, len(mutants))
}

// tryThem builds what the mutants need, and tries them.
func tryThem(ctx context.Context, out io.Writer, mutants []mutant, mutated map[string][]byte, known page, f flags) ([]result, error) {
	c, err := newSuite(ctx, ".", mutants, mutated)
	if err != nil {
		return nil, err
	}
	defer c.remove()
	c.known = known
	if f.write && f.rows {
		if c.rowTests, err = readRowTests(); err != nil {
			return nil, err
		}
	}
	return c.tryAll(ctx, mutants, f.limit, func(r result) {
		fmt.Fprintf(out, "%-9s  %-40s  %-60s  %4.1f s\n", r.outcome, r.name, r.by, r.elapsed.Seconds())
	})
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
