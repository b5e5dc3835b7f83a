package jwks_test

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
)

// A fleet is replicas of one API, each with a Cache of its own, and the one issuer that they share.
// Time is the bubble's and chance is seeded: every run gives the same numbers.
type fleet struct {
	t        *testing.T
	replicas []*replica

	mu    sync.Mutex
	kids  []string
	down  bool
	since time.Time // when the part of the story that is counted began
	count []int     // of the fetches that arrived in each second since
}

// A replica is one Cache, with chance of its own.
type replica struct {
	fleet   *fleet
	cache   *jwks.Cache
	answers *rand.Rand // of the issuer, one at a time
	callers *rand.Rand
}

func newFleet(t *testing.T) *fleet {
	return &fleet{t: t, kids: []string{"first"}, since: time.Now()}
}

// start starts n replicas at once. Without jitter all draw the same number.
func (f *fleet) start(n int, jitter bool) {
	for number := range uint64(n) {
		random := func() float64 { return 0.5 }
		if jitter {
			random = rand.New(rand.NewPCG(number, 1)).Float64
		}
		r := &replica{fleet: f, answers: rand.New(rand.NewPCG(number, 2)), callers: rand.New(rand.NewPCG(number, 3))}
		c, err := jwks.NewSeeded(keySetURL, &jwks.Options{Client: &http.Client{Transport: r}}, random)
		if err != nil {
			f.t.Fatal(err)
		}
		r.cache = c
		f.replicas = append(f.replicas, r)
	}
}

func (f *fleet) stop() {
	for _, r := range f.replicas {
		r.cache.Close()
	}
	f.replicas = nil
}

// RoundTrip is the issuer: it answers within 20 to 120 ms.
func (r *replica) RoundTrip(req *http.Request) (*http.Response, error) {
	f := r.fleet
	f.mu.Lock()
	second := int(time.Since(f.since) / time.Second)
	f.count = append(f.count, make([]int, max(0, second+1-len(f.count)))...)
	f.count[second]++
	status, text := http.StatusOK, keySet(f.kids...)
	if f.down {
		status, text = http.StatusServiceUnavailable, ""
	}
	f.mu.Unlock()
	sleep := 20*time.Millisecond + time.Duration(r.answers.Int64N(int64(100*time.Millisecond)))
	time.Sleep(sleep) // in the bubble
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}

// change changes the issuer.
func (f *fleet) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

// callers has one caller at each replica ask for a key, each at a moment of its own within a time.
// Each must get one of what is wanted.
func (f *fleet) callers(kid string, within time.Duration, want ...string) {
	f.t.Helper()
	var mu sync.Mutex
	got := map[string]int{}
	var all sync.WaitGroup
	all.Go(func() { time.Sleep(within) }) // in the bubble
	for _, r := range f.replicas {
		wait := time.Duration(r.callers.Int64N(int64(within)))
		all.Go(func() {
			time.Sleep(wait) // in the bubble
			answer := answerOf(r.cache, kid)
			mu.Lock()
			defer mu.Unlock()
			got[answer]++
		})
	}
	all.Wait()
	for _, answer := range want {
		delete(got, answer)
	}
	if len(got) > 0 {
		f.t.Errorf("of %d callers with the key %q: %v, want %q", len(f.replicas), kid, got, want)
	}
}

// A load is the fetches that the issuer saw in one part of the story, and what it may see at most.
type load struct {
	part           string
	took           time.Duration
	total, second  int // all, and in the busiest second
	mostTotal      float64
	mostSecond     float64
	formula        string // of the busiest second
	formulaOfTotal string
}

// measured runs one part of the story, and counts what the issuer saw of it.
func (f *fleet) measured(name string, story func()) load {
	synctest.Wait()
	f.change(func() { f.since, f.count = time.Now(), nil })
	story()
	synctest.Wait()
	l := load{part: name, took: time.Since(f.since)}
	f.change(func() {
		for _, n := range f.count {
			l.total += n
			l.second = max(l.second, n)
		}
	})
	return l
}

// likely is what a second sees at most where m fetches are expected in it and nothing moves them
// together: five standard deviations above, and one.
func likely(m float64) float64 { return m + 5*math.Sqrt(m) + 1 }

// Of a Cache with default options, in seconds.
const (
	spread    = 0.16 * 600 // within which refreshes fall that were due together
	refresh   = 0.72 * 600 // the shortest time between two refreshes
	permit    = 0.75 * 30  // the shortest time between two permits
	permits   = 0.25 * 30  // within which permits come that were spent together
	shortStep = (0.1 + 5) / 2
	longStep  = (0.1 + 60) / 2
)

// tell is a day in the life of n replicas. It returns what the issuer saw.
func tell(t *testing.T, n int, jitter bool) []load {
	var all []load
	N := float64(n)
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		defer f.stop()
		part := func(name string, mostSecond float64, formula string, mostTotal func(seconds float64) float64, formulaOfTotal string, story func()) {
			l := f.measured(name, story)
			l.mostSecond, l.formula = mostSecond, formula
			l.mostTotal, l.formulaOfTotal = mostTotal(l.took.Seconds()), formulaOfTotal
			all = append(all, l)
		}
		atRest := func(seconds float64) float64 { return N * (seconds/refresh + 1) }
		once := func(float64) float64 { return N }

		part("all start at once", N, "N", once, "N", func() {
			f.start(n, jitter)
			f.callers("first", time.Second, "served")
			sleep(time.Minute)
		})
		part("at rest", likely(N/spread), "likely(N / 96 s)", atRest, "N (T / 7.2 min + 1)", func() {
			sleep(time.Hour)
		})
		part("a new key, and its first tokens at every replica within 10 s", likely(N/10+N/spread), "likely(N / 10 s + N / 96 s)", func(s float64) float64 { return N + atRest(s) }, "N + rest", func() {
			f.change(func() { f.kids = append(f.kids, "second") })
			f.callers("second", 10*time.Second, "served")
			sleep(time.Minute)
		})
		sleep(10 * time.Minute)
		forge := func(seconds int) {
			for range seconds {
				f.callers("forged", time.Second, "refused", "not judged")
			}
		}
		part("forged key IDs at every replica each second: the first two", 2*N, "2 N", func(s float64) float64 { return 2*N + likely(N*s/spread) }, "2 N + likely(N T / 96 s)", func() { forge(2) })
		part("forged key IDs, from then on", likely(N/permits+N/spread), "likely(N / 7.5 s + N / 96 s)", func(s float64) float64 { return N*(s/permit+1) + atRest(s) }, "N (T / 22.5 s + 1) + rest", func() { forge(120) })
		sleep(10 * time.Minute)
		part("the issuer is down, and every replica finds out: its first 2 min", N, "N", func(s float64) float64 { return N * (3 + s/shortStep) }, "N (3 + T / 2.55 s)", func() {
			f.change(func() { f.down, f.kids = true, append(f.kids, "third") })
			f.callers("third", 10*time.Second, "not judged")
			f.callers("first", 110*time.Second, "served")
		})
		sleep(3 * time.Minute)
		part("down: from the fifth minute", likely(N/longStep), "likely(N / 30 s)", func(s float64) float64 { return likely(N * s / longStep) }, "likely(N T / 30 s)", func() {
			f.callers("first", 10*time.Minute, "served")
		})
		part("it comes back", likely(N/longStep), "likely(N / 30 s)", once, "N", func() {
			f.change(func() { f.down = false })
			sleep(2 * time.Minute)
			f.callers("third", 10*time.Second, "served")
		})
		part("at rest again", likely(N/spread), "likely(N / 96 s)", atRest, "N (T / 7.2 min + 1)", func() {
			sleep(time.Hour)
		})
	})
	return all
}

// over lists the parts in which the issuer saw more than it may.
func over(all []load) []string {
	var parts []string
	for _, l := range all {
		if float64(l.total) > l.mostTotal || float64(l.second) > l.mostSecond {
			parts = append(parts, l.part)
		}
	}
	return parts
}

// table renders loads as the README does.
func table(all []load) string {
	var b strings.Builder
	b.WriteString("| what happens | for | fetches in all | at most | in the busiest second | at most |\n|---|---|---|---|---|---|\n")
	for _, l := range all {
		fmt.Fprintf(&b, "| %s | %v | %d | %.0f = %s | %d | %.0f = %s |\n", l.part, l.took.Round(time.Second),
			l.total, l.mostTotal, l.formulaOfTotal, l.second, l.mostSecond, l.formula)
	}
	return b.String()
}

// The fetches of a fleet have bounds that do not depend on luck: K-03, K-05, K-07, K-09, K-14 as
// the issuer sees them. It takes ten replicas, and then fifty, or as many as FLEET_REPLICAS says:
// the README has what a thousand do.
func TestFleet(t *testing.T) {
	most := 50
	if text := os.Getenv("FLEET_REPLICAS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("FLEET_REPLICAS is %q, want a number of replicas", text)
		}
		most = n
	}
	for _, n := range []int{10, most} {
		all := tell(t, n, true)
		t.Logf("figure: %d replicas\n%s", n, table(all))
		if parts := over(all); len(parts) > 0 {
			t.Errorf("%d replicas: over the bound: %q", n, parts)
		}
		if n == 1000 {
			checkReadme(t, table(all))
		}
	}
}

// The bounds notice replicas that fetch together.
func TestFleetWithoutJitterGoesOver(t *testing.T) {
	want := []string{"at rest", "forged key IDs, from then on", "at rest again"}
	parts := over(tell(t, 50, false))
	for _, part := range want {
		if !strings.Contains(strings.Join(parts, "\n"), part) {
			t.Errorf("%q stays within its bound without jitter: over it are %q", part, parts)
		}
	}
}

// checkReadme compares the README's table. UPDATE=1 writes it.
func checkReadme(t *testing.T, want string) {
	t.Helper()
	const begin, end = "<!-- fleet -->\n", "<!-- /fleet -->"
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(readme), begin)
	got, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("README.md has no table between %q and %q", begin, end)
	}
	if got == want {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("README.md has\n%s\nand the simulation says\n%s\nUPDATE=1 writes it", got, want)
	}
	if err := os.WriteFile("README.md", []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
