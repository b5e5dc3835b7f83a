package jwks_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

func TestAgeIsThatOfTheLastGoodFetch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := open(t, i)
		if got := c.Age(); got != 0 {
			t.Errorf("age %v of no keys", got)
		}
		if err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		i.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		sleep(time.Hour)
		if got, want := c.Age(), c.Status().Age; got != want || got < time.Hour {
			t.Errorf("age %v after an hour of failures, and Status says %v", got, want)
		}
		sleep(24 * time.Hour)
		if got := c.Age(); got != 0 {
			t.Errorf("age %v of keys that ran out", got)
		}
	})
}

func TestStatusTellsTheMaxStaleInForce(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts *jwks.Options
		want time.Duration
	}{
		{"the default", nil, 24 * time.Hour},
		{"as set", &jwks.Options{MaxStale: time.Hour}, time.Hour},
	} {
		c, err := jwks.New("http://127.0.0.1:1", tt.opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Status().MaxStale; got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestASkippedKeyIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		bad := func(kid string) any { return with(rsaJWK(kid, 1024), nil) }
		i.answer(body(set(edJWK("a", 0), bad("b"))))
		var told []string
		refreshes := 0
		c := warm(t, i, func(o *jwks.Options) {
			o.OnRefresh = func(jwks.RefreshEvent) { refreshes++; panic("the hook's own fault") }
			o.OnKeySkipped = func(s jwks.Skip) {
				told = append(told, fmt.Sprint(s.KeyID, " ", s.Reason))
				panic("the hook's own fault")
			}
		})
		refresh := func(keys ...any) {
			t.Helper()
			i.answer(body(set(keys...)))
			if err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			sleep(time.Second)
		}
		refresh(bad("b"), edJWK("a", 0)) // in another place
		refresh(edJWK("a", 0), with(rsaJWK("b", 2048), map[string]any{"use": "enc"}), bad("c"))
		refresh(edJWK("a", 0))
		refresh(edJWK("a", 0), bad("c"))
		want := []string{"b rsa_size", "b use", "c rsa_size", "c rsa_size"}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if refreshes < 5 {
			t.Errorf("OnRefresh was called %d times", refreshes)
		}
	})
}

func TestLogRefreshesByLevel(t *testing.T) {
	var b bytes.Buffer
	hook := jwks.LogRefreshes(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})))
	key := []*jwks.Key{{ID: "a"}}
	for _, tt := range []struct {
		e    jwks.RefreshEvent
		want string
	}{
		{jwks.RefreshEvent{Err: jwks.ErrUnavailable, Keys: 1}, "level=ERROR msg=\"keys not refreshed"},
		{jwks.RefreshEvent{Err: jwks.ErrUnavailable}, "level=ERROR msg=\"keys not fetched, and none are cached"},
		{jwks.RefreshEvent{Exposed: []string{"a"}, Added: key}, "level=ERROR msg=\"keys published"},
		{jwks.RefreshEvent{Skipped: []jwks.Skip{{KeyID: "a", Reason: jwks.SkipUse}}, Added: key}, "level=WARN msg=\"published keys"},
		{jwks.RefreshEvent{SnapshotErr: jwks.ErrUnavailable, Added: key}, "level=WARN msg=\"snapshot"},
		{jwks.RefreshEvent{Removed: key}, "level=INFO msg=\"keys changed"},
		{jwks.RefreshEvent{NotModified: true}, "level=DEBUG msg=\"keys unchanged"},
	} {
		b.Reset()
		hook(tt.e)
		if !strings.Contains(b.String(), tt.want) {
			t.Errorf("%+v: %s, want %s", tt.e, b.String(), tt.want)
		}
	}
}

func TestLogRefreshesNeedsALogger(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); said != "jwks: LogRefreshes needs a Logger" {
			t.Errorf("got %s", said)
		}
	}()
	jwks.LogRefreshes(nil)
}
