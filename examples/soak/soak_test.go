//go:build unix

// Package soak_test lets two replicas of an API run for a while behind all adapters, while
// everything that they depend on changes and fails, and compares each answer with a model.
package soak_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A footprint is what the process holds.
type footprint struct{ goroutines, files, heap int }

func measure() footprint {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // none where there is no /proc
	return footprint{goroutines: runtime.NumGoroutine(), files: len(files), heap: int(m.HeapAlloc)}
}

func (p footprint) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %.1f MB", p.goroutines, p.files, float64(p.heap)/1e6)
}

// TestEverything runs for four seconds, or as long as SOAK_TIME says.
func TestEverything(t *testing.T) {
	length := 4 * time.Second
	if text := os.Getenv("SOAK_TIME"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		t.Skip("takes real time")
	}
	before := measure()
	w := newWorld(t)
	w.warm()
	a := newTally()
	began := measure()
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { w.happen(ctx) })
	all.Go(func() { w.watch(ctx, a) })
	for range 8 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if w.one(a); n%40 == 0 {
					w.replay(a)
				}
			}
		})
	}
	var samples []footprint
	for sample := time.Tick(length / 6); len(samples) < 5; {
		<-sample
		samples = append(samples, measure())
		t.Logf("after %d/6: %v", len(samples), samples[len(samples)-1])
	}
	all.Wait()
	early, late := samples[1], samples[4] // all streams are open then
	w.close()
	closed := measure()
	for deadline := time.Now().Add(patience); closed.goroutines > before.goroutines+20 && time.Now().Before(deadline); closed = measure() {
		time.Sleep(100 * time.Millisecond) // polls: connections end by and by
	}
	t.Logf("figure: soak of everything for %v: %d answers, %d of them wrong; %v", length, a.total, len(a.wrong), w.events)
	t.Logf("figure: at start %v; after a third %v; after five sixths %v; closed %v, and %v before", began, early, late, closed, before)
	t.Logf("%s\n%s", table(a.counts), table(a.atFront))
	for n, wrong := range a.wrong {
		if n == 20 {
			t.Errorf("and %d more", len(a.wrong)-n)
			break
		}
		t.Error(wrong)
	}
	if length >= 20*time.Second {
		a.complete(t, w)
	}
	if late.goroutines > early.goroutines+60 || late.files > early.files+60 || late.heap > 2*early.heap+8<<20 {
		t.Errorf("grown from %v to %v", early, late)
	}
	if closed.goroutines > before.goroutines+20 || closed.files > before.files+20 {
		t.Errorf("when all is closed there are %v, and there were %v", closed, before)
	}
}

// complete fails the test when a kind of request was not made, or a front accepted nobody.
func (a *tally) complete(t *testing.T, w *world) {
	t.Helper()
	for _, k := range kinds {
		if len(a.counts[k.name]) == 0 {
			t.Errorf("%s: not one request", k.name)
		}
	}
	for _, k := range courses {
		if len(a.counts[k.name]) == 0 {
			t.Errorf("%s: not one", k.name)
		}
	}
	for _, f := range w.replicas[0].fronts {
		if a.atFront[f.name][200] == 0 || a.atFront[f.name][401] == 0 || a.atFront[f.name][403] == 0 {
			t.Errorf("%s answered %v, and was to accept and to refuse", f.name, a.atFront[f.name])
		}
	}
}

// warm lets every replica know the keys.
func (w *world) warm() {
	for _, r := range w.replicas {
		for _, f := range r.fronts {
			for _, n := range w.tenants[:2] {
				for range 500 {
					if f.send(f, call{scheme: "Bearer", token: n.kept[0]}).status == 200 {
						break
					}
					time.Sleep(10 * time.Millisecond) // polls
				}
			}
		}
	}
}

// table prints how often each status came.
func table(counts map[string]map[int]int) string {
	var b strings.Builder
	for _, of := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%-50s", of)
		for _, status := range slices.Sorted(maps.Keys(counts[of])) {
			fmt.Fprintf(&b, "  %d: %d", status, counts[of][status])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
