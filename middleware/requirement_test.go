package auth_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

func authorize(t *testing.T, req auth.Requirement, scope string) error {
	t.Helper()
	v := &fakeVerifier{known: map[string]*auth.Principal{"t": principal(t, scope, "")}}
	_, err := must(auth.NewGuard(v, nil)).Authorize(t.Context(), bearer("t"), req)
	return err
}

func TestScopesAreComparedExactly(t *testing.T) {
	for scope, want := range map[string]auth.Reason{
		"read":            "",
		"a read b":        "",
		"READ":            auth.ReasonInsufficientScope,
		"read:all":        auth.ReasonInsufficientScope,
		"xread":           auth.ReasonInsufficientScope,
		"reads rea":       auth.ReasonInsufficientScope,
		"":                auth.ReasonInsufficientScope,
		"read  ":          "",
		"readread read.x": auth.ReasonInsufficientScope,
	} {
		if got := reasonOf(authorize(t, auth.Scopes("read"), scope)); got != want {
			t.Errorf("scope %q: %v, want %v", scope, got, want)
		}
	}
}

func TestHasScopeKnowsNoListOfScopes(t *testing.T) {
	p, err := auth.NewPrincipal([]byte(`{"scope":"read write admin"}`))
	if err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[string]bool{
		"read": true, "write": true, "admin": true,
		"": false, " ": false, "read write": false, "write ": false, " admin": false, "rea": false, "dmin": false, "rite": false,
	} {
		if got := p.HasScope(scope); got != want {
			t.Errorf("HasScope(%q) = %v, want %v", scope, got, want)
		}
	}
}

func TestChallengeNamesWhatTheRouteNeeds(t *testing.T) {
	tests := []struct {
		req       auth.Requirement
		want, all string
	}{
		{auth.Scopes("b", "a", "b"), "a b", "a b"},
		{auth.AnyScope("b", "a"), "b", "a b"},
		{auth.AllOf(auth.Scopes("c"), auth.AnyScope("b", "a")), "b c", "a b c"},
		{auth.AnyOf(auth.Scopes("d", "c"), auth.Scopes("a")), "c d", "a c d"},
		{auth.Scopes("a").With(func(context.Context, *auth.Principal) error { return nil }), "a", "a"},
	}
	for _, tt := range tests {
		err := auth.AsError(authorize(t, tt.req, "other"))
		if got := strings.Join(err.Scopes, " "); err.Reason != auth.ReasonInsufficientScope || got != tt.want {
			t.Errorf("%v: %v with scope %q, want %q", tt.req, err.Reason, got, tt.want)
		}
		if got := strings.Join(tt.req.Names("scope"), " "); got != tt.all {
			t.Errorf("%v: all its scopes are %q, want %q", tt.req, got, tt.all)
		}
	}
}

func TestRequirementInWords(t *testing.T) {
	check := func(context.Context, *auth.Principal) error { return nil }
	for want, req := range map[string]auth.Requirement{
		"nobody":                      {},
		"public":                      auth.Public(),
		"optional":                    auth.Optional(),
		"any token":                   auth.AnyToken(),
		`"nobody"`:                    auth.Scopes("nobody"),
		`"any" and "public"`:          auth.Scopes("any", "public"),
		"a and b":                     auth.Scopes("a", "b"),
		"a or b":                      auth.AnyScope("a", "b"),
		"a and (b or c)":              auth.AllOf(auth.Scopes("a"), auth.AnyScope("b", "c")),
		"(a and b) with a check or c": auth.AnyOf(auth.Scopes("a", "b").With(check), auth.Scopes("c")),
	} {
		if got := req.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// term is a Requirement beside the truth table that it must agree with.
type term struct {
	req  auth.Requirement
	met  func(has func(string) bool) bool
	text string
}

func randomTerm(r *rand.Rand, depth int) term {
	names := []string{"a", "b", "c", "d"}
	pick := func() string { return names[r.IntN(len(names))] }
	if depth == 0 || r.IntN(3) == 0 {
		x, y := pick(), pick()
		switch r.IntN(4) {
		case 0:
			return term{auth.AnyToken(), func(func(string) bool) bool { return true }, "token"}
		case 1:
			return term{auth.AnyScope(x, y), func(has func(string) bool) bool { return has(x) || has(y) }, x + "|" + y}
		case 2:
			ok := r.IntN(2) == 0
			check := func(context.Context, *auth.Principal) error {
				if ok {
					return nil
				}
				return errors.New("no")
			}
			return term{auth.Scopes(x).With(check), func(has func(string) bool) bool { return has(x) && ok }, fmt.Sprintf("%s.with(%v)", x, ok)}
		}
		return term{auth.Scopes(x, y), func(has func(string) bool) bool { return has(x) && has(y) }, x + "&" + y}
	}
	x, y := randomTerm(r, depth-1), randomTerm(r, depth-1)
	if r.IntN(2) == 0 {
		return term{auth.AllOf(x.req, y.req), func(has func(string) bool) bool { return x.met(has) && y.met(has) }, "all(" + x.text + "," + y.text + ")"}
	}
	return term{auth.AnyOf(x.req, y.req), func(has func(string) bool) bool { return x.met(has) || y.met(has) }, "any(" + x.text + "," + y.text + ")"}
}

func TestRequirementAgreesWithItsTruthTable(t *testing.T) {
	const seed = 20261124
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		tm := randomTerm(r, 3)
		var have []string
		for _, s := range []string{"a", "b", "c", "d"} {
			if r.IntN(2) == 0 {
				have = append(have, s)
			}
		}
		err := authorize(t, tm.req, strings.Join(have, " "))
		want := tm.met(func(s string) bool { return slices.Contains(have, s) })
		if (err == nil) != want {
			t.Fatalf("seed %d: %s with scopes %v: %v, want met %v", seed, tm.text, have, err, want)
		}
		if again := authorize(t, tm.req, strings.Join(have, " ")); reasonOf(again) != reasonOf(err) {
			t.Fatalf("seed %d: %s decided twice: %v, then %v", seed, tm.text, err, again)
		}
	}
}

func TestRules(t *testing.T) {
	read, write := auth.Scopes("read"), auth.Scopes("write")
	rules := auth.Rules{"GET /orders": read, "/orders": write}
	if key, req, ok := rules.Find("GET", "/orders"); !ok || key != "GET /orders" || req.String() != "read" {
		t.Errorf("the rule of the method: %q %v %v", key, req, ok)
	}
	if key, req, ok := rules.Find("POST", "/orders"); !ok || key != "/orders" || req.String() != "write" {
		t.Errorf("the rule of all methods: %q %v %v", key, req, ok)
	}
	if _, req, ok := rules.Find("GET", "/other"); ok || !req.IsZero() {
		t.Errorf("a route that no rule names: %v %v", req, ok)
	}
	for want, rules := range map[string]auth.Rules{
		"are empty":               {},
		"has an empty key":        {"": read},
		`rule "GET /x" has the z`: {"GET /x": {}},
	} {
		if err := rules.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if err := rules.Validate(); err != nil {
		t.Error(err)
	}
}
