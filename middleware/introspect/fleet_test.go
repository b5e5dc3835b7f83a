package introspect_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// What a fleet asks of the introspection endpoint and of the revocation store is a formula of
// requests, tokens, replicas and MaxAge: the real Introspectors and Guards run in simulated time.
func TestWhatAFleetAsks(t *testing.T) {
	const (
		replicas = 10
		tokens   = 20
		took     = 4 * time.Minute
		maxAge   = 30 * time.Second // the default
	)
	renewal := maxAge / 10 * 8
	for _, tt := range []struct {
		name    string
		every   time.Duration // between two requests with one token at one replica
		forged  bool          // each token is used once
		most    int           // calls
		formula string
	}{
		{"used every second", time.Second, false, replicas * tokens * (int(took/renewal) + 1), "replicas × tokens × (T / 24 s + 1)"},
		{"used every 20 s", 20 * time.Second, false, replicas * tokens * (int(took/renewal) + 1), "replicas × tokens × (T / 24 s + 1)"},
		{"used every 2 min", 2 * time.Minute, false, replicas * tokens * (int(took/(2*time.Minute)) + 1), "requests"},
		{"forged, each used once", 10 * time.Second, true, replicas * tokens * int(took/(10*time.Second)), "requests"},
	} {
		simulated(t, func(t *testing.T) {
			e := newEndpoint()
			chance := rand.New(rand.NewPCG(1, 1))
			var requests, asked, accepted int
			var guards []*auth.Guard
			for range replicas {
				guard, err := auth.NewGuard(mustNew(t, e, nil), &auth.GuardOptions{
					OnDecision: func(context.Context, auth.Decision) {},
					Revoked: func(context.Context, *auth.Principal) (bool, error) {
						asked++
						return false, nil
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				guards = append(guards, guard)
			}
			for n := range tokens {
				e.give(fmt.Sprint("token-", n), nil)
			}
			began := time.Now()
			next := make([]time.Duration, replicas*tokens)
			for n := range next {
				next[n] = time.Duration(chance.Int64N(int64(tt.every)))
			}
			for now := time.Duration(0); now < took; now += 250 * time.Millisecond {
				for n := range next {
					if next[n] > now {
						continue
					}
					next[n] += tt.every
					token := fmt.Sprint("token-", n%tokens)
					if tt.forged {
						token = fmt.Sprint("forged-", requests)
					}
					r := httptest.NewRequest("GET", "/orders", nil)
					r.Header.Set("Authorization", "Bearer "+token)
					requests++
					ctx, err := guards[n/tokens].Authorize(t.Context(), auth.RequestCredentials(httptest.NewRecorder(), r, "GET /orders"), auth.Scopes("read:orders"))
					if tt.forged != (err != nil) {
						t.Fatalf("%s: %v", token, err)
					}
					if _, ok := auth.PrincipalFrom(ctx); ok {
						accepted++
					}
				}
				time.Sleep(time.Until(began.Add(now + 250*time.Millisecond))) // in the bubble
			}
			t.Logf("figure: %d replicas, %d tokens, %s for %v: %d requests; %d calls of the endpoint, at most %d = %s; %d of the revocation store = requests that were accepted",
				replicas, tokens, tt.name, took, requests, e.count(), tt.most, tt.formula, asked)
			if got := e.count(); got > tt.most || got > requests {
				t.Errorf("%s: the endpoint was called %d times for %d requests, at most %d = %s", tt.name, got, requests, tt.most, tt.formula)
			}
			if asked != accepted {
				t.Errorf("%s: the revocation store was asked %d times for %d accepted requests", tt.name, asked, accepted)
			}
		})
	}
}
