package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bearward/bearward/cmd/bearward/internal/rules"
	auth "github.com/bearward/bearward/middleware"
)

// one is a rule of one operation.
func one(t *testing.T, need string) auth.Rules {
	t.Helper()
	if need == "" {
		return auth.Rules{"/other": auth.AnyToken()}
	}
	req, err := auth.ParseRequirement(need)
	if err != nil {
		t.Fatal(err)
	}
	return auth.Rules{"/other": auth.AnyToken(), "/a": req}
}

func TestWhoGainsAndLoses(t *testing.T) {
	for _, tt := range []struct{ from, to, gains, loses string }{
		{"a", "a and b", "", "a"},
		{"a", "b", "b", "a"},
		{"a and b", "a or b", "a; b", ""},
		{"a and (b or c)", "a and b", "", "a and c"},
		{"any token", "a", "", "any token"},
		{"any token", "bound token", "", "any token"},
		{"bound token", "any token", "any token", ""},
		{"optional", "any token", "", "no token"},
		{"optional", "public", "", ""},
		{"a", "report-only a", "no token; any token", ""},
		{"", "public", "no token; any token", ""},
		{"a", "", "", "a"},
		{`role:"Order Admin"`, "group:ops and permission:p", "group:ops and permission:p", `role:"Order Admin"`},
		{"acr:gold", "acr:\"gold platinum\"", "acr:platinum", ""},
		{"authenticated-within:5m", "authenticated-within:1m", "", "authenticated-within:5m"},
		{"authenticated-within:1m", "authenticated-within:1h", "authenticated-within:1h", ""},
		{"issuer:https://i.example", "user:https://i.example|alice", "", "issuer:https://i.example"},
		{"client:https://i.example|job", "user:https://i.example|job", "user:https://i.example|job", "client:https://i.example|job"},
	} {
		changes, err := rules.Diff(one(t, tt.from), one(t, tt.to), nil)
		if err != nil || len(changes) != 1 {
			t.Errorf("%q to %q: %v, %v", tt.from, tt.to, changes, err)
			continue
		}
		c := changes[0]
		if gains, loses := strings.Join(c.Gains, "; "), strings.Join(c.Loses, "; "); gains != tt.gains || loses != tt.loses || c.TooMany {
			t.Errorf("%q to %q: gains %q, want %q; loses %q, want %q; %v", tt.from, tt.to, gains, tt.gains, loses, tt.loses, c.TooMany)
		}
	}
}

// Scopes that imply others count for them, by however many steps.
func TestWhoGainsAndLosesByImpliedScopes(t *testing.T) {
	implies := map[string][]string{"root": {"admin"}, "admin": {"write"}, "write": {"read"}, "loop": {"loop"}, "other": {"more"}}
	for _, tt := range []struct{ from, to, gains, loses string }{
		{"read", "read or write or admin", "", ""},
		{"read", "write", "", "read"},
		{"write", "read", "read", ""},
		{"", "write", "write", ""},
		{"read and role:x", "role:x", "role:x", ""},
		{"role:x", "write", "write", "role:x"},
		{"admin", "read and more", "more and read", "admin"},
	} {
		changes, err := rules.Diff(one(t, tt.from), one(t, tt.to), implies)
		if err != nil || len(changes) != 1 {
			t.Errorf("%q to %q: %v, %v", tt.from, tt.to, changes, err)
			continue
		}
		if gains, loses := strings.Join(changes[0].Gains, "; "), strings.Join(changes[0].Loses, "; "); gains != tt.gains || loses != tt.loses {
			t.Errorf("%q to %q: gains %q, want %q; loses %q, want %q", tt.from, tt.to, gains, tt.gains, loses, tt.loses)
		}
	}
	for _, bad := range []map[string][]string{{"a b": {"a"}}, {`"`: {"a"}}, {"a": {""}}} {
		if _, err := rules.Diff(one(t, "a"), one(t, "b"), bad); err == nil || !strings.Contains(err.Error(), "Implies") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestTooManyNamesAreNotTried(t *testing.T) {
	need := "a0"
	for i := 1; i < 12; i++ {
		need += fmt.Sprintf(" and a%d", i)
	}
	for more, want := range map[string]bool{"": false, " and a12": true} {
		changes, err := rules.Diff(one(t, "public"), one(t, need+more), nil)
		if err != nil || len(changes) != 1 || changes[0].TooMany != want || want != (len(changes[0].Loses) == 0) {
			t.Errorf("%+v, %v", changes, err)
		}
	}
}

func TestAChangeOfAllMethodsIsNotOneOfAMethod(t *testing.T) {
	from := auth.Rules{"/a": auth.Scopes("x"), "GET /a": auth.Scopes("y")}
	to := auth.Rules{"GET /a": auth.Scopes("y")}
	changes, err := rules.Diff(from, to, nil)
	if err != nil || len(changes) != 1 || changes[0].Operation != "/a" || len(changes[0].New) != 1 || changes[0].New[0].Rule != "" {
		t.Errorf("%+v, %v", changes, err)
	}
}

func TestPatternsThatDifferInParametersAlone(t *testing.T) {
	for text, want := range map[string]bool{
		"/a/{id} = x\n/a/{key} = x":                              true,
		"/a/{id} = x\n/a/:id = x":                                true,
		"/a/{p...} = x\n/a/*path = x":                            true,
		"/a/{id} = x\n/a/{id}/b = x":                             false,
		"/a/{id} = x\nGET /a/{key} = x":                          false, // for other methods, the first is asked
		"/a/b = x\n/a/c = x":                                     false,
		"resources/read o://{a} = x\nresources/read o://{b} = x": false,
		"tools/call a = x\ntools/call * = x":                     true, // says the same
		"tools/call a = x\ntools/call * = y":                     false,
	} {
		_, remarks := rules.Check(text)
		if got := len(remarks) > 0; got != want {
			t.Errorf("%q: %+v", text, remarks)
		}
	}
}
