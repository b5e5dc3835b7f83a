package otelauth_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/bearward/bearward/adapters/otelauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

// byHost reaches each issuer by the client of its own.
type byHost map[string]*http.Client

func (b byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	return b[r.URL.Host].Transport.RoundTrip(r)
}

// The one hook and the one Guard tell of both issuers, each under its own name.
func TestWatchTellsOfEveryIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		good := authtest.NewIssuer(t, &authtest.Options{URL: "https://up.example"})
		bad := authtest.NewIssuer(t, &authtest.Options{URL: "https://down.example"})
		bad.Fail(http.StatusServiceUnavailable)
		guard, err := provider.Guard(&auth.GuardOptions{OnDecision: b.OnDecision, Keys: &jwks.Options{
			Client:    &http.Client{Transport: byHost{"up.example": good.Client(), "down.example": bad.Client()}},
			OnRefresh: b.OnRefresh,
		}}, provider.Preset{Config: good.Config()}, provider.Preset{Config: bad.Config()})
		if err != nil {
			t.Fatal(err)
		}
		defer guard.Close()
		for range 2 {
			if err := b.Watch(guard); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		got := b.read(t)
		want := []string{"bearward.issuer=https://down.example: 0", "bearward.issuer=https://up.example: 2"}
		if lines := got["bearward.jwks.keys"].lines(); !slices.Equal(lines, want) {
			t.Errorf("keys %q, want %q", lines, want)
		}
		want = []string{
			"bearward.issuer=https://down.example bearward.jwks.result=failed bearward.jwks.trigger=start error.type=_OTHER: 1",
			"bearward.issuer=https://up.example bearward.jwks.result=good bearward.jwks.trigger=start: 1",
		}
		if lines := got["bearward.jwks.fetches"].lines(); !slices.Equal(lines, want) {
			t.Errorf("fetches %q, want %q", lines, want)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if lines := b.read(t)["bearward.jwks.keys"].lines(); len(lines) > 0 {
			t.Errorf("after Close: %q", lines)
		}
		if err := b.Watch(guard); err == nil || err.Error() != "otelauth: Watch: the Telemetry is closed" {
			t.Errorf("got %v", err)
		}
		if err := b.Watch(nil); err == nil || err.Error() != "otelauth: Watch needs a Guard" {
			t.Errorf("got %v", err)
		}
	})
}

// Two Guards of one issuer, and an Issuer of its name, are one point each.
func TestOneIssuerIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		issuer := authtest.NewIssuer(t, nil)
		named := mustIssuer(t, b, issuer.URL)
		for range 2 {
			if err := b.Watch(issuer.Guard(nil)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		want := []string{"bearward.issuer=" + issuer.URL + ": 2"}
		if lines := b.read(t)["bearward.jwks.keys"].lines(); !slices.Equal(lines, want) {
			t.Errorf("keys %q, want %q", lines, want)
		}
		mustWatch(t, named, issuer.Source(nil))
		synctest.Wait()
		if lines := b.read(t)["bearward.jwks.keys"].lines(); !slices.Equal(lines, want) {
			t.Errorf("keys %q, want %q", lines, want)
		}
	})
}

func TestIssuersAreBounded(t *testing.T) {
	b := newBench(t, &otelauth.Options{MaxIssuers: 2})
	for i := range 4 {
		b.OnRefresh(jwks.RefreshEvent{Source: fmt.Sprintf("https://%d.example", i), Trigger: jwks.TriggerStart})
	}
	b.OnRefresh(jwks.RefreshEvent{Source: "\xff", Trigger: jwks.TriggerStart})
	b.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerStart})
	if err := b.Watch(authtest.NewIssuer(t, nil).Guard(nil)); err != nil { // has no place
		t.Fatal(err)
	}
	got := b.read(t)
	want := []string{
		"bearward.issuer=_OTHER bearward.jwks.result=good bearward.jwks.trigger=start: 4",
		"bearward.issuer=https://0.example bearward.jwks.result=good bearward.jwks.trigger=start: 1",
		"bearward.issuer=https://1.example bearward.jwks.result=good bearward.jwks.trigger=start: 1",
	}
	if lines := got["bearward.jwks.fetches"].lines(); !slices.Equal(lines, want) {
		t.Errorf("fetches %q, want %q", lines, want)
	}
	if lines := got["bearward.jwks.keys"].lines(); len(lines) > 0 {
		t.Errorf("an issuer beyond the bound has %q", lines)
	}
	for _, most := range []int{-1, 2001} {
		if _, err := otelauth.New(&otelauth.Options{MaxIssuers: most}); err == nil {
			t.Errorf("%d issuers", most)
		}
	}
}
