package promauth_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/bearward/bearward/adapters/promauth"
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

func state(issuer string, s jwks.State) string {
	return fmt.Sprintf("bearward_jwks_state{issuer=%q,state=%q}", issuer, s)
}

func fetches(issuer, result string) string {
	return fmt.Sprintf(`bearward_jwks_fetches_total{issuer=%q,result=%q,trigger="start"}`, issuer, result)
}

// The one hook and the one Guard tell of both issuers, each under its own name.
func TestWatchTellsOfEveryIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, reg := setUp(t, nil)
		const up, down = "https://up.example", "https://down.example"
		good := authtest.NewIssuer(t, &authtest.Options{URL: up})
		bad := authtest.NewIssuer(t, &authtest.Options{URL: down})
		bad.Fail(http.StatusServiceUnavailable)
		guard, err := provider.Guard(&auth.GuardOptions{OnDecision: m.OnDecision, Keys: &jwks.Options{
			Client:    &http.Client{Transport: byHost{"up.example": good.Client(), "down.example": bad.Client()}},
			OnRefresh: m.OnRefresh,
		}}, provider.Preset{Config: good.Config()}, provider.Preset{Config: bad.Config()})
		if err != nil {
			t.Fatal(err)
		}
		defer guard.Close()
		m.Watch(guard)
		m.Watch(guard)
		synctest.Wait()
		wants(t, gathered(t, reg), map[string]float64{
			state(up, jwks.StateFresh): 1, state(up, jwks.StateEmpty): 0, fetches(up, "good"): 1, fetches(up, "failed"): 0,
			state(down, jwks.StateFresh): 0, state(down, jwks.StateEmpty): 1, fetches(down, "good"): 0, fetches(down, "failed"): 1,
		})
		defer func() {
			if recover() == nil {
				t.Error("no Guard is watched, and nobody is told")
			}
		}()
		m.Watch(nil)
	})
}

// A registry refuses a whole scrape in which a series is twice.
func TestOneIssuerOfTwoGuardsIsCollectedOnce(t *testing.T) {
	m, reg := setUp(t, nil)
	issuer := authtest.NewIssuer(t, nil)
	first, second := issuer.Guard(nil), issuer.Guard(nil)
	m.Watch(first)
	m.Watch(second)
	if _, series := total(gathered(t, reg), "bearward_jwks_state{"); series != 5 {
		t.Errorf("%d series of a state", series)
	}
	m, reg = setUp(t, nil)
	if err := mustIssuer(t, m, issuer.URL).Watch(issuer.Source(nil)); err != nil {
		t.Fatal(err)
	}
	m.Watch(first)
	if _, series := total(gathered(t, reg), "bearward_jwks_state{"); series != 5 {
		t.Errorf("%d series of a state, one of which is an Issuer's", series)
	}
}

// Keys that are not a key cache's have no state.
func TestAGuardWithoutAKeyCacheIsWatched(t *testing.T) {
	m, reg := setUp(t, nil)
	v, err := auth.NewVerifier(jwks.Static{}, auth.Config{Issuer: "https://issuer.example", Audiences: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewGuard(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Watch(guard)
	if _, series := total(gathered(t, reg), "bearward_jwks_state{"); series != 0 {
		t.Errorf("%d series of a state", series)
	}
}

func TestIssuersAreBounded(t *testing.T) {
	m, reg := setUp(t, &promauth.Options{MaxIssuers: 2})
	for i := range 4 {
		m.OnRefresh(jwks.RefreshEvent{Source: fmt.Sprintf("https://%d.example", i), Trigger: jwks.TriggerStart})
	}
	m.OnRefresh(jwks.RefreshEvent{Source: "\xff", Trigger: jwks.TriggerStart})
	m.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerStart})
	m.Watch(authtest.NewIssuer(t, nil).Guard(nil)) // has no place
	all := gathered(t, reg)
	wants(t, all, map[string]float64{fetches("https://0.example", "good"): 1, fetches("https://1.example", "good"): 1, fetches("other", "good"): 4})
	if _, series := total(all, "bearward_jwks_state{"); series != 0 {
		t.Errorf("%d series of an issuer beyond the bound", series)
	}
}
