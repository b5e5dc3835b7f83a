package jwks_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// gaps returns the times between requests.
func gaps(all []request) []time.Duration {
	var g []time.Duration
	for n := 1; n < len(all); n++ {
		g = append(g, all[n].at.Sub(all[n-1].at))
	}
	return g
}

func TestK02_RefreshComesBeforeTheIntervalEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(after(time.Second, body(keySet("a"))))
		c := warm(t, i)
		for range 3600 { // twelve hours
			began := time.Now()
			check(t, c, "a", "served")
			if time.Since(began) != 0 {
				t.Error("a request waited for the refresh")
			}
			sleep(12 * time.Second)
		}
		all := gaps(i.seen())
		if len(all) < 70 || slices.Max(all) > 9*time.Minute || slices.Min(all) < 7*time.Minute {
			t.Errorf("%d refreshes, %v to %v apart; want at least 70, 7 to 9 min apart", len(all), slices.Min(all), slices.Max(all))
		}
	})
}

func TestK03_RefreshesOfReplicasAreSpread(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var next []time.Duration
		for range 200 {
			c := warm(t, newIssuer("a"))
			next = append(next, time.Until(c.Status().Next))
		}
		// 480 s and a tenth either way.
		low, high := slices.Min(next), slices.Max(next)
		if low < 432*time.Second || high > 528*time.Second {
			t.Errorf("%v to %v, want within 432 s to 528 s", low, high)
		}
		if high-low < 60*time.Second {
			t.Errorf("200 replicas refresh within %v, want them spread over more than 60 s", high-low)
		}
	})
}

func TestK04_LoopOutlivesTenThousandFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		i.answer(status(http.StatusInternalServerError))
		for minutes := 0; i.count() < 10_000; minutes++ {
			if minutes > 60_000 {
				t.Fatalf("only %d fetches in 1,000 h", i.count())
			}
			sleep(time.Minute)
		}
		i.answer(nil)
		sleep(time.Minute)
		check(t, c, "a", "served")
	})
}

func TestK05_BackoffGrowsIsCappedAndHoldsForEveryTrigger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c, err := jwks.NewSeeded(keySetURL, &jwks.Options{Client: &http.Client{Transport: i}}, func() float64 { return 1 })
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		check(t, c, "a", "served")
		i.answer(status(http.StatusInternalServerError))
		sleep(9 * time.Minute) // the refresh fails, and the back-off begins
		sleep(10 * time.Minute)
		want := []time.Duration{1, 2, 4}
		for len(want) < 26 { // for two minutes of outage
			want = append(want, 5)
		}
		want = append(want, 10, 20, 40, 60, 60, 60)
		for n := range want {
			want[n] *= time.Second
		}
		if all := gaps(i.seen())[1:]; len(all) < len(want) || !slices.Equal(all[:len(want)], want) {
			t.Errorf("failures came %v apart, want %v", all, want)
		}

		// In the middle of a back-off nothing else fetches.
		before := i.count()
		for range 10 {
			check(t, c, "unknown", "not judged")
			if c.Refresh(t.Context()) == nil {
				t.Error("Refresh says that all is well")
			}
		}
		if got := i.count() - before; got != 0 {
			t.Errorf("%d fetches during the back-off, want none", got)
		}
	})
}

func TestBackoffIsRandomUnderItsBound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var next []time.Duration
		for range 100 {
			i := newIssuer()
			i.answer(status(http.StatusInternalServerError))
			c := open(t, i)
			c.Refresh(t.Context())
			next = append(next, time.Until(c.Status().Next))
		}
		if low, high := slices.Min(next), slices.Max(next); low < 100*time.Millisecond || high > time.Second || high-low < 500*time.Millisecond {
			t.Errorf("first back-offs of %v to %v, want them spread over 0.1 s to 1 s", low, high)
		}
	})
}

func TestBackoffIsAtMostFiveSecondsWhileNothingIsHeld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(status(http.StatusInternalServerError))
		c := open(t, i)
		sleep(time.Hour)
		if most := slices.Max(gaps(i.seen())); most > 5*time.Second {
			t.Errorf("fetches came up to %v apart, want at most 5 s", most)
		}
		i.answer(nil)
		sleep(5 * time.Second)
		check(t, c, "a", "served")
	})
}

func TestRetryAfterIsHonouredWithinBounds(t *testing.T) {
	for name, c := range map[string]struct {
		code     int
		value    string
		min, max time.Duration
	}{
		"429 in seconds":           {429, "20", 20 * time.Second, 20 * time.Second},
		"503 in seconds":           {503, "20", 20 * time.Second, 20 * time.Second},
		"503 far beyond the bound": {503, "86400", time.Minute, time.Minute},
		"503 beyond any number":    {503, strings.Repeat("9", 40), time.Minute, time.Minute},
		"503 as a date":            {503, "Sat, 01 Jan 2000 00:00:30 GMT", 29 * time.Second, 30 * time.Second},
		"503 with rubbish":         {503, "soon", 0, time.Second},
		"429 negative":             {429, "-5", 0, time.Second},
		"500 has none":             {500, "20", 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				i := newIssuer()
				i.answer(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", c.value)
					w.WriteHeader(c.code)
				})
				cache := open(t, i)
				cache.Refresh(t.Context())
				if next := time.Until(cache.Status().Next); next < c.min || next > c.max {
					t.Errorf("next fetch in %v, want %v to %v", next, c.min, c.max)
				}
			})
		})
	}
}

func TestK25_CacheControlShortensTheIntervalOnly(t *testing.T) {
	for name, c := range map[string]struct {
		header   string
		interval time.Duration
	}{
		"none":                    {"", 10 * time.Minute},
		"five minutes":            {"max-age=300, must-revalidate", 5 * time.Minute},
		"quoted":                  {`public, Max-Age="300"`, 5 * time.Minute},
		"15 s is under the floor": {"public, max-age=15", time.Minute},
		"no-store":                {"no-store", time.Minute},
		"no-cache":                {"no-cache, max-age=300", time.Minute},
		"38 days":                 {"max-age=3293198", 10 * time.Minute},
		"rubbish":                 {"max-age=soon", 10 * time.Minute},
		"negative":                {"max-age=-1", 10 * time.Minute},
		"for shared caches":       {"s-maxage=60", 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				i := newIssuer()
				i.answer(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", c.header)
					io.WriteString(w, keySet("a"))
				})
				next := time.Until(warm(t, i).Status().Next)
				if low, high := c.interval*72/100, c.interval*88/100; next < low || next > high {
					t.Errorf("next fetch in %v, want %v to %v", next, low, high)
				}
			})
		})
	}
}

// Time in a bubble has no monotonic part, so this looks at real time and at the source.
func TestK27_AgesAreMonotonic(t *testing.T) {
	at := warm(t, newIssuer("a")).Status().LastGood
	if !strings.Contains(at.String(), " m=") {
		t.Errorf("the time of the last good fetch, %v, has no monotonic reading", at)
	}
	stripping := []string{"Round", "Truncate", "UTC", "Local", "In", "Unix", "UnixMilli", "UnixNano", "AddDate"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "snapshot.go" { // the file outlives the process
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(stripping, sel.Sel.Name) {
				t.Errorf("%s: %s takes the monotonic reading off a time", name, sel.Sel.Name)
			}
			return true
		})
	}
}

// N7: after an outage of up to two minutes a cache with keys fetches again within 5 s, on any
// schedule, and waiting callers change nothing about that.
func TestK05_RecoveryAfterAShortOutageTakesFiveSeconds(t *testing.T) {
	for _, outage := range []time.Duration{10 * time.Second, time.Minute, 119 * time.Second} {
		var longest, sum time.Duration
		const runs = 60
		for range runs {
			bubble(t, func(t *testing.T) {
				i := newIssuer("a")
				c := warm(t, i)
				i.answer(status(http.StatusServiceUnavailable))
				sleep(time.Until(c.Status().Next)) // the first failure
				began := time.Now()
				for time.Since(began) < outage {
					check(t, c, "a", "served")
					answerOf(c, "unknown")
					sleep(time.Second)
				}
				i.answer(nil)
				back := time.Now()
				for c.Status().State != jwks.StateFresh {
					sleep(100 * time.Millisecond)
				}
				longest, sum = max(longest, time.Since(back)), sum+time.Since(back)
			})
		}
		figure(t, "after an outage of %v: keys fetched again after %v on average, %v at worst", outage, sum/runs, longest)
		if longest > 5*time.Second+100*time.Millisecond {
			t.Errorf("after an outage of %v: took up to %v, want 5 s", outage, longest)
		}
	}
}
