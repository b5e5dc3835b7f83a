package auth

import (
	"net/http"
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	if got := printable("a\r\n\x7f\u00e9\u20ac~b"); got != "a?????~b" {
		t.Errorf("got %q", got)
	}
	if got := printable(strings.Repeat("x", 200)); len(got) != maxSeen {
		t.Errorf("%d bytes, want %d", len(got), maxSeen)
	}
}

func TestReasonsAreAClosedSet(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range Reasons() {
		v := responseFor(r)
		for _, name := range []string{string(r), v.code} {
			if !isReasonName(name) {
				t.Errorf("%q is not the reason of a google.rpc.ErrorInfo", name)
			}
		}
		if names[string(r)] {
			t.Errorf("two reasons are named %s", r)
		}
		names[string(r)] = true
		if !isScopeList(v.text) {
			t.Errorf("%v: %q has a character that error_description cannot carry (RFC 6750 §3)", r, v.text)
		}
		if (v.status >= 500) != (r == ReasonKeyNotYetKnown || r == ReasonUnavailable || r == ReasonInternal) {
			t.Errorf("%v has status %d", r, v.status)
		}
	}
	if responseFor("").status != http.StatusInternalServerError {
		t.Error("a reason outside the set must not be anybody's fault but ours")
	}
}

// isReasonName is AIP-193's rule: [A-Z][A-Z0-9_]+[A-Z0-9], at most 63 characters.
func isReasonName(s string) bool {
	return len(s) >= 3 && len(s) <= 63 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" &&
		s[0] >= 'A' && s[0] <= 'Z' && s[len(s)-1] != '_'
}
