// Package fuzztest holds what fuzz tests have in common: bounds of the time and the memory that an
// input may cost.
package fuzztest

import (
	"runtime"
	"testing"
	"time"
)

// AllocatedBy returns how many bytes one call of f allocates, and a little of what else goes on.
func AllocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Bounded holds f, which reads input, to the bounds of row J-42: 10 ms, and 64 times the input's
// size (and 4 kB, for what an empty one costs). The best of a few attempts counts, since the
// machine does other things too.
func Bounded(t *testing.T, input string, f func()) {
	t.Helper()
	var bytes uint64
	var took time.Duration
	for range 5 {
		start := time.Now()
		bytes = AllocatedBy(f)
		if took = time.Since(start); took <= 10*time.Millisecond && bytes <= uint64(64*len(input)+4096) {
			return
		}
	}
	t.Errorf("%d bytes of input took %v and %d bytes", len(input), took, bytes)
}
