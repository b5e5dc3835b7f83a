package main_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestAssertGuardedInAnotherField asks an API whose tokens come in a field of their own, and the
// same one with what somebody put in front.
func TestAssertGuardedInAnotherField(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{Header: assertion})
	api := http.NewServeMux()
	for rule, need := range library {
		api.Handle(rule, guard.Enforce(need)(book(rule)))
	}
	change := func(by func(http.Header)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			by(r.Header)
			api.ServeHTTP(w, r)
		})
	}
	for name, tt := range map[string]struct {
		h    http.Handler
		want string // of every failure, "" for none
		told int    // failures at least
	}{
		"as it should be": {h: api},
		"Authorization counts where the field is missing": {h: change(func(h http.Header) {
			if token, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer "); ok && h.Get(assertion) == "" {
				h.Set(assertion, token)
			}
		}), want: "(W-05): the token in Authorization, and none in " + assertion, told: 4},
		"the scheme is taken off": {h: change(func(h http.Header) {
			for i, v := range h[assertion] {
				h[assertion][i] = strings.TrimPrefix(v, "Bearer ")
			}
		}), want: "(W-05): a token with its scheme in " + assertion, told: 5},
		"caches are told nothing": {h: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner := httptest.NewRecorder()
			api.ServeHTTP(inner, r)
			for name, values := range inner.Header() {
				if name != "Vary" && (name != "Cache-Control" || inner.Code != 200) {
					w.Header()[name] = values
				}
			}
			w.WriteHeader(inner.Code)
			_, _ = w.Write(inner.Body.Bytes())
		}), want: `without "Vary: ` + assertion + `"`, told: 5},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			authtest.AssertGuarded(r, issuer, tt.h, library, &authtest.GuardedOptions{Header: assertion})
			if len(r.errors) < tt.told || tt.want == "" && len(r.errors) > 0 {
				t.Errorf("%d failures, want %d: %q", len(r.errors), tt.told, r.errors)
			}
			for _, e := range r.errors {
				if !strings.Contains(e, tt.want) {
					t.Errorf("failed for something else: %s", e)
				}
			}
		})
	}
}
