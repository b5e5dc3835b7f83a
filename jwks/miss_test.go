package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
)

func TestK07_FirstRequestWithANewKeySucceeds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("old")
		c := warm(t, i)
		i.answer(after(300*time.Millisecond, body(keySet("old", "new"))))
		before := i.count()
		began := time.Now()
		check(t, c, "new", "served")
		if took, fetches := time.Since(began), i.count()-before; took > jwks.WaitLimit || fetches != 1 {
			t.Errorf("took %v and %d fetches, want at most 2 s and 1", took, fetches)
		}
	})
}

func TestK07_KeyPublishedDuringAFetchIsFoundByTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("old")
		c := warm(t, i)
		sleep(time.Minute)
		i.answer(after(time.Second, body(keySet("old"))))
		go c.Refresh(context.Background())
		sleep(500 * time.Millisecond)
		i.answer(body(keySet("old", "new"))) // the fetch in the air does not see it any more
		check(t, c, "new", "served")
	})
}

func TestK08_ThousandRequestsWithANewKeyShareOneFetch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("old")
		c := warm(t, i)
		i.answer(after(300*time.Millisecond, body(keySet("old", "new"))))
		before := i.count()
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { check(t, c, "new", "served") })
		}
		all.Wait()
		if got := i.count() - before; got != 1 {
			t.Errorf("%d fetches, want 1", got)
		}
	})
}

func TestK08_RequestsBeforeTheFirstFetchShareIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer()
		i.answer(after(time.Second, body(keySet("a"))))
		c := open(t, i)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { check(t, c, "a", "served") })
		}
		all.Wait()
		if got := i.count(); got != 1 {
			t.Errorf("%d fetches, want 1", got)
		}
	})
}

func TestK09_ForgedKeyIDsCauseFewFetches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		before := i.count()
		for n := range 10_000 { // in 60 s
			check(t, c, fmt.Sprint("forged ", n), "refused")
			sleep(6 * time.Millisecond)
		}
		got := i.count() - before
		figure(t, "10,000 forged key IDs in 60 s: %d fetches (budget 2 + 2)", got)
		if got > 4 {
			t.Errorf("%d fetches, want at most 4", got)
		}
	})
}

func TestK09_RefreshByTheClockSpendsNoPermit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i, func(o *jwks.Options) { o.RefreshEvery = 2 * time.Second })
		sleep(time.Minute) // some thirty refreshes
		i.publish("a", "new")
		before := c.Status().Counters.ByUnknownKey
		check(t, c, "new", "served")
		if got := c.Status().Counters.ByUnknownKey - before; got != 1 {
			t.Errorf("%d fetches by the request, want 1", got)
		}
	})
}

func TestK10_RotationDuringAFloodIsPickedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		before := i.count()
		var rotated, accepted time.Time
		for n := range 20_000 { // 120 s
			verdict(c, fmt.Sprint("forged ", n))
			if n == 5000 {
				i.publish("a", "new")
				rotated = time.Now()
			}
			if !rotated.IsZero() && accepted.IsZero() && verdict(c, "new") == "served" {
				accepted = time.Now()
			}
			sleep(6 * time.Millisecond)
		}
		took := accepted.Sub(rotated)
		figure(t, "rotation during a flood of 20,000 forged key IDs in 120 s: accepted after %v (cool-down 30 s), %d fetches (budget 2 + 4)", took, i.count()-before)
		if accepted.IsZero() || took > 30*time.Second {
			t.Errorf("the new key was accepted after %v, want at most 30 s", took)
		}
	})
}

func TestK11_UnknownKeyDuringAnOutageIsNotJudged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		i.answer(status(http.StatusInternalServerError))
		check(t, c, "unknown", "not judged") // the fetch fails
		check(t, c, "unknown", "not judged") // a permit is left, and the back-off forbids the fetch
		for range 600 {
			sleep(time.Second)
			check(t, c, "unknown", "not judged")
			check(t, c, "a", "served")
		}
	})
}

func TestK12_UnknownKeyAfterARecentFetchIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		for range 3 { // two permits, and then what was just fetched
			check(t, c, "unknown", "refused")
		}
		before := i.count()
		check(t, c, "unknown", "refused")
		if got := i.count() - before; got != 0 {
			t.Errorf("%d fetches without a permit, want none", got)
		}
		// No key ID is remembered as unknown.
		i.publish("a", "unknown")
		sleep(30 * time.Second)
		check(t, c, "unknown", "served")
	})
}

func TestK12_UnknownKeyWithoutAPermitAndARecentFetchIsNotJudged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i, func(o *jwks.Options) { o.Cooldown = time.Hour })
		check(t, c, "x", "refused")
		check(t, c, "x", "refused")
		i.answer(status(http.StatusInternalServerError))
		sleep(59 * time.Minute)
		check(t, c, "x", "refused") // the last good fetch is younger than the cool-down
	})
}

func TestK13_CancelledRequestLeavesAndTheFetchGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("old")
		c := warm(t, i)
		i.answer(after(time.Second, body(keySet("old", "new"))))
		before := i.count()

		other := make(chan string, 1)
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		first := make(chan error, 1)
		go func() { _, err := c.Keys(ctx, "new"); first <- err }()
		synctest.Wait()
		go func() { other <- verdict(c, "new") }()
		synctest.Wait()
		cancel()
		err := <-first
		if took := time.Since(began); took != 0 {
			t.Errorf("the cancelled request left after %v, want at once", took)
		}
		if !errors.Is(err, jwks.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want an error that wraps ErrUnavailable and context.Canceled", err)
		}
		if got := <-other; got != "served" {
			t.Errorf("the other request: got %s, want served", got)
		}
		if got := i.count() - before; got != 1 {
			t.Errorf("%d fetches, want 1", got)
		}
	})
}

func TestRequestWaitsTwoSecondsAtMost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		i.answer(hang)
		began := time.Now()
		check(t, c, "unknown", "not judged")
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v, want 2 s", took)
		}
	})
}

func TestWaitingRequestsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		i.answer(after(time.Second, body(keySet("a", "new"))))
		var served atomic.Int64
		var all sync.WaitGroup
		for range jwks.MaxWaiters {
			all.Go(func() {
				if verdict(c, "new") == "served" {
					served.Add(1)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		check(t, c, "new", "not judged")
		if took := time.Since(began); took != 0 {
			t.Errorf("one request too many waited %v, want none", took)
		}
		check(t, c, "a", "served")
		all.Wait()
		if served.Load() != jwks.MaxWaiters {
			t.Errorf("%d of %d waiting requests were served", served.Load(), jwks.MaxWaiters)
		}
		check(t, c, "new", "served")
	})
}
