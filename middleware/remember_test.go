package auth_test

import (
	"sync"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

// A Principal remembers rules that it met. Whatever was asked of it before, and by whom, changes no
// answer.
func TestRulesThatWereMetChangeNoAnswer(t *testing.T) {
	v := &fixedVerifier{principal(t, "write:orders read:users", "")}
	plain := must(auth.NewGuard(v, nil))
	implying := must(auth.NewGuard(v, &auth.GuardOptions{Implies: map[string][]string{"write:orders": {"read:orders"}}}))
	rules := []struct {
		req          auth.Requirement
		met, implied bool
	}{
		{auth.Scopes("read:orders"), false, true},
		{auth.Scopes("write:orders"), true, true},
		{auth.Scopes("write:orders", "read:users"), true, true},
		{auth.Scopes("write:orders", "read:orders"), false, true},
		{auth.AllOf(auth.Scopes("write:orders"), auth.Scopes("admin")), false, false},
		{auth.AllOf(auth.Scopes("write:orders"), auth.Scopes("read:users")), true, true},
		{auth.AllOf(auth.Scopes("write:orders"), auth.AnyScope("read:orders", "admin")), false, true},
		{auth.AllOf(auth.Scopes("write:orders"), auth.AnyScope("read:users", "admin")), true, true},
		{auth.Scopes("read:users"), true, true}, // the fourth of those that are remembered
		{auth.AllOf(auth.Scopes("write:orders"), auth.Bound()), false, false},
	}
	ask := func(g *auth.Guard, req auth.Requirement) bool {
		_, err := g.Authorize(t.Context(), bearer("any"), req)
		return err == nil
	}
	for range 3 {
		for i, r := range rules {
			if got := ask(implying, r.req); got != r.implied {
				t.Errorf("rule %d, %v: accepted %v, want %v, where write:orders implies read:orders", i, r.req, got, r.implied)
			}
			if got := ask(plain, r.req); got != r.met {
				t.Errorf("rule %d, %v: accepted %v, want %v", i, r.req, got, r.met)
			}
		}
	}
}

// Callers who share a token ask at the same time.
func TestRulesAreRememberedByManyAtOnce(t *testing.T) {
	p := principal(t, "a b c d", "")
	g := must(auth.NewGuard(&fixedVerifier{p}, nil))
	var rules []auth.Requirement
	for _, scope := range []string{"a", "b", "c", "d", "e"} {
		rules = append(rules, auth.Scopes(scope))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				for i, r := range rules {
					if _, err := g.Authorize(t.Context(), bearer("any"), r); (err == nil) != (i < 4) {
						t.Errorf("rule %v: %v", r, err)
					}
				}
			}
		})
	}
	all.Wait()
}
