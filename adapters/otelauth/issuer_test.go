package otelauth_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

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
		at("an unknown key was sought", "fresh", map[string]string{"key_age": ": 0", "unknown_keys": ": 1", "waits": ": 1", "unjudged": ": 0", "dropped_events": ": 0"})

		issuer.Fail(http.StatusServiceUnavailable)
		_ = keys.Refresh(t.Context())
		at("the issuer is down", "stale", map[string]string{"keys": ": 2"})
		time.Sleep(time.Hour)
		at("for an hour", "expired", map[string]string{"key_age": ": 3600", "keys": ": 0"})
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

func TestFetchesAreCountedAndTraced(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench, issuer *authtest.Issuer, i *otelauth.Issuer) {
		start := time.Now()
		issuer.Slow(100 * time.Millisecond)
		keys := issuer.Source(&jwks.Options{OnRefresh: i.OnRefresh, SnapshotFile: filepath.Join(t.TempDir(), "no such folder", "keys.json")})
		time.Sleep(time.Second)
		issuer.Recover()
		for _, spoil := range []func(){
			func() {},
			func() { issuer.Rotate() },
			func() { issuer.Impersonate("https://other.example") },
			func() { issuer.Hang() },
			func() { issuer.Garbage("<html>") },
		} {
			spoil()
			_ = keys.Refresh(t.Context())
			issuer.Recover()
			time.Sleep(2 * time.Minute) // beyond any back-off
			synctest.Wait()
		}
		if err := keys.Close(); err != nil {
			t.Error(err)
		}

		first := b.spans.Ended()[0]
		if got := first.StartTime().Sub(start); got < 0 || got > 50*time.Millisecond {
			t.Errorf("the first span starts %v after the cache was made", got)
		}
		if got := first.EndTime().Sub(first.StartTime()); got != 200*time.Millisecond { // metadata and key set
			t.Errorf("the first span lasts %v", got)
		}
		checkFetchSpans(t, b.spans.Ended())
		checkFetchMetrics(t, b)
	})
}

func checkFetchSpans(t *testing.T, spans []sdktrace.ReadOnlySpan) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range spans {
		if s.Name() != "bearward.jwks.fetch" || s.SpanKind() != trace.SpanKindInternal || s.Parent().IsValid() || len(s.Links()) > 0 {
			t.Errorf("got span %q of kind %v, parent %v, links %v", s.Name(), s.SpanKind(), s.Parent(), s.Links())
		}
		line := text(s.Attributes())
		seen[line] = true
		if failed := strings.Contains(line, "result=failed"); failed != (s.Status().Code == codes.Error) || failed != (s.Status().Description != "") {
			t.Errorf("%s: got status %v", line, s.Status())
		}
	}
	for _, want := range []string{
		"bearward.issuer=main bearward.jwks.added=2 bearward.jwks.removed=0 bearward.jwks.result=good bearward.jwks.trigger=start",
		"bearward.issuer=main bearward.jwks.added=0 bearward.jwks.removed=0 bearward.jwks.result=not_modified bearward.jwks.trigger=refresh",
		"bearward.issuer=main bearward.jwks.added=1 bearward.jwks.removed=0 bearward.jwks.result=good bearward.jwks.trigger=refresh",
		"bearward.issuer=main bearward.jwks.added=0 bearward.jwks.removed=0 bearward.jwks.result=failed bearward.jwks.trigger=refresh error.type=misconfigured",
		"bearward.issuer=main bearward.jwks.added=0 bearward.jwks.removed=0 bearward.jwks.result=failed bearward.jwks.trigger=refresh error.type=timeout",
		"bearward.issuer=main bearward.jwks.added=0 bearward.jwks.removed=0 bearward.jwks.result=failed bearward.jwks.trigger=refresh error.type=_OTHER",
	} {
		if !seen[want] {
			t.Errorf("no span %s; got %v", want, seen)
		}
	}
}

func checkFetchMetrics(t *testing.T, b *bench) {
	t.Helper()
	got := b.read(t)
	total := func(name string) (n float64) {
		for _, p := range got[name].points {
			n += p.value
		}
		return n
	}
	if fetches, spans := total("bearward.jwks.fetches"), float64(len(b.spans.Ended())); fetches != spans || total("bearward.jwks.fetch.duration") != spans {
		t.Errorf("got %v fetches and %v durations for %v spans", fetches, total("bearward.jwks.fetch.duration"), spans)
	}
	if !strings.Contains(strings.Join(got["bearward.jwks.fetches"].lines(), "\n"),
		"bearward.issuer=main bearward.jwks.result=failed bearward.jwks.trigger=refresh error.type=misconfigured: 1") {
		t.Errorf("got %v", got["bearward.jwks.fetches"].lines())
	}
	same(t, "key_changes", got["bearward.jwks.key_changes"].lines(), []string{"bearward.issuer=main bearward.jwks.change=added: 3"})
	if total("bearward.jwks.snapshot_failures") == 0 {
		t.Error("the snapshot file in no folder counts nowhere")
	}
}

// Reading the snapshot file is no fetch. Failed discovery counts beside the fetch that it was for.
func TestWhatIsNoFetch(t *testing.T) {
	b := newBench(t, nil)
	i := mustIssuer(t, b, "main")
	i.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerSnapshot, Added: make([]*jwks.Key, 2)})
	i.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerSnapshot, SnapshotErr: context.Canceled})
	if got := len(b.spans.Ended()); got > 0 {
		t.Errorf("got %d spans", got)
	}
	i.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerClock, DiscoveryErr: context.Canceled, Removed: make([]*jwks.Key, 1)})
	got := b.read(t)
	for name, want := range map[string][]string{
		"fetches":            {"bearward.issuer=main bearward.jwks.result=good bearward.jwks.trigger=clock: 1"},
		"discovery_failures": {"bearward.issuer=main: 1"},
		"snapshot_failures":  {"bearward.issuer=main: 1"},
		"key_changes":        {"bearward.issuer=main bearward.jwks.change=added: 2", "bearward.issuer=main bearward.jwks.change=removed: 1"},
	} {
		same(t, name, got["bearward.jwks."+name].lines(), want)
	}
}

// A description is bounded, and UTF-8 whatever the error says.
func TestAnErrorIsDescribedWithinBounds(t *testing.T) {
	b := newBench(t, nil)
	mustIssuer(t, b, "main").OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerClock, Err: odd("\xff" + strings.Repeat("é", 2000))})
	got := b.spans.Ended()[0].Status().Description
	if want := "?" + strings.Repeat("é", 511) + "?"; got != want {
		t.Errorf("got %d bytes, %q...", len(got), got[:min(len(got), 8)])
	}
}

type odd string

func (o odd) Error() string { return string(o) }
