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
	w := newWorld(t)
	w.warm()
	a := &tally{counts: map[string]map[int]int{}}
	began := measure()
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { w.happen(ctx) })
	var early footprint
	for range 8 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if w.one(a); n%40 == 0 {
					w.replay(a)
				}
			}
		})
	}
	select {
	case <-time.After(length / 3):
		early = measure()
	case <-ctx.Done():
	}
	all.Wait()
	late := measure()
	w.close()
	t.Logf("figure: soak of everything for %v:\n%s", length, a.table())
	t.Logf("figure: at start %v; after a third %v; at the end %v; closed %v", began, early, late, measure())
	for n, wrong := range a.wrong {
		if n == 20 {
			t.Errorf("and %d more", len(a.wrong)-n)
			break
		}
		t.Error(wrong)
	}
	for _, k := range kinds {
		if length >= 20*time.Second && len(a.counts[k.name]) == 0 {
			t.Errorf("%s: not one request", k.name)
		}
	}
	if late.goroutines > early.goroutines+60 || late.files > early.files+60 || late.heap > 2*early.heap+8<<20 {
		t.Errorf("grown from %v to %v", early, late)
	}
}

// warm lets every replica know the keys.
func (w *world) warm() {
	for _, r := range w.replicas {
		for _, f := range r.fronts {
			for _, n := range w.tenants[:2] {
				for range 500 {
					if r.send(f, call{scheme: "Bearer", token: n.kept}) == 200 {
						break
					}
					time.Sleep(10 * time.Millisecond) // polls
				}
			}
		}
	}
}

func (a *tally) table() string {
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(a.counts)) {
		fmt.Fprintf(&b, "%-50s", kind)
		for _, status := range slices.Sorted(maps.Keys(a.counts[kind])) {
			fmt.Fprintf(&b, "  %d: %d", status, a.counts[kind][status])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
