package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const workers = 2 // tests started at a time

// An outcome is what the tests made of a mutant. Of several test binaries' outcomes the greatest
// counts, but killed wins over all.
type outcome int

const (
	unreached outcome = iota // no test evaluated it
	survived                 // reached, and every test passed
	timedOut                 // reached, and the tests ran out of time
	crashed                  // reached, and the tests ended without an assertion's failure
	killed                   // reached, and an assertion failed
)

func (o outcome) String() string {
	return [...]string{"UNREACHED", "SURVIVED", "TIMED OUT", "CRASHED", "killed"}[o]
}

// A result is what came of one mutant.
type result struct {
	mutant
	outcome outcome
	by      string   // the first test that failed, when killed
	rows    []string // of the conformance matrix that kill it, when they were asked for
	output  string   // the end of what the tests printed, when they crashed or ran out of time
	elapsed time.Duration
}

// A testBinary is the built test binary of one package.
type testBinary struct {
	path    string // import path of the package under test
	dir     string
	deps    map[string]bool // import paths that the binary links
	binary  string
	timeout time.Duration // on one mutant, once it is ready
	ready   func() error  // builds the binary when it is first asked for, and runs it without a mutant
}

// A suite holds the test binaries of a module, and of modules below it.
type suite struct {
	module   string // import path
	binaries []*testBinary
	known    page          // what killed them before
	rowTests rowTests      // when the rows that kill a mutant are asked for
	folder   string        // temporary, for binaries and traces
	timeout  time.Duration // of one test binary on one mutant, at least
}

// newSuite finds the packages whose tests link a mutant's package.
func newSuite(ctx context.Context, root string, mutants []mutant, mutated map[string][]byte) (*suite, error) {
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	c := &suite{folder: folder, timeout: time.Minute}
	overlay, err := c.overlay(root, mutated)
	if err == nil {
		err = c.list(ctx, root, mutants)
	}
	if err != nil {
		c.remove()
		return nil, err
	}
	slices.SortStableFunc(c.binaries, func(a, b *testBinary) int { return cmp.Compare(len(a.deps), len(b.deps)) })
	for i, j := range c.binaries {
		j.binary = filepath.Join(c.folder, fmt.Sprintf("%d.exe", i)) // Windows starts nothing without the suffix
		j.ready = sync.OnceValue(func() error { return c.build(ctx, j, overlay) })
	}
	return c, nil
}

func (c *suite) remove() { os.RemoveAll(c.folder) }

const (
	patience = 5 * time.Minute // with tests without a mutant, on a machine that has much to do
	slack    = 5               // how many times as long they may take with one
)

// build builds the tests of j, and runs them once without a mutant: tests that fail by themselves
// would kill everything.
func (c *suite) build(ctx context.Context, j *testBinary, overlay string) error {
	if _, err := command(ctx, j.dir, "go", "test", "-c", "-overlay", overlay, "-o", j.binary, j.path); err != nil {
		return err
	}
	began := time.Now()
	if out, err := c.start(ctx, j, "", os.DevNull, patience); err != nil {
		return fmt.Errorf("without a mutant, the tests of %s: %w\n%s", j.path, err, out)
	}
	j.timeout = max(c.timeout, slack*time.Since(began))
	return nil
}

// overlay writes the mutated files beside each other and returns the name of the file that puts
// them in the originals' place.
func (c *suite) overlay(root string, mutated map[string][]byte) (string, error) {
	replace := map[string]string{}
	for name, src := range mutated {
		original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		replace[original] = filepath.Join(c.folder, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[original], src, 0o600); err != nil {
			return "", err
		}
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(c.folder, "overlay.json")
	return name, os.WriteFile(name, content, 0o600)
}

// list fills in the module's path and its packages that have tests, with what those link. A module
// below root that mutants stand in has test binaries of its own, of its own checks alone: those of
// root are tried with root's tests.
func (c *suite) list(ctx context.Context, root string, mutants []mutant) error {
	module, err := command(ctx, root, "go", "list", "-m")
	if err != nil {
		return err
	}
	c.module = strings.TrimSpace(string(module))
	if err := c.listModule(ctx, root, ""); err != nil {
		return err
	}
	for _, below := range modulesOf(root, mutants) {
		if err := c.listModule(ctx, filepath.Join(root, below), path.Join(c.module, below)); err != nil {
			return err
		}
	}
	return nil
}

// modulesOf returns the folders of the modules below root that mutants stand in, relative to it.
func modulesOf(root string, mutants []mutant) []string {
	var all []string
	for _, m := range mutants {
		for dir := path.Dir(m.file); dir != "."; dir = path.Dir(dir) {
			if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
				all = append(all, dir)
				break
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// listModule adds the test binaries of the module in dir. They test the checks of packages whose
// import path is only's or below it.
func (c *suite) listModule(ctx context.Context, dir, only string) error {
	listed, err := command(ctx, dir, "go", "list", "-test", "-json=ImportPath,Dir,Deps", "./...")
	if err != nil {
		return err
	}
	for dec := json.NewDecoder(bytes.NewReader(listed)); ; {
		var p struct {
			ImportPath, Dir string
			Deps            []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		under, isTest := strings.CutSuffix(p.ImportPath, ".test")
		if !isTest {
			continue
		}
		j := &testBinary{path: under, dir: p.Dir, deps: map[string]bool{}}
		for _, d := range p.Deps {
			d, _, _ = strings.Cut(d, " ") // a variant is listed as "path [path.test]"
			if only == "" || d == only || strings.HasPrefix(d, only+"/") {
				j.deps[d] = true
			}
		}
		c.binaries = append(c.binaries, j)
	}
}

func (c *suite) packageOf(m mutant) string { return path.Join(c.module, path.Dir(m.file)) }

// tryAll tries the mutants, a few at a time, and returns the results in the mutants' order. It
// starts none once limit has passed, unless limit is 0. It calls each as soon as it has a result,
// never twice at a time.
func (c *suite) tryAll(ctx context.Context, mutants []mutant, limit time.Duration, each func(result)) ([]result, error) {
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		results = make([]*result, len(mutants))
		next    = make(chan int)
		over    <-chan time.Time
		broken  error
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if limit > 0 {
		over = time.After(limit)
	}
	for range workers {
		wg.Go(func() {
			for i := range next {
				r, err := c.try(ctx, mutants[i])
				if ctx.Err() != nil {
					continue // a test that was interrupted says nothing
				}
				mu.Lock()
				if err != nil {
					broken = cmp.Or(broken, err)
					cancel()
				} else {
					results[i] = &r
					each(r)
				}
				mu.Unlock()
			}
		})
	}
feed:
	for i := range mutants {
		select {
		case next <- i:
		case <-over:
			break feed
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	var done []result
	for _, r := range results {
		if r != nil {
			done = append(done, *r)
		}
	}
	return done, cmp.Or(broken, ctx.Err())
}

// try asks the test that killed m when the page was written, and then one test binary after another
// until one kills m: that of m's own package first, and the others from the nearest to those that
// link most.
func (c *suite) try(ctx context.Context, m mutant) (result, error) {
	began := time.Now()
	own := c.packageOf(m)
	best, err := c.askKiller(ctx, m)
	if err != nil {
		return best, err
	}
	for _, first := range []bool{true, false} {
		for _, j := range c.binaries {
			if best.outcome == killed || (j.path == own) != first || !j.deps[own] {
				continue
			}
			if err := j.ready(); err != nil {
				return best, err
			}
			if r := c.ask(ctx, m, j); r.outcome > best.outcome {
				best = r
			}
		}
	}
	if c.rowTests != nil && best.outcome == killed {
		if best.rows, err = c.rowsThatKill(ctx, m, c.rowTests); err != nil {
			return best, err
		}
	}
	best.elapsed = time.Since(began)
	return best, nil
}

// askKiller asks the test that killed m when the page was written. What comes of any other outcome
// than killed is for the whole packages to tell.
func (c *suite) askKiller(ctx context.Context, m mutant) (result, error) {
	pkg, test := c.known.killer(m.name)
	for _, j := range c.binaries {
		if test == "" || j.path != path.Join(c.module, pkg) || !j.deps[c.packageOf(m)] {
			continue
		}
		if err := j.ready(); err != nil {
			return result{mutant: m}, err
		}
		if r := c.ask(ctx, m, j, "-test.run=^"+test+"$"); r.outcome == killed {
			return r, nil
		}
	}
	return result{mutant: m}, nil
}

// attempts is how often a test binary is asked whose tests failed before they came to the mutant:
// something else made one fail.
const attempts = 3

// ask runs one test binary's tests against m, those that flags choose.
func (c *suite) ask(ctx context.Context, m mutant, j *testBinary, flags ...string) result {
	for range attempts - 1 {
		if r, failedElsewhere := c.askOnce(ctx, m, j, flags); !failedElsewhere {
			return r
		}
	}
	r, _ := c.askOnce(ctx, m, j, flags)
	return r
}

func (c *suite) askOnce(ctx context.Context, m mutant, j *testBinary, flags []string) (r result, failedElsewhere bool) {
	r = result{mutant: m}
	trace, err := os.CreateTemp(c.folder, "reached")
	if err != nil {
		r.outcome, r.output = crashed, err.Error()
		return r, false
	}
	trace.Close()
	defer os.Remove(trace.Name())
	out, err := c.start(ctx, j, m.name, trace.Name(), j.timeout, flags...)
	reached, readErr := os.ReadFile(trace.Name())
	if readErr != nil || !slices.Contains(strings.Fields(string(reached)), m.name) {
		r.output = out[max(0, len(out)-2000):]
		return r, err != nil
	}
	r.outcome, r.by = outcomeOf(out, err)
	switch r.outcome {
	case killed:
		r.by = strings.TrimPrefix(j.path, c.module+"/") + " " + r.by
	case crashed, timedOut:
		r.output = out[max(0, len(out)-2000):]
	}
	return r, false
}

// start runs one test binary's tests in its package's folder, against the named mutant, or none,
// and returns what they printed.
func (c *suite) start(ctx context.Context, j *testBinary, name, trace string, timeout time.Duration, flags ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+10*time.Second) // the tests' own limit should strike first
	defer cancel()
	cmd := exec.CommandContext(ctx, j.binary, append(flags, "-test.short", "-test.failfast", "-test.timeout="+timeout.String())...)
	cmd.Dir = j.dir
	cmd.Env = append(os.Environ(), "MUTANT="+name, "MUTANT_REACHED="+trace)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// outcomeOf tells what a test binary's output and exit mean, and names the first test that failed.
func outcomeOf(output string, err error) (outcome, string) {
	if err == nil {
		return survived, ""
	}
	by := firstFailure(output)
	var exit *exec.ExitError
	switch {
	case strings.Contains(output, "panic: test timed out"):
		return timedOut, ""
	case errors.As(err, &exit) && exit.ExitCode() == 1 && by != "": // a panic exits with 2
		return killed, by
	}
	return crashed, ""
}

// firstFailure returns the first test that the output calls failed, down to its first failed
// subtest.
func firstFailure(output string) string {
	name, depth := "", -1
	for line := range strings.Lines(output) {
		rest := strings.TrimLeft(line, " ")
		indent := len(line) - len(rest)
		failed, ok := strings.CutPrefix(rest, "--- FAIL: ")
		if !ok {
			continue
		}
		if indent <= depth {
			break
		}
		depth = indent
		name, _, _ = strings.Cut(failed, " (")
	}
	return strings.TrimSpace(name)
}

func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}
