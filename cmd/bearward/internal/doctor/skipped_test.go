package doctor

import (
	"testing"

	"github.com/bearward/bearward/jwks"
)

// What the cache leaves out is a finding, whatever the reason.
func TestEverySkipReasonIsAKind(t *testing.T) {
	for _, reason := range jwks.SkipReasons() {
		if kindOf(skipped[reason]).ID == "" { // kindOf panics
			t.Errorf("no kind for %s", reason)
		}
	}
}

func TestChallenges(t *testing.T) {
	for field, want := range map[string]map[string]string{
		`Bearer`:                       {"": "bearer"},
		`bearer realm="a, b", error=x`: {"": "bearer", "realm": "a, b", "error": "x"},
		`Bearer realm="a\"b\\"`:        {"": "bearer", "realm": `a"b\`},
		`Basic realm="Bearer"`:         {"": "basic", "realm": "Bearer"},
		`Bearer RESOURCE_METADATA = "https://a.example/"`: {"": "bearer", "resource_metadata": "https://a.example/"},
		`Bearer realm="`: {"": "bearer", "realm": `"`},
	} {
		all := challenges([]string{field})
		if len(all) != 1 || all[0].scheme != want[""] || len(all[0].params) != len(want)-1 {
			t.Errorf("%s: got %+v", field, all)
			continue
		}
		for name, value := range all[0].params {
			if value != want[name] {
				t.Errorf("%s: %s is %q, want %q", field, name, value, want[name])
			}
		}
	}
	all := challenges([]string{`Negotiate, DPoP algs="ES256 EdDSA", Bearer realm="x"`, "Bearer", ""})
	if len(all) != 4 || all[0].scheme != "negotiate" || all[1].params["algs"] != "ES256 EdDSA" || all[2].scheme != "bearer" {
		t.Errorf("got %+v", all)
	}
}
