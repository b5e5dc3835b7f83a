package promauth_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/jwks"
	"github.com/bearward/bearward/middleware/authtest"
)

// keySeries names a series of the issuer "main"; pairs are further labels and their values.
func keySeries(name string, pairs ...string) string {
	labels := []string{`issuer="main"`}
	for i := 0; i < len(pairs); i += 2 {
		labels = append(labels, fmt.Sprintf("%s=%q", pairs[i], pairs[i+1]))
	}
	slices.Sort(labels)
	return "bearward_jwks_" + name + "{" + strings.Join(labels, ",") + "}"
}

func mustIssuer(t testing.TB, m *promauth.Metrics, name string) *promauth.Issuer {
	t.Helper()
	i, err := m.Issuer(name)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestAKeyCacheThroughItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, reg := setUp(t, nil)
		measured := mustIssuer(t, m, "main")
		issuer := authtest.NewIssuer(t, nil)
		issuer.Fail(503)
		keys := issuer.Source(&jwks.Options{OnRefresh: measured.OnRefresh, MaxStale: 2 * time.Hour})
		if err := measured.Watch(keys); err != nil {
			t.Fatal(err)
		}
		is := func(state string) map[string]float64 {
			t.Helper()
			synctest.Wait()
			all := gathered(t, reg)
			for _, s := range []string{"empty", "fresh", "stale", "expired", "closed"} {
				want := 0.0
				if s == state {
					want = 1
				}
				wants(t, all, map[string]float64{keySeries("state", "state", s): want})
			}
			return all
		}

		all := is("empty")
		wants(t, all, map[string]float64{
			keySeries("fetches_total", "trigger", "start", "result", "failed"): 1,
			keySeries("max_stale_seconds"):                                     7200,
			keySeries("keys"):                                                  0,
		})
		if age, there := all[keySeries("key_age_seconds")]; there {
			t.Errorf("the age is %v before the first good fetch", age)
		}

		issuer.Recover()
		time.Sleep(5 * time.Second) // the longest back-off while no keys are held
		all = is("fresh")
		wants(t, all, map[string]float64{
			keySeries("keys"): 2,
			keySeries("fetches_total", "trigger", "clock", "result", "good"):   1,
			keySeries("fetch_duration_seconds", "result", "good"):              1,
			keySeries("key_changes_total", "change", "added"):                  2,
			keySeries("key_changes_total", "change", "removed"):                0,
			keySeries("fetches_total", "trigger", "refresh", "result", "good"): 0,
		})

		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Keys(t.Context(), "forged"); !errors.Is(err, jwks.ErrUnknownKey) {
			t.Fatal(err)
		}
		wants(t, is("fresh"), map[string]float64{
			keySeries("fetches_total", "trigger", "refresh", "result", "not_modified"):     1,
			keySeries("fetches_total", "trigger", "unknown_key", "result", "not_modified"): 1,
			keySeries("waits_total"):        1,
			keySeries("unknown_keys_total"): 1,
			keySeries("unjudged_total"):     0,
			keySeries("key_age_seconds"):    0,
		})

		issuer.Fail(500)
		time.Sleep(time.Hour)
		all = is("stale")
		wants(t, all, map[string]float64{keySeries("key_age_seconds"): 3600, keySeries("keys"): 2})
		if got := all[keySeries("fetches_total", "trigger", "clock", "result", "failed")]; got < 10 {
			t.Errorf("%v failed fetches in an hour", got)
		}

		time.Sleep(2 * time.Hour)
		wants(t, is("expired"), map[string]float64{keySeries("key_age_seconds"): 3 * 3600, keySeries("keys"): 0})
		if _, err := keys.Keys(t.Context(), issuer.KeyID()); !errors.Is(err, jwks.ErrUnavailable) {
			t.Fatal(err)
		}
		if got := is("expired")[keySeries("unjudged_total")]; got != 1 {
			t.Errorf("%v requests not judged, want 1", got)
		}
		if err := keys.Close(); err != nil {
			t.Fatal(err)
		}
		is("closed")

		issuer.Recover()
		next := issuer.Source(&jwks.Options{OnRefresh: measured.OnRefresh})
		if err := measured.Watch(next); err != nil {
			t.Fatal(err)
		}
		wants(t, is("fresh"), map[string]float64{keySeries("max_stale_seconds"): 86400, keySeries("unjudged_total"): 0})
	})
}

func TestKeysThatAreNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, reg := setUp(t, nil)
		measured := mustIssuer(t, m, "main")
		issuer := authtest.NewIssuer(t, nil)
		issuer.Garbage(`{"keys":[
			{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"},
			{"kty":"oct","kid":"b","k":"AAAA"},
			{"kty":"oct","kid":"c","k":"AAAA"},
			{"kty":"AKP","kid":"d","alg":"ML-DSA-44"}]}`)
		keys := issuer.Source(nil)
		if err := measured.Watch(keys); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wants(t, gathered(t, reg), map[string]float64{
			keySeries("keys"):                                1,
			keySeries("exposed_keys"):                        3, // a published secret, too
			keySeries("skipped_keys", "reason", "symmetric"): 2,
			keySeries("skipped_keys", "reason", "kty"):       1,
			keySeries("skipped_keys", "reason", "rsa_weak"):  0,
		})
	})
}

func TestRefreshEventsAreCounted(t *testing.T) {
	failed := errors.New("down")
	key := []*jwks.Key{{ID: "a"}}
	fetches := func(trigger, result string) string {
		return keySeries("fetches_total", "trigger", trigger, "result", result)
	}
	for name, c := range map[string]struct {
		event jwks.RefreshEvent
		want  []string // series that are 1; all others but maxima are 0
	}{
		"a good fetch": {
			jwks.RefreshEvent{Trigger: jwks.TriggerClock, Added: key, Removed: key},
			[]string{
				fetches("clock", "good"), keySeries("fetch_duration_seconds", "result", "good"),
				keySeries("key_changes_total", "change", "added"), keySeries("key_changes_total", "change", "removed"),
			},
		},
		"nothing changed": {
			jwks.RefreshEvent{Trigger: jwks.TriggerRefresh, NotModified: true},
			[]string{fetches("refresh", "not_modified"), keySeries("fetch_duration_seconds", "result", "not_modified")},
		},
		"a failed fetch": {
			jwks.RefreshEvent{Trigger: jwks.TriggerUnknownKey, Err: failed},
			[]string{fetches("unknown_key", "failed"), keySeries("fetch_duration_seconds", "result", "failed")},
		},
		"metadata away, and a snapshot that cannot be written": {
			jwks.RefreshEvent{Trigger: jwks.TriggerStart, DiscoveryErr: failed, SnapshotErr: failed},
			[]string{
				fetches("start", "good"), keySeries("fetch_duration_seconds", "result", "good"),
				keySeries("discovery_failures_total"), keySeries("snapshot_failures_total"),
			},
		},
		"a snapshot that was read": {
			jwks.RefreshEvent{Trigger: jwks.TriggerSnapshot, Added: key},
			[]string{keySeries("key_changes_total", "change", "added")},
		},
		"a snapshot that was not": {
			jwks.RefreshEvent{Trigger: jwks.TriggerSnapshot, SnapshotErr: failed},
			[]string{keySeries("snapshot_failures_total")},
		},
	} {
		m, reg := setUp(t, nil)
		measured := mustIssuer(t, m, "main")
		before := gathered(t, reg)
		measured.OnRefresh(c.event)
		after := gathered(t, reg)
		var got []string
		for series, value := range after {
			if _, there := before[series]; !there {
				t.Errorf("%s: %s was not there before", name, series)
			}
			if value == 1 {
				got = append(got, series)
			} else if value != 0 {
				t.Errorf("%s: %s is %v", name, series, value)
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got\n\t%s\nwant\n\t%s", name, strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
		}
	}
}

func TestIssuerNamesWhatIsWrong(t *testing.T) {
	m, _ := setUp(t, nil)
	measured := mustIssuer(t, m, "main")
	for name, want := range map[string]string{
		"":                       "promauth: Issuer needs a name, of at most 256 bytes of UTF-8",
		"\xff":                   "promauth: Issuer needs a name, of at most 256 bytes of UTF-8",
		strings.Repeat("x", 257): "promauth: Issuer needs a name, of at most 256 bytes of UTF-8",
		"main":                   `promauth: Issuer: the name "main" is taken`,
	} {
		if _, err := m.Issuer(name); err == nil || err.Error() != want {
			t.Errorf("Issuer(%q): got %v, want %s", name, err, want)
		}
	}
	if err := measured.Watch(nil); err == nil || err.Error() != "promauth: Watch needs a jwks.Cache" {
		t.Errorf("got %v", err)
	}
}
