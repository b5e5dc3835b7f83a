package jwks_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
)

func TestK06_OneIssuersFailureChangesNothingForAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bad, good := newIssuer("a"), newIssuer("a")
		bad.answer(hang)
		failing := open(t, bad)
		c := warm(t, good)
		for range 1000 {
			go answerOf(failing, "x")
			began := time.Now()
			check(t, c, "a", "served")
			check(t, c, "x", "refused")
			if took := time.Since(began); took != 0 {
				t.Fatalf("requests of the healthy issuer took %v", took)
			}
			sleep(time.Second)
		}
		if got := c.Status().Counters.Failures; got != 0 {
			t.Errorf("the healthy issuer counts %d failures", got)
		}
	})
}

func TestK14_OutageShorterThanMaxStaleChangesNothingForKnownKeys(t *testing.T) {
	for name, trouble := range map[string]http.HandlerFunc{"refuses": status(500), "hangs": hang} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				i := newIssuer("a")
				c := warm(t, i)
				i.answer(trouble)
				var longest time.Duration
				for range 24*60 - 1 {
					sleep(time.Minute)
					began := time.Now()
					check(t, c, "a", "served")
					longest = max(longest, time.Since(began))
				}
				if c.Ready() != nil || c.Status().State != jwks.StateStale {
					t.Errorf("ready: %v, state %s; want ready and stale", c.Ready(), c.Status().State)
				}
				figure(t, "issuer %s for 23 h 59 min: known key served throughout, longest look-up %v of bubble time", name, longest)
			})
		})
	}
}

func TestK15_OutagePastMaxStaleIsNotJudged(t *testing.T) {
	for name, trouble := range map[string]http.HandlerFunc{"refuses": status(500), "hangs": hang} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				i := newIssuer("a")
				c := warm(t, i)
				i.answer(trouble)
				sleep(24*time.Hour - time.Second)
				check(t, c, "a", "served")
				sleep(time.Second)
				began := time.Now()
				for _, kid := range []string{"a", "unknown", ""} {
					check(t, c, kid, "not judged")
				}
				if c.Ready() == nil || c.Status().State != jwks.StateExpired || len(c.Status().Keys) != 0 {
					t.Errorf("ready: %v, %v; want not ready and expired", c.Ready(), c.Status())
				}
				figure(t, "issuer %s past max-stale (24 h): 503 for known, unknown and no key ID, within %v", name, time.Since(began))

				// Back at once, although the back-off was a minute while keys were held.
				i.answer(nil)
				sleep(5*time.Second + jwks.FetchTimeout)
				check(t, c, "a", "served")
			})
		})
	}
}

// Whatever the back-off had come to when the keys were dropped, an issuer that is back then is
// found within the bound for no keys. Chance is at its longest, and max-stale ends at each part of
// a back-off of a minute.
func TestK15_BackoffIsShortOnceTheKeysAreDropped(t *testing.T) {
	for phase := time.Duration(0); phase < time.Minute; phase += 10 * time.Second {
		bubble(t, func(t *testing.T) {
			i := newIssuer("a")
			maxStale := time.Hour + phase
			c, err := jwks.NewSeeded(keySetURL, &jwks.Options{Client: &http.Client{Transport: i}, MaxStale: maxStale}, func() float64 { return 1 })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			if err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			i.answer(status(500))
			sleep(maxStale)
			check(t, c, "a", "not judged")
			i.answer(nil)
			sleep(5*time.Second + jwks.FetchTimeout)
			if got := answerOf(c, "a"); got != "served" {
				t.Errorf("max-stale %v: %s when the issuer is back, want served", maxStale, got)
			}
		})
	}
}

func TestExpiryDoesNotWaitForASlowHook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		block := make(chan bool)
		c := warm(t, i, func(o *jwks.Options) { o.OnRefresh = func(jwks.RefreshEvent) { <-block } })
		defer close(block)
		i.answer(hang)
		sleep(24 * time.Hour)
		check(t, c, "a", "not judged")
	})
}

func TestK16_WithdrawnKeyIsGoneAfterTheInterval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var longest time.Duration
		for range 50 {
			i := newIssuer("a", "b")
			c := warm(t, i)
			i.setKeys("a")
			withdrawn := time.Now()
			for answerOf(c, "b") == "served" {
				if time.Since(withdrawn) > time.Hour {
					t.Fatal("the withdrawn key is still served after an hour")
				}
				sleep(time.Second)
			}
			longest = max(longest, time.Since(withdrawn))
			check(t, c, "a", "served")
		}
		figure(t, "withdrawn key refused after %v at most, of 50 (refresh interval 10 min + fetch time)", longest)
		if longest > 10*time.Minute+jwks.FetchTimeout {
			t.Errorf("took up to %v, want at most 10 min and a fetch", longest)
		}
	})
}

// The token cache of middleware counts a hit only while the same pointer is held.
func TestK17_PointerLivesAsLongAsItsKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a", "b")
		c := warm(t, i)
		pointer := func(kid string) *jwks.Key {
			keys, err := c.Keys(t.Context(), kid)
			if err != nil {
				return nil
			}
			return keys[0]
		}
		a, b := pointer("a"), pointer("b")
		i.answer(body(set(edJWK("b", 0), edJWK("a", 0), edJWK("c", 0)))) // another order, one more
		sleep(10 * time.Minute)
		if pointer("a") != a || pointer("b") != b {
			t.Error("a refresh that leaves a key as it is changes its pointer")
		}
		i.answer(body(set(edJWK("a", 0), edJWK("b", 1)))) // new material under b
		sleep(10 * time.Minute)
		if pointer("a") != a {
			t.Error("a change of b changes the pointer of a")
		}
		if got := pointer("b"); got == b || got == nil {
			t.Error("new material under b did not change its pointer")
		}
		i.answer(body(keySet("b")))
		sleep(10 * time.Minute)
		if got := pointer("a"); got != nil {
			t.Error("a withdrawn key's pointer is still held")
		}
	})
}

func TestK18_BadAnswersKeepTheOldSet(t *testing.T) {
	good := keySet("other")
	for name, answer := range map[string]http.HandlerFunc{
		"HTML":                     body("<html><body>Sign in</body></html>"),
		"empty body":               body(""),
		"empty object":             body("{}"),
		"empty set":                body(`{"keys":[]}`),
		"keys is no array":         body(`{"keys":{}}`),
		"keys is null":             body(`{"keys":null}`),
		"truncated":                body(good[:len(good)-5]),
		"two documents":            body(good + good),
		"array":                    body("[" + good + "]"),
		"keys twice":               body(`{"keys":[],` + good[1:]),
		"keys twice, by an escape": body(`{"ke\u0079s":[],` + good[1:]),
		"only unusable keys":       body(`{"keys":[{"kty":"oct","k":"AA","kid":"x"}]}`),
		"UTF-16":                   body("\xff\xfe{\x00}\x00"),
		"byte order mark, twice":   body("\xef\xbb\xbf\xef\xbb\xbf" + good),
		"byte order mark, UTF-16":  body("\xfe\xff" + good),
		"not found, with a set":    func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); body(good)(w, r) },
		"not modified, unasked":    status(http.StatusNotModified),
		"no content":               status(http.StatusNoContent),
		"over-long":                body(strings.Repeat(" ", 512<<10) + good),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				i := newIssuer("a")
				var last jwks.RefreshEvent
				c := warm(t, i, func(o *jwks.Options) { o.OnRefresh = func(e jwks.RefreshEvent) { last = e } })
				i.answer(answer)
				if err := c.Refresh(t.Context()); err == nil {
					t.Error("Refresh says that all is well")
				}
				check(t, c, "a", "served")
				synctest.Wait()
				if s := c.Status(); s.LastError == nil || s.Counters.Failures != 1 || len(s.Keys) != 1 {
					t.Errorf("status %+v, want one failure and one key", s)
				}
				if last.Err == nil || last.Keys != 1 || len(last.Added)+len(last.Removed) != 0 {
					t.Errorf("event %+v, want an error and no change", last)
				}
			})
		})
	}
}

func TestK28_ConstructionDoesNotFailAndRefreshDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(status(http.StatusServiceUnavailable))
		began := time.Now()
		c := open(t, i)
		if err := c.Refresh(t.Context()); err == nil {
			t.Error("Refresh says that all is well")
		}
		if err := c.Ready(); !errors.Is(err, jwks.ErrUnavailable) {
			t.Errorf("ready: %v, want an error that wraps ErrUnavailable", err)
		}
		if time.Since(began) != 0 {
			t.Errorf("the refusals took %v, want none", time.Since(began))
		}
		check(t, c, "a", "not judged")
		sleep(time.Minute)
		w := httptest.NewRecorder()
		c.ReadyHandler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		after := w.Header().Get("Retry-After")
		if n, err := strconv.Atoi(after); w.Code != 503 || err != nil || n < 1 || n > 5 {
			t.Errorf("/readyz: %d, Retry-After %q; want 503 and 1 to 5", w.Code, after)
		}

		i.answer(nil)
		back := time.Now()
		for answerOf(c, "a") != "served" {
			if time.Since(back) > time.Minute {
				t.Fatal("not served a minute after the issuer is back")
			}
			sleep(10 * time.Millisecond)
		}
		took := time.Since(back)
		figure(t, "issuer down at start: 503 with Retry-After %s, not ready; served %v after it is back (back-off step at most 5 s)", after, took)
		if took > 5*time.Second {
			t.Errorf("served after %v, want at most 5 s", took)
		}
		w = httptest.NewRecorder()
		if c.ReadyHandler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil)); w.Code != 200 || c.Ready() != nil {
			t.Errorf("/readyz: %d, %v; want 200", w.Code, c.Ready())
		}
	})
}

func TestK28_RefreshLeavesWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(after(3*time.Second, body(keySet("a"))))
		c := open(t, i)
		ctx, cancel := contextFor(t, time.Second)
		defer cancel()
		if err := c.Refresh(ctx); err == nil {
			t.Error("Refresh outlived its context")
		}
		sleep(2 * time.Second)
		check(t, c, "a", "served") // the fetch went on
	})
}

func TestK30_ReadyMeansKeysYoungerThanMaxStale(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(after(time.Second, body(keySet("a"))))
		c := open(t, i)
		step := func(want bool, state jwks.State) {
			t.Helper()
			if got := c.Ready() == nil; got != want || c.Status().State != state {
				t.Errorf("ready %v and %s, want %v and %s", got, c.Status().State, want, state)
			}
		}
		step(false, jwks.StateEmpty)
		sleep(time.Second)
		step(true, jwks.StateFresh)
		i.answer(status(500))
		sleep(time.Hour)
		step(true, jwks.StateStale)
		sleep(24 * time.Hour)
		step(false, jwks.StateExpired)
		i.answer(nil)
		sleep(5 * time.Second)
		step(true, jwks.StateFresh)
		c.Close()
		step(false, jwks.StateClosed)
	})
}

func TestK31_StatusCountsWhatMetricsNeed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer()
		i.answer(body(set(edJWK("a", 0), map[string]any{"kty": "AKP", "kid": "pq"})))
		c := warm(t, i)
		waited := c.Status().Counters.Waits // for the first fetch, or not
		check(t, c, "x", "refused")
		sleep(time.Minute)
		i.answer(status(500))
		check(t, c, "x", "not judged")
		s := c.Status()
		want := jwks.Counters{Fetches: 3, Failures: 1, ByUnknownKey: 2, Unknown: 1, Unavailable: 1, Waits: waited + 2}
		if s.Counters != want {
			t.Errorf("counters %+v, want %+v", s.Counters, want)
		}
		if s.Age != time.Minute || ids(s.Keys) != "a" || s.URL != keySetURL || s.LastError == nil || s.Next.IsZero() {
			t.Errorf("status %+v", s)
		}
		if want := []jwks.Skip{{Index: 1, KeyID: "pq", Reason: jwks.SkipKeyType}}; !slices.Equal(s.Skipped, want) {
			t.Errorf("skipped %v, want %v", s.Skipped, want)
		}
		if line := s.LogValue().String(); !strings.Contains(line, "state=stale") || !strings.Contains(line, "keys=1") {
			t.Errorf("logged as %s", line)
		}
	})
}

func TestK34_NewMaterialUnderOneIDIsUsedAfterTheNextRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		before, _ := c.Keys(t.Context(), "a")
		i.answer(body(set(edJWK("a", 1))))
		sleep(10 * time.Minute)
		after, err := c.Keys(t.Context(), "a")
		if err != nil || len(after) != 1 || fmt.Sprint(after[0].Public) == fmt.Sprint(before[0].Public) {
			t.Errorf("got %v, %v; want the new material alone", ids(after), err)
		}
	})
}

// A key under another algorithm is another key, for a token that was verified with it too.
func TestK34_AKeyWhoseAlgorithmChangesIsAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer()
		i.answer(body(set(with(rsaJWK("a", 2048), map[string]any{"alg": "RS256"}))))
		c := warm(t, i)
		before, _ := c.Keys(t.Context(), "a")
		i.answer(body(set(with(rsaJWK("a", 2048), map[string]any{"alg": "PS256"}))))
		sleep(10 * time.Minute)
		after, err := c.Keys(t.Context(), "a")
		if err != nil || len(after) != 1 || after[0] == before[0] || after[0].Algorithm != "PS256" {
			t.Errorf("got %v, %v; want another key, for PS256", after, err)
		}
	})
}
