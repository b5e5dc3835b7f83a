package measure_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bearward/bearward/bench/measure"
)

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		name         string
		values       int
		lower, upper float64
	}{
		{"six values: all of them", 6, 1, 6},
		{"nine values: without the outermost", 9, 2, 8},
		{"twelve values: without the two outermost", 12, 3, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			var xs []float64
			for i := range c.values {
				xs = append(xs, float64(c.values-i))
			}
			if lower, upper := measure.Interval(xs); lower != c.lower || upper != c.upper {
				t.Errorf("got %v to %v, want %v to %v", lower, upper, c.lower, c.upper)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	if got := measure.Median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("of three: got %v, want 5", got)
	}
	if got := measure.Median([]float64{9, 1, 5, 7}); got != 6 {
		t.Errorf("of four: got %v, want 6", got)
	}
}

func TestRace(t *testing.T) {
	calls := 0
	a := measure.Of("a", func() error { calls++; return nil })
	b := measure.Of("b", func() error { _ = make([]byte, calls%2+1); return nil })
	if err := measure.Race(6, time.Millisecond, a, b); err != nil {
		t.Fatal(err)
	}
	if len(a.PerOp) != 6 || len(b.PerOp) != 6 || calls == 0 {
		t.Errorf("got %d and %d rounds, %d calls", len(a.PerOp), len(b.PerOp), calls)
	}
	if r := a.Over(b); r.Lower > r.Median || r.Median > r.Upper {
		t.Errorf("got %v, want the median inside the interval", r)
	}
	broken := errors.New("broken")
	if err := measure.Race(1, time.Millisecond, measure.Of("c", func() error { return broken })); !errors.Is(err, broken) {
		t.Errorf("got %v, want the contestant's error", err)
	}
}
