// Package measure times contestants side by side, and says how sure one can be of the ratio of two.
package measure

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

// A Contestant is one thing to time.
type Contestant struct {
	Name string
	// Run does the work n times.
	Run func(n int) error
	// PerOp is set by Race: nanoseconds of one operation, one value per round.
	PerOp []float64
	// Allocs is set by Race: allocations of one operation.
	Allocs float64

	n int
}

// Of returns a Contestant for one operation.
func Of(name string, op func() error) *Contestant {
	return &Contestant{Name: name, Run: func(n int) error {
		for range n {
			if err := op(); err != nil {
				return err
			}
		}
		return nil
	}}
}

// serverHeap is memory that is held during a race, in bytes: beside a heap of nothing the garbage
// collector would run in nearly every turn, no matter whose.
const serverHeap = 4 << 20

// chops is how often each contestant's turn comes in a round.
const chops = 16

// Race times the contestants in so many rounds. In a round each of them runs for about slice, in
// many short turns that come round in a new random order each time; its figure is the mean of its
// undisturbed turns. So what disturbs the machine for longer than a turn disturbs all of them, and
// what disturbs one turn does not count. Race fails when one of them does.
func Race(rounds int, slice time.Duration, cs ...*Contestant) error {
	for _, c := range cs {
		if err := c.calibrate(slice / chops); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		c.PerOp = c.PerOp[:0]
	}
	heap := make([]byte, serverHeap)
	defer runtime.KeepAlive(heap)
	order := slices.Clone(cs)
	turns := make(map[*Contestant][]float64, len(cs))
	for range rounds {
		runtime.GC()
		clear(turns)
		for range chops {
			rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for _, c := range order {
				start := time.Now()
				if err := c.Run(c.n); err != nil {
					return fmt.Errorf("%s: %w", c.Name, err)
				}
				turns[c] = append(turns[c], float64(time.Since(start))/float64(c.n))
			}
		}
		for _, c := range cs {
			c.PerOp = append(c.PerOp, undisturbed(turns[c]))
		}
	}
	return nil
}

// undisturbed returns the mean of the turns that took less than twice the median one. A turn in
// which the garbage of a contestant was collected counts, one in which the machine did something
// else does not.
func undisturbed(turns []float64) float64 {
	limit, sum, n := 2*Median(turns), 0.0, 0
	for _, t := range turns {
		if t <= limit {
			sum += t
			n++
		}
	}
	return sum / float64(n)
}

// calibrate finds how many operations take about a turn, which also warms everything up, and counts
// allocations.
func (c *Contestant) calibrate(turn time.Duration) error {
	if err := c.Run(8); err != nil { // whatever happens the first few times only
		return err
	}
	for c.n = 1; ; c.n *= 2 {
		start := time.Now()
		if err := c.Run(c.n); err != nil {
			return err
		}
		if took := time.Since(start); took > turn/4 {
			c.n = max(1, int(float64(c.n)*float64(turn)/float64(took)))
			break
		}
	}
	const runs = 100
	var err error
	c.Allocs = math.Round(testing.AllocsPerRun(1, func() { err = c.Run(runs) }) / runs)
	return err
}

// Median is the median time of one operation, in nanoseconds.
func (c *Contestant) Median() float64 { return Median(c.PerOp) }

// A Ratio compares two contestants of one race, or is another figure that each round gives one of.
type Ratio struct {
	Rounds       []float64
	Median       float64
	Lower, Upper float64 // of the 95 % interval of the median
}

// Over returns the ratio of c to other, round by round.
func (c *Contestant) Over(other *Contestant) Ratio {
	rounds := make([]float64, len(c.PerOp))
	for i := range rounds {
		rounds[i] = c.PerOp[i] / other.PerOp[i]
	}
	return RatioOf(rounds)
}

// RatioOf returns the median of rounds with its interval.
func RatioOf(rounds []float64) Ratio {
	lower, upper := Interval(rounds)
	return Ratio{Rounds: rounds, Median: Median(rounds), Lower: lower, Upper: upper}
}

// Short is the median without its interval.
func (r Ratio) Short() string { return fmt.Sprintf("%.3g", r.Median) }

func (r Ratio) String() string { return fmt.Sprintf("%.3g (%.3g to %.3g)", r.Median, r.Lower, r.Upper) }

// Median returns the median of xs, and NaN of none.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	if m := len(s) / 2; len(s)%2 == 1 {
		return s[m]
	} else {
		return (s[m-1] + s[m]) / 2
	}
}

// Quantile returns the value below which the share q of xs lies.
func Quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// Interval returns the 95 % interval of the median of xs that the sign test gives: it asks nothing
// of how the values are spread. Of fewer than six values it is all of them, and less sure.
func Interval(xs []float64) (lower, upper float64) {
	if len(xs) == 0 {
		return math.NaN(), math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	n := len(s)
	// The largest k for which the median lies beyond the k-th smallest or largest value with at
	// most 5 % chance.
	k, tail, p := 0, 0.0, math.Pow(0.5, float64(n))
	for i := 0; i < n/2; i++ {
		tail += p
		if 2*tail > 0.05 {
			break
		}
		k = i
		p *= float64(n-i) / float64(i+1)
	}
	return s[k], s[n-1-k]
}
