package otelauth_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/adapters/otelauth"
	"github.com/bearward/bearward/jwks"
	"github.com/bearward/bearward/middleware/authtest"
)

func mustIssuer(t *testing.T, b *bench, name string) *otelauth.Issuer {
	t.Helper()
	i, err := b.Issuer(name)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func mustWatch(t *testing.T, i *otelauth.Issuer, keys *jwks.Cache) {
	t.Helper()
	if err := i.Watch(keys); err != nil {
		t.Fatal(err)
	}
}

func TestIssuerSaysWhatItCannotBe(t *testing.T) {
	b := newBench(t, nil)
	main := mustIssuer(t, b, "main")
	for _, c := range []struct{ name, issuer, want string }{
		{"no name", "", "otelauth: Issuer needs a name"},
		{"a name that is no UTF-8", "a\xff", "otelauth: Issuer needs a name"},
		{"a long name", strings.Repeat("a", 257), "otelauth: Issuer needs a name, of at most 256 bytes"},
		{"a name that is taken", "main", `otelauth: Issuer: the name "main" is taken`},
	} {
		if _, err := b.Issuer(c.issuer); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if err := main.Watch(nil); err == nil || err.Error() != "otelauth: Watch needs a jwks.Cache" {
		t.Errorf("got %v", err)
	}
}

// A bubble has virtual time, an issuer, and a key cache that tells a bench.
func bubble(t *testing.T, f func(t *testing.T, b *bench, issuer *authtest.Issuer, i *otelauth.Issuer)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		f(t, b, authtest.NewIssuer(t, nil), mustIssuer(t, b, "main"))
	})
}

func TestWatchTellsWhatTheCacheHolds(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench, issuer *authtest.Issuer, i *otelauth.Issuer) {
		issuer.Fail(http.StatusServiceUnavailable)
		keys := issuer.Source(&jwks.Options{OnRefresh: i.OnRefresh, MaxStale: time.Hour})
		if got := b.read(t)["bearward.jwks.state"]; len(got.points) > 0 {
			t.Errorf("before Watch: got %v", got)
		}
		mustWatch(t, i, keys)
		at := func(when, state string, want map[string]string) {
			t.Helper()
			synctest.Wait()
			got := b.read(t)
			for _, s := range []string{"closed", "empty", "expired", "fresh", "stale"} {
				value := ": 0"
				if s == state {
					value = ": 1"
				}
				if line := "bearward.issuer=main bearward.jwks.state=" + s + value; !strings.Contains(strings.Join(got["bearward.jwks.state"].lines(), "\n"), line) {
					t.Errorf("%s: got %v, want %s", when, got["bearward.jwks.state"].lines(), line)
				}
			}
			for name, value := range want {
				var lines []string
				if value != "" {
					lines = []string{"bearward.issuer=main" + value}
				}
				same(t, when+": "+name, got["bearward.jwks."+name].lines(), lines)
			}
		}
		at("no key yet", "empty", map[string]string{"key_age": "", "max_stale": ": 3600", "keys": ": 0", "exposed_keys": ": 0", "skipped_keys": "", "waits": ": 0"})

		issuer.Recover()
		time.Sleep(time.Minute) // beyond the back-off
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		at("good", "fresh", map[string]string{"key_age": ": 10", "keys": ": 2"})

		if _, err := keys.Keys(t.Context(), "unknown"); err == nil {
			t.Fatal("an unknown key was found")
		}
		at("an unknown key was sought", "fresh", map[string]string{"key_age": ": 10", "unknown_keys": ": 1", "waits": ": 1", "unjudged": ": 0", "dropped_events": ": 0"})

		issuer.Fail(http.StatusServiceUnavailable)
		_ = keys.Refresh(t.Context())
		at("the issuer is down", "stale", map[string]string{"keys": ": 2"})
		time.Sleep(time.Hour)
		at("for an hour", "expired", map[string]string{"key_age": ": 3610", "keys": ": 0"})
		if err := keys.Close(); err != nil {
			t.Error(err)
		}
		at("closed", "closed", nil)
	})
}

func TestWatchTellsOfKeysThatAreNotUsed(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench, issuer *authtest.Issuer, i *otelauth.Issuer) {
		issuer.Garbage(`{"keys":[{"kty":"AKP"},{"kty":"AKP","kid":"x"},{"kty":"oct","k":"AAAA"},{"kty":"OKP","crv":"Ed25519","kid":"e",
			"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`)
		keys := issuer.Source(nil)
		mustWatch(t, i, keys)
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := b.read(t)
		same(t, "skipped", got["bearward.jwks.skipped_keys"].lines(), []string{
			"bearward.issuer=main bearward.jwks.skip_reason=kty: 2",
			"bearward.issuer=main bearward.jwks.skip_reason=symmetric: 1",
		})
		exposed := got["bearward.jwks.exposed_keys"].points
		if len(exposed) != 1 || exposed[0].value == 0 {
			t.Errorf("got exposed %v, want the key with its private part", exposed)
		}
	})
}

func TestWatchIsTakenOverByTheNextCache(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench, issuer *authtest.Issuer, i *otelauth.Issuer) {
		for _, stale := range []time.Duration{time.Hour, 2 * time.Hour} {
			mustWatch(t, i, issuer.Source(&jwks.Options{MaxStale: stale}))
		}
		mustWatch(t, mustIssuer(t, b, "partner"), issuer.Source(nil))
		same(t, "max_stale", b.read(t)["bearward.jwks.max_stale"].lines(), []string{
			"bearward.issuer=main: 7200",
			"bearward.issuer=partner: 86400",
		})
	})
}

func TestCloseEndsWhatWatchBegan(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench, issuer *authtest.Issuer, i *otelauth.Issuer) {
		keys := issuer.Source(nil)
		mustWatch(t, i, keys)
		partner := mustIssuer(t, b, "partner") // never watched
		if got := b.read(t); len(got["bearward.jwks.state"].points) == 0 {
			t.Fatal("nothing is reported before Close")
		}
		for range 2 {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		if got := b.read(t); len(got) > 0 {
			t.Errorf("after Close: got %v", got)
		}
		for _, late := range []*otelauth.Issuer{i, partner} {
			if err := late.Watch(keys); err == nil || err.Error() != "otelauth: Watch: the Telemetry is closed" {
				t.Errorf("got %v, want Watch to say that the Telemetry is closed", err)
			}
		}
		i.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerClock})
		if got := b.read(t)["bearward.jwks.fetches"].lines(); len(got) != 1 {
			t.Errorf("a hook after Close: got %v", got)
		}
	})
}

func TestEveryCallbackIsUnregistered(t *testing.T) {
	ledger := &ledger{MeterProvider: newBench(t, nil).meters}
	telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: ledger})
	if err != nil {
		t.Fatal(err)
	}
	issuer := authtest.NewIssuer(t, nil)
	for _, name := range []string{"one", "two"} {
		i, err := telemetry.Issuer(name)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			mustWatch(t, i, issuer.Source(nil))
		}
	}
	if got := ledger.open.Load(); got != 2 {
		t.Errorf("got %d callbacks, want one for each Issuer", got)
	}
	if err := telemetry.Close(); err != nil {
		t.Error(err)
	}
	if got := ledger.open.Load(); got != 0 {
		t.Errorf("got %d callbacks after Close", got)
	}
}

// A callback that the MeterProvider does not give back reports nothing, and holds no cache.
func TestCloseTellsOfACallbackThatStays(t *testing.T) {
	b := newBench(t, nil)
	telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: &ledger{MeterProvider: b.meters, stuck: true}})
	if err != nil {
		t.Fatal(err)
	}
	i, err := telemetry.Issuer("main")
	if err != nil {
		t.Fatal(err)
	}
	mustWatch(t, i, authtest.NewIssuer(t, nil).Source(nil))
	if err := telemetry.Close(); err == nil || err.Error() != "otelauth: Close: stuck" {
		t.Errorf("got %v", err)
	}
	if got := b.read(t); len(got) > 0 {
		t.Errorf("after Close: got %v", got)
	}
}

func TestWatchAndCloseWhileMetricsAreRead(t *testing.T) {
	b := newBench(t, nil)
	i := mustIssuer(t, b, "main")
	issuer := authtest.NewIssuer(t, nil)
	sources := []*jwks.Cache{issuer.Source(nil), issuer.Source(nil)}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 50 {
				b.read(t)
			}
		})
	}
	for n := range 50 {
		mustWatch(t, i, sources[n%2])
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
