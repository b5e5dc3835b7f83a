package main

import (
	"testing"
	"time"
)

func TestWaits(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 15, 16, 31, 32, 33, 999, 12345, 200 * time.Millisecond, time.Hour} {
		var w waits
		w.add(d)
		got, want := w.quantile(1), float64(d)/1e3
		if got > want || got < want*15/16 {
			t.Errorf("%v: got %v us, want %v or up to a sixteenth less", d, got, want)
		}
	}
	var w waits
	for i := range 100 {
		w.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]float64{0.5: 50e3, 0.99: 99e3, 1: 100e3} {
		if got := w.quantile(q); got > want || got < want*15/16 {
			t.Errorf("quantile %v: got %v us, want %v", q, got, want)
		}
	}
	if w.slow != 99 || w.longest != 100*time.Millisecond || w.n != 100 {
		t.Errorf("%d of %d over 1 ms, the longest %v", w.slow, w.n, w.longest)
	}
}
