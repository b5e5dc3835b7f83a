//go:build !race

package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// allocations returns how many allocations one call of f makes, after calls that fill the caches
// and the pools.
func allocations(t *testing.T, f func()) float64 {
	t.Helper()
	for range 10 {
		f()
	}
	return testing.AllocsPerRun(200, f)
}

// cached returns a verifier over a key cache, which is what serves in production.
func cached(t *testing.T) (*authtest.Issuer, *auth.Verifier) {
	t.Helper()
	issuer := authtest.NewIssuer(t, nil)
	return issuer, issuer.Verifier(auth.Config{})
}

func accept(t *testing.T, v *auth.Verifier, token string) func() {
	return func() {
		if _, err := v.VerifyToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAWarmTokenCostsNoAllocation(t *testing.T) {
	issuer, v := cached(t)
	if got := allocations(t, accept(t, v, issuer.Token("read:orders"))); got > 0 {
		t.Errorf("a token that is remembered: got %v allocations, want 0", got)
	}
}

func TestTheWarmMiddlewareCostsOneAllocation(t *testing.T) {
	issuer, one := cached(t)
	other := authtest.NewIssuer(t, &authtest.Options{URL: "https://other.example"})
	both, err := auth.NewIssuers(other.Verifier(auth.Config{}), one)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]auth.TokenVerifier{"one issuer": one, "one of two issuers": both} {
		t.Run(name, func(t *testing.T) {
			passed := false
			h := must(auth.NewGuard(v, nil)).Require("read:orders")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }))
			r := httptest.NewRequest("GET", "/orders", nil)
			r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders"))
			w := httptest.NewRecorder()
			got := allocations(t, func() { h.ServeHTTP(w, r) })
			if !passed {
				t.Fatalf("the request was refused: %d %s", w.Code, w.Body)
			}
			if got > 1 { // the record of the decision, and the request that carries it
				t.Errorf("got %v allocations, want at most 1", got)
			}
		})
	}
}

func TestOnlyChecksPayForThePath(t *testing.T) {
	issuer, v := cached(t)
	guard := must(auth.NewGuard(v, nil))
	r := httptest.NewRequest("GET", "/orders/7", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders"))
	cost := func(req auth.Requirement) float64 {
		mux, passed := http.NewServeMux(), 0
		mux.Handle("GET /orders/{id}", guard.Enforce(req)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ })))
		w := httptest.NewRecorder()
		got := allocations(t, func() { mux.ServeHTTP(w, r) })
		if passed != 211 {
			t.Fatalf("%d of 211 requests were accepted: %s", passed, w.Body)
		}
		return got
	}
	without := cost(auth.AnyToken())
	with := cost(auth.AnyToken().With(func(ctx context.Context, _ *auth.Principal) error {
		if auth.PathValue(ctx, "id") != "7" {
			return errors.New("another order")
		}
		return nil
	}))
	if without > 3 || with-without > 1 { // ServeMux makes two of the three
		t.Errorf("%v allocations without a check and %v with one, want at most 3 and one more", without, with)
	}
}

func TestRandomTextCostsNoAllocation(t *testing.T) {
	_, v := cached(t)
	for name, text := range map[string]string{
		"no dot":     strings.Repeat("x", 1600),
		"one dot":    strings.Repeat("x", 800) + "." + strings.Repeat("x", 800),
		"three dots": "x.x.x." + strings.Repeat("x", 1600),
	} {
		t.Run(name, func(t *testing.T) {
			got := allocations(t, func() {
				if _, err := v.VerifyToken(t.Context(), text); err == nil {
					t.Fatal("accepted")
				}
			})
			if got > 0 {
				t.Errorf("got %v allocations, want 0", got)
			}
		})
	}
}

func TestAnUnknownKeyCostsTwoAllocations(t *testing.T) {
	issuer, v := cached(t)
	token := issuer.Token("read:orders", authtest.UnknownKid)
	got := allocations(t, func() { // the first few of which spend the permits for fetches
		if got := reasonOf(verify(t, v, token)); got != auth.ReasonKeyUnknown {
			t.Fatalf("reason %v, want %v", got, auth.ReasonKeyUnknown)
		}
	})
	if got > 2 { // the header's text, and the refusal
		t.Errorf("got %v allocations, want at most 2", got)
	}
}

// A forged token leaves no claims behind; what it costs beyond a good one is the error that jwx
// makes.
func TestAColdTokenCostsFewAllocationsBeyondItsSignature(t *testing.T) {
	for _, c := range []struct {
		alg          string
		good, forged float64
	}{{"RS256", 5, 4}, {"PS256", 2, 1}, {"ES256", 5, 6}, {"EdDSA", 4, 5}} {
		t.Run(c.alg, func(t *testing.T) {
			k := newSigningKey(t, c.alg, "key-2026-11")
			token := k.sign(t, k.header(), largeClaims())
			v, err := auth.NewVerifier(jwks.Static{k.public()}, auth.Config{
				Issuer: testIssuer, Audiences: []string{testAudience}, CacheSize: -1,
			})
			if err != nil {
				t.Fatal(err)
			}
			floor := allocations(t, raw(t, k, token))
			if got := allocations(t, accept(t, v, token)); got > floor+c.good {
				t.Errorf("got %v allocations, want at most %v more than the signature's %v", got, c.good, floor)
			}
			other := k.sign(t, k.header(), claims())
			forged := token[:strings.LastIndexByte(token, '.')] + other[strings.LastIndexByte(other, '.'):]
			got := allocations(t, func() {
				if got := reasonOf(verify(t, v, forged)); got != auth.ReasonSignatureInvalid {
					t.Fatalf("reason %v, want %v", got, auth.ReasonSignatureInvalid)
				}
			})
			if got > floor+c.forged {
				t.Errorf("forged: got %v allocations, want at most %v more than the signature's %v", got, c.forged, floor)
			}
		})
	}
}

// A plain token through a Guard with Bindings, which it does not need, costs what it costs without
// them.
func TestW03_BindingsCostAPlainTokenNoAllocation(t *testing.T) {
	issuer, v := cached(t)
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders"))
	cost := func(opts *auth.GuardOptions) float64 {
		h := must(auth.NewGuard(v, opts)).Require("read:orders")(http.HandlerFunc(ok))
		w := httptest.NewRecorder()
		got := allocations(t, func() { h.ServeHTTP(w, r) })
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return got
	}
	without := cost(nil)
	with := cost(&auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP"}, &fakeBinding{member: "x5t#S256"}}})
	if with > without {
		t.Errorf("%v allocations with Bindings, %v without", with, without)
	}
}

// A bound token costs the record of what its proof was checked against.
func TestABoundTokenCostsOneAllocationMore(t *testing.T) {
	v := newFake(t)
	g := must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&connectionBinding{}}}))
	cost := func(token string) float64 {
		c := bearer(token)
		return allocations(t, func() {
			v.asked = v.asked[:0]
			if _, err := g.Authorize(t.Context(), c, auth.AnyToken()); err != nil {
				t.Fatal(err)
			}
		})
	}
	if plain, bound := cost("reader"), cost("bound"); bound > plain+1 {
		t.Errorf("%v allocations, %v for a plain token", bound, plain)
	}
}

// connectionBinding reads no field.
type connectionBinding struct{}

func (*connectionBinding) Member() string   { return "jkt" }
func (*connectionBinding) Fields() []string { return nil }
func (*connectionBinding) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}
