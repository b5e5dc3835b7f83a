package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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
		i.setKeys("a", "new")
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
			answerOf(c, fmt.Sprint("forged ", n))
			if n == 5000 {
				i.setKeys("a", "new")
				rotated = time.Now()
			}
			if !rotated.IsZero() && accepted.IsZero() && answerOf(c, "new") == "served" {
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
		i.setKeys("a", "unknown")
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
		sleep(44 * time.Minute)     // the next permit takes 45 to 60 min
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
		go func() { other <- answerOf(c, "new") }()
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

// A full house of forged tokens must not keep out those with a good one: once all places are taken,
// each request has the same chance of one.
func TestWaitersAreBoundedAndGoodOnesGetAPlace(t *testing.T) {
	// A request has the chance that is left of 4,096 places; the bounds are far below what is
	// expected.
	for forgers, share := range map[int]float64{1: 0.8, 4: 0.15, 16: 0.02} {
		bubble(t, func(t *testing.T) {
			i := newIssuer("a")
			c := warm(t, i)
			i.answer(after(time.Second, body(keySet("a", "new"))))
			var served, displaced, waits atomic.Int64
			var all sync.WaitGroup
			ask := func(kid string) {
				all.Go(func() {
					began := time.Now()
					keys, err := c.Keys(context.Background(), kid)
					switch got := responseFor(keys, err); {
					case got == "served":
						served.Add(1)
					case errors.Is(err, jwks.ErrUnavailable):
						displaced.Add(1)
						var e *jwks.LookupError
						if !errors.As(err, &e) || !e.RetryAt.After(time.Now()) {
							t.Errorf("no word of when to come back: %+v", e)
						}
					}
					if time.Since(began) > 0 {
						waits.Add(1)
					}
				})
			}
			const good = 400
			for n := range forgers * jwks.MaxWaiters {
				ask("forged")
				if n%(forgers*jwks.MaxWaiters/good) == 0 && n > 0 {
					ask("new")
				}
			}
			synctest.Wait()
			check(t, c, "a", "served")
			all.Wait()
			if got := float64(served.Load()) / good; got < share {
				t.Errorf("%d forged requests: %.0f %% of good ones were served, want %.0f %%", forgers*jwks.MaxWaiters, 100*got, 100*share)
			}
			if waits.Load() > jwks.MaxWaiters {
				t.Errorf("%d requests waited, want %d at most", waits.Load(), jwks.MaxWaiters)
			}
			if want := int64(forgers*jwks.MaxWaiters + good - jwks.MaxWaiters); displaced.Load() < want {
				t.Errorf("%d requests were sent away, want %d", displaced.Load(), want)
			}
			check(t, c, "new", "served")
		})
	}
}

// A bad signature under a cached key ID may mean that the issuer put a new key in its place (K-34).
func TestK34_BadSignaturesAskForOneFetchAMinute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer()
		i.answer(site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}.serve)
		c := opened(t, jwks.FromIssuer, pathIssuer, i)
		check(t, c, "a", "served")
		sleep(time.Second)
		next := c.Status().Next
		before := i.count()
		i.answer(site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: after(time.Second, body(set(edJWK("a", 1))))}.serve)
		began := time.Now()
		for range 100 {
			c.SignatureFailed()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the request waited %v", took)
		}
		sleep(time.Second)
		if keys, err := c.Keys(t.Context(), "a"); err != nil || material(keys[0]) != edJWK("a", 1)["x"] {
			t.Errorf("got %v, %v; want the new material", keys, err)
		}
		for range 299 { // five minutes of them
			c.SignatureFailed()
			sleep(time.Second)
		}
		got := i.urls()[before:]
		if len(got) != 5 || slices.ContainsFunc(got, func(url string) bool { return url != keySetURL }) {
			t.Errorf("asked for %q, want the key set alone, once a minute", got)
		}
		if s := c.Status(); s.Counters.ByBadSignature != 5 || !s.Next.Equal(next) {
			t.Errorf("counters %+v, next refresh at %v, want 5 and %v as before", s.Counters, s.Next, next)
		}
	})
}

func TestK34_BadSignaturesAskForNothingDuringABackOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		i.answer(status(http.StatusInternalServerError))
		c.SignatureFailed()
		sleep(time.Nanosecond)
		before := i.count()
		c.SignatureFailed()
		synctest.Wait()
		if got := i.count() - before; got != 0 {
			t.Errorf("%d fetches during the back-off", got)
		}
		c.Close()
		c.SignatureFailed()
	})
}

// What tokens cause is no refresh: a caller who forges one each few minutes cannot keep the
// metadata from being read, nor a withdrawn key in use (H2).
func TestK16_ForgedTokensPutOffNoDiscovery(t *testing.T) {
	for name, forge := range map[string]func(c *jwks.Cache, n int){
		"nothing":      func(*jwks.Cache, int) {},
		"key IDs":      func(c *jwks.Cache, n int) { answerOf(c, fmt.Sprint("forged ", n)) },
		"signatures":   func(c *jwks.Cache, _ int) { c.SignatureFailed() },
		"one key ID":   func(c *jwks.Cache, _ int) { answerOf(c, "forged") },
		"all of these": func(c *jwks.Cache, n int) { answerOf(c, fmt.Sprint("forged ", n)); c.SignatureFailed() },
		"before it runs": func(c *jwks.Cache, _ int) {
			time.Sleep(time.Until(c.Status().Next) - time.Millisecond)
			answerOf(c, "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const moved = issuerURL + "/moved"
				c, i := discover(t, site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("stolen"))})
				check(t, c, "stolen", "served")
				i.answer(site{oauthForm: metadata(pathIssuer, moved), keySetURL: body(keySet("stolen")), moved: body(keySet("new"))}.serve)
				began := time.Now()
				for n := 0; time.Since(began) < 10*time.Minute+jwks.FetchTimeout; n++ {
					forge(c, n)
					sleep(20 * time.Second)
				}
				check(t, c, "stolen", "refused")
				check(t, c, "new", "served")
			})
		})
	}
}

// While the clock is due, whatever asks for a fetch asks for the clock's.
func TestAFetchThatIsDueIsTheClocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var triggers []jwks.Trigger
		i := newIssuer()
		i.answer(site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: body(keySet("a"))}.serve)
		c := opened(t, jwks.FromIssuer, pathIssuer, i, func(o *jwks.Options) {
			o.OnRefresh = func(e jwks.RefreshEvent) { triggers = append(triggers, e.Trigger) }
		})
		check(t, c, "a", "served")
		// A fetch that a token caused is under way when the refresh comes due: Refresh waits for
		// the next.
		sleep(time.Until(c.Status().Next) - time.Second)
		i.answer(site{oauthForm: metadata(pathIssuer, keySetURL), keySetURL: after(1500*time.Millisecond, body(keySet("a")))}.serve)
		go answerOf(c, "forged")
		sleep(time.Millisecond)
		before := i.count()
		if err := c.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if got := i.urls()[before:]; !slices.Contains(got, oauthForm) {
			t.Errorf("Refresh came back after %q, want one with discovery", got)
		}
		sleep(time.Second)
		if want := []jwks.Trigger{jwks.TriggerStart, jwks.TriggerUnknownKey}; len(triggers) != 3 || !slices.Equal(triggers[:2], want) {
			t.Errorf("triggers %v", triggers)
		}
	})
}

// What a caller is told besides the error: when the keys were asked for, and when to come back
// (T23, N7).
func TestK11_ALookupErrorTellsWhenToComeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		seeded := func(url string, o *jwks.Options) (*jwks.Cache, error) {
			return jwks.NewSeeded(url, o, func() float64 { return 0 }) // a permit takes the whole of a cool-down
		}
		c := opened(t, seeded, keySetURL, i)
		check(t, c, "a", "served")
		asked := time.Now()
		lookup := func(when string, err error, want error, retry time.Duration) {
			t.Helper()
			var e *jwks.LookupError
			if !errors.Is(err, want) || !errors.As(err, &e) || !e.AskedAt.Equal(asked) {
				t.Errorf("%s: got %#v (%v), want %v of keys asked for at %v", when, e, err, want, asked)
				return
			}
			if got := time.Until(e.RetryAt); retry == 0 && !e.RetryAt.IsZero() || retry != 0 && got != retry {
				t.Errorf("%s: come back at %v (%v), want in %v", when, e.RetryAt, got, retry)
			}
		}
		keys := func(kid string) error { _, err := c.Keys(t.Context(), kid); return err }
		sleep(time.Minute)
		asked = time.Now()
		lookup("one permit left", keys("x"), jwks.ErrUnknownKey, 0)
		sleep(time.Second)
		asked = time.Now()
		lookup("none left", keys("x"), jwks.ErrUnknownKey, 29*time.Second)
		sleep(10 * time.Second)
		lookup("later", keys("y"), jwks.ErrUnknownKey, 19*time.Second)
		_, err := c.Held("z")
		lookup("without a fetch", err, jwks.ErrUnknownKey, 19*time.Second)
		i.answer(status(http.StatusInternalServerError))
		sleep(19 * time.Second)
		lookup("a failure", keys("x"), jwks.ErrUnavailable, time.Until(c.Status().Next))
		lookup("a back-off, within the cool-down", keys("x"), jwks.ErrUnknownKey, time.Until(c.Status().Next))
	})
}
