package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"

	"github.com/bearward/bearward/bench/measure"
)

// A report gathers what the suites measure.
type report struct {
	plan   plan
	start  time.Time
	goals  []goal
	tables []table
	plots  []figure
	notRun []string // goals that could not be measured here, and why
}

// A goal is a bound of the design, section 7, and what was measured.
type goal struct {
	what     string
	limit    float64
	atLeast  bool // the figure must not be below limit; otherwise not above
	measured measure.Ratio
	suite    string
	// reason says why the goal is known to be missed, and known is what takes its place in the
	// check until it is met.
	reason string
	known  float64
}

// missed reports whether the whole interval of what was measured lies on the wrong side.
func (g goal) missed() bool { return g.beyond(g.limit) }

// fails reports whether the check must fail: the goal is missed, and by more than is known and
// explained.
func (g goal) fails() bool { return g.missed() && (g.reason == "" || g.beyond(g.known)) }

func (g goal) beyond(limit float64) bool {
	if g.atLeast {
		return g.measured.Upper < limit
	}
	return g.measured.Lower > limit
}

// met reports whether the median is on the right side.
func (g goal) met() bool {
	if g.atLeast {
		return g.measured.Median >= g.limit
	}
	return g.measured.Median <= g.limit
}

func (g goal) outcome() string {
	switch {
	case g.fails() && g.reason != "":
		return "**missed**, and worse than known"
	case g.missed() && g.reason != "":
		return "missed: " + g.reason
	case g.missed():
		return "**missed**"
	case g.met():
		return "met"
	}
	return "within the noise"
}

// A table is one group of rows of the README.
type table struct {
	title, note string
	columns     []string
	rows        [][]string
}

// A figure is one plot.
type figure struct {
	file, title string
	plot        *plot.Plot
	height      vg.Length
}

func newReport(p plan) *report { return &report{plan: p, start: time.Now()} }

func (r *report) atMost(suite, what string, limit float64, measured measure.Ratio) {
	r.goals = append(r.goals, goal{what: what, limit: limit, measured: measured, suite: suite})
}

func (r *report) atLeast(suite, what string, limit float64, measured measure.Ratio) {
	r.goals = append(r.goals, goal{what: what, limit: limit, atLeast: true, measured: measured, suite: suite})
}

// count is atMost for figures that do not vary, such as allocations.
func (r *report) count(suite, what string, limit, measured float64) {
	r.atMost(suite, what, limit, measure.Ratio{Median: measured, Lower: measured, Upper: measured})
}

// knownMiss is atMost for a goal that is missed for a reason; the check fails above known.
func (r *report) knownMiss(suite, what string, limit float64, measured measure.Ratio, known float64, reason string) {
	r.goals = append(r.goals, goal{what: what, limit: limit, measured: measured, suite: suite, known: known, reason: reason})
}

// failed reports whether the check must fail.
func (r *report) failed() bool {
	for _, g := range r.goals {
		if g.fails() {
			return true
		}
	}
	return false
}

// compare adds a table of the contestants' times, each beside that of base.
func (r *report) compare(title, note string, base *measure.Contestant, cs []*measure.Contestant, remarks map[string]string) {
	t := table{title: title, note: note, columns: []string{"", "ns/op", "ratio (95 % interval)", "allocs/op", "does not check"}}
	for _, c := range cs {
		ratio := "1"
		if c != base {
			ratio = c.Over(base).String()
		}
		t.rows = append(t.rows, []string{c.Name, fmt.Sprintf("%.0f", c.Median()), ratio, fmt.Sprintf("%.0f", c.Allocs), remarks[c.Name]})
	}
	if len(remarks) == 0 {
		t.columns = t.columns[:4]
		for i := range t.rows {
			t.rows[i] = t.rows[i][:4]
		}
	}
	r.tables = append(r.tables, t)
}

func (r *report) goalTable() table {
	t := table{title: "Goals", columns: []string{"goal", "bound", "measured (95 % interval)", "", "measured by"},
		note: "Each is a median over the rounds. A goal is missed when its whole interval lies beyond the bound; `make bench-check` then fails, unless the " +
			"miss is known and no worse than that."}
	for _, g := range r.goals {
		sign := "at most"
		if g.atLeast {
			sign = "at least"
		}
		t.rows = append(t.rows, []string{g.what, fmt.Sprintf("%s %v", sign, g.limit), g.measured.String(), g.outcome(),
			"`go run ./run -only " + g.suite + "`"})
	}
	if len(r.notRun) > 0 {
		t.note += " Not run: " + strings.Join(r.notRun, "; ") + "."
	}
	return t
}

func (r *report) print(w io.Writer) {
	for _, t := range append([]table{r.goalTable()}, r.tables...) {
		fmt.Fprintln(w, t.markdown())
	}
}

func (t table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", t.title)
	if t.note != "" {
		fmt.Fprintf(&b, "%s\n\n", t.note)
	}
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(t.columns, " | "), strings.Repeat("---|", len(t.columns)))
	for _, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
}

// Between these lines the README is the report's.
const (
	begin = "<!-- measured: written by the run command -->"
	end   = "<!-- end of measured -->"
)

// writeTo writes the plots, and the tables into the README.
func (r *report) writeTo(dir string) error {
	readme := filepath.Join(dir, "README.md")
	old, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, found := strings.Cut(rest, end)
	if !ok || !found {
		return fmt.Errorf("%s has no place for the results", readme)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n\nMeasured on %s with %s, %s/%s, %d processors, %d rounds of %v, in %v.\n\n", r.start.Format(time.DateOnly), runtime.Version(),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), r.plan.rounds, r.plan.slice, time.Since(r.start).Round(time.Second))
	fmt.Fprintln(&b, r.goalTable().markdown())
	if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil {
		return err
	}
	for _, f := range r.plots {
		if err := f.save(filepath.Join(dir, "plots", f.file)); err != nil {
			return err
		}
		fmt.Fprintf(&b, "![%s](plots/%s)\n\n", f.title, f.file)
	}
	for _, t := range r.tables {
		fmt.Fprintln(&b, t.markdown())
	}
	return os.WriteFile(readme, []byte(head+begin+b.String()+end+tail), 0o644)
}
