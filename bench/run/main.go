// Command run measures Bearward beside raw cryptography and its peers, and writes the tables of
// bench/README.md and the plots.
//
// Everything that is compared runs interleaved in one process: a round runs each contestant once,
// in a new random order, and ratios are taken round by round, so that what else the machine does
// falls on both sides. Times in nanoseconds are of the machine and the hour; the ratios are the
// result.
//
// Usage: go run ./run [-quick] [-check] [-rounds n] [-slice duration] [-only regexp] [-write dir]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"
)

// A plan says how much to measure.
type plan struct {
	rounds int           // of each race; six are the least of which the sign test gives an interval
	slice  time.Duration // how long a contestant runs in a round
	quick  bool          // leave out the growth curves, which no goal is about
}

func main() {
	quick := flag.Bool("quick", false, "what the goals need and nothing else, in less than a minute")
	check := flag.Bool("check", false, "exit with 1 when a goal is missed by the whole of its interval, and the miss is not a known one")
	rounds := flag.Int("rounds", 0, "rounds of each race, at least 6 (default 20; quick: 8)")
	slice := flag.Duration("slice", 0, "how long each contestant runs in a round (default 40ms; quick: 20ms)")
	only := flag.String("only", "", "run only the suites whose name matches this regular expression")
	write := flag.String("write", "", "write the tables into README.md and the plots into plots/ of this folder")
	flag.Parse()

	p := plan{rounds: 20, slice: 40 * time.Millisecond, quick: *quick}
	if p.quick {
		p.rounds, p.slice = 8, 20*time.Millisecond
	}
	if *rounds > 0 {
		p.rounds = max(6, *rounds)
	}
	if *slice > 0 {
		p.slice = *slice
	}
	filter, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "run: -only:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := measureAll(ctx, p, filter)
	if err == nil {
		r.print(os.Stdout)
		if *write != "" {
			err = r.writeTo(*write)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(2)
	}
	if *check && r.failed() {
		os.Exit(1)
	}
}

// A suite measures one group of things into the report.
type suite struct {
	name    string
	growth  bool // no goal is about it
	measure func(context.Context, plan, *report) error
}

var suites = []suite{
	{"cold", false, cold},
	{"warm", false, warm},
	{"whole", false, whole},
	{"loopback", false, loopback},
	{"grpc", false, loopbackGRPC},
	{"keys", false, keyLookUp},
	{"hang", false, hang},
	{"garbage", false, garbage},
	{"unvouched", false, unvouched},
	{"proofs", false, proofs},
	{"first", false, first},
	{"certificates", false, certificates},
	{"introspection", false, introspection},
	{"flood", false, flood},
	{"redis", false, redis},
	{"gateway", false, gateway},
	{"growth", true, growth},
	{"replicas", true, replicas},
	{"stores", true, stores},
}

func measureAll(ctx context.Context, p plan, filter *regexp.Regexp) (*report, error) {
	r := newReport(p)
	for _, s := range suites {
		if !filter.MatchString(s.name) || s.growth && p.quick {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := s.measure(ctx, p, r); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "run: %-10s %v\n", s.name, time.Since(start).Round(time.Second))
	}
	return r, nil
}
