package jwks_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// lingering returns the stacks of the goroutines that run this package's code, apart from the
// tests'.
func lingering() string {
	var left []string
	for range 100 { // a goroutine that closed its channel may still be on its way out
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		left = left[:0]
		for stack := range strings.SplitSeq(string(buf), "\n\n") {
			if strings.Contains(stack, "bearward/jwks.(*Cache)") || strings.Contains(stack, "bearward/jwks.newNotifier") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			break
		}
		runtime.Gosched()
	}
	return strings.Join(left, "\n\n")
}

// A bubble fails by itself when a goroutine is left, so each test in one is a leak test too.
func TestK29_CloseStopsAllAndReleasesWhoWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(hang)
		c := open(t, i, func(o *jwks.Options) { o.OnRefresh = func(jwks.RefreshEvent) {} })
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { check(t, c, "x", "not judged") })
		}
		refreshed := make(chan error, 1)
		go func() { refreshed <- c.Refresh(context.Background()) }()
		synctest.Wait()
		began := time.Now()
		for range 2 {
			all.Go(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if err := <-refreshed; !errors.Is(err, jwks.ErrUnavailable) {
			t.Errorf("the waiting Refresh: %v, want an error that wraps ErrUnavailable", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %v, want none", took)
		}
		if left := lingering(); left != "" {
			t.Errorf("goroutines left:\n%s", left)
		}
		if err := c.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
}

func TestK29_ClosedCacheAnswersNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		c.Close()
		before := i.count()
		for _, kid := range []string{"a", "x", ""} {
			check(t, c, kid, "not judged")
		}
		if err := c.Refresh(t.Context()); !errors.Is(err, jwks.ErrUnavailable) {
			t.Errorf("Refresh: %v, want an error that wraps ErrUnavailable", err)
		}
		sleep(time.Hour)
		if got := i.count() - before; got != 0 {
			t.Errorf("%d fetches after Close, want none", got)
		}
	})
}

func TestK33_PanicInTheHookIsContained(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		calls := 0
		c := warm(t, i, func(o *jwks.Options) {
			o.OnRefresh = func(jwks.RefreshEvent) { calls++; panic("the hook's own fault") }
		})
		sleep(time.Hour)
		check(t, c, "a", "served")
		if calls < 6 {
			t.Errorf("the hook was called %d times in an hour, want it to go on", calls)
		}
	})
}

func TestK33_PanicInTheTransportIsAFailedFetch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		i.answer(func(http.ResponseWriter, *http.Request) { panic("the transport's own fault") })
		if err := c.Refresh(t.Context()); err == nil {
			t.Error("Refresh says that all is well")
		}
		check(t, c, "a", "served")
		i.answer(nil)
		sleep(2 * time.Second)
		if err := c.Status().LastError; err != nil {
			t.Errorf("did not recover: %v", err)
		}
	})
}

func TestSlowHookDelaysNothingAndLosesOnlyEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		block := make(chan bool)
		c := warm(t, i, func(o *jwks.Options) {
			o.RefreshEvery = time.Second
			o.OnRefresh = func(jwks.RefreshEvent) { <-block }
		})
		defer close(block)
		sleep(10 * time.Minute)
		if got := i.count(); got < 600 {
			t.Errorf("%d fetches in 600 s, want one a second", got)
		}
		if got := c.Status().Counters.DroppedEvents; got < 500 {
			t.Errorf("%d events dropped, want all beyond %d", got, jwks.QueueSize)
		}
	})
}

func TestK20_SwapIsAtomic(t *testing.T) {
	i := newIssuer("a")
	version := byte(0)
	i.answer(func(w http.ResponseWriter, r *http.Request) { // one fetch at a time
		version++
		var keys []any
		for _, kid := range []string{"a", "b", "c", "d"} {
			keys = append(keys, edJWK(kid, version))
		}
		body(set(keys...))(w, r)
	})
	c := warm(t, i)
	versions := map[string]byte{} // by material
	for v := range 200 {
		for _, kid := range []string{"a", "b", "c", "d"} {
			versions[edJWK(kid, byte(v))["x"].(string)] = byte(v)
		}
	}
	done := make(chan bool)
	var readers sync.WaitGroup
	for range 1000 {
		readers.Go(func() {
			for {
				keys, err := c.Keys(context.Background(), "")
				if err != nil || len(keys) != 4 {
					t.Errorf("got %d keys, %v", len(keys), err)
					return
				}
				for _, k := range keys {
					if versions[material(k)] != versions[material(keys[0])] {
						t.Error("a request saw a mixture of two sets")
						return
					}
				}
				select {
				case <-done:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	for range 100 {
		if err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	readers.Wait()
}

func TestCachesShareNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, other := newIssuer("k"), newIssuer()
		other.answer(body(set(edJWK("k", 1))))
		a, b := warm(t, one), warm(t, other)
		ka, _ := a.Keys(t.Context(), "k")
		kb, _ := b.Keys(t.Context(), "k")
		if material(ka[0]) == material(kb[0]) {
			t.Error("one key ID of two issuers is one key")
		}
		a.Close()
		check(t, b, "k", "served")
	})
}
