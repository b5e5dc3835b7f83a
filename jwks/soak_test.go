package jwks_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// A rotor is a key server that publishes a new key each second beside the last four, fails a third
// of the time and hangs now and then.
type rotor struct {
	began    time.Time
	requests atomic.Int64
}

const (
	rotorEvery    = time.Second
	rotorKept     = 5
	soakCooldown  = time.Second
	soakForgeries = 10_000
)

// newest is the number of the newest key at a time.
func (r *rotor) newest(at time.Time) int { return int(at.Sub(r.began) / rotorEvery) }

func (r *rotor) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	first := r.requests.Add(1) == 1
	switch n := rand.IntN(100); {
	case first: // there is something to serve, whatever the dice say
	case n < 33:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case n < 36:
		<-req.Context().Done()
		return
	}
	newest := r.newest(time.Now())
	var kids []string
	for n := max(0, newest-rotorKept+1); n <= newest; n++ {
		kids = append(kids, fmt.Sprint("k", n))
	}
	body(keySet(kids...))(w, req)
}

// TestSoak runs for two seconds, or as long as SOAK_TIME says.
func TestSoak(t *testing.T) {
	length := 2 * time.Second
	if v := os.Getenv("SOAK_TIME"); v != "" {
		var err error
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		t.Skip("takes real time")
	}
	r := &rotor{began: time.Now()}
	srv := httptest.NewServer(r)
	c, err := jwks.New(srv.URL, &jwks.Options{RefreshEvery: time.Second, Cooldown: soakCooldown})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var load sync.WaitGroup
	var forged, genuine, served, unjudged, falsely atomic.Int64
	for n := range 8 { // forgers, each with its part of the key IDs, over and over
		load.Go(func() {
			pace := time.NewTicker(time.Millisecond)
			defer pace.Stop()
			for k := n; ctx.Err() == nil; k = (k + 8) % soakForgeries {
				if got := responseFor(c.Keys(ctx, fmt.Sprint("forged ", k))); got == "served" {
					t.Errorf("a forged key ID was served")
				}
				forged.Add(1)
				<-pace.C
			}
		})
	}
	for range 4 { // users, whose tokens are signed with the newest key, or the one before it
		load.Go(func() {
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			for ctx.Err() == nil {
				now := time.Now()
				n := max(0, r.newest(now)-rand.IntN(2))
				published := r.began.Add(time.Duration(n) * rotorEvery)
				genuine.Add(1)
				switch responseFor(c.Keys(ctx, fmt.Sprint("k", n))) {
				case "served":
					served.Add(1)
				case "refused":
					if now.Sub(published) > soakCooldown {
						falsely.Add(1)
					}
				default:
					unjudged.Add(1)
				}
				<-pace.C
			}
		})
	}
	load.Wait()
	elapsed := time.Since(r.began)
	c.Close()
	counters := c.Status().Counters
	srv.Close()
	budget := uint64(2 + elapsed/soakCooldown)
	figure(t, "soak of %.1f s over loopback: %d forged and %d genuine requests, %d served, %d not judged, %d falsely refused; %d fetches, of which %d by unknown key IDs (budget %d) and %d failed",
		elapsed.Seconds(), forged.Load(), genuine.Load(), served.Load(), unjudged.Load(), falsely.Load(), r.requests.Load(), counters.ByUnknownKey, budget, counters.Failures)
	if falsely.Load() != 0 {
		t.Errorf("%d requests were refused a cool-down after their key was published, want none", falsely.Load())
	}
	if served.Load() == 0 {
		t.Error("nothing was served")
	}
	if counters.ByUnknownKey > budget {
		t.Errorf("unknown key IDs caused %d fetches in %v, want at most %d", counters.ByUnknownKey, elapsed, budget)
	}
	if left := lingering(); left != "" {
		t.Errorf("goroutines left:\n%s", left)
	}
}
