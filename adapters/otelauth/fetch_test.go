package otelauth_test

import (
	"context"
	"path/filepath"
	"strings"
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
