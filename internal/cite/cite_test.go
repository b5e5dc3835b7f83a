package cite

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// cited matches the rows that the code of a test kit names.
var cited = regexp.MustCompile(`"([A-Z]{1,2}-\d\d)"`)

func TestEachRowOfTheTestKitsHasASource(t *testing.T) {
	asked := map[string]bool{}
	for _, row := range defects {
		asked[row] = true
	}
	for _, folder := range []string{"middleware/authtest", "adapters/grpcauth/grpcauthtest"} {
		names, err := filepath.Glob("../../" + folder + "/*.go")
		if err != nil || len(names) == 0 {
			t.Fatalf("no files in %s: %v", folder, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range cited.FindAllStringSubmatch(string(text), -1) {
				asked[m[1]] = true
				if sources[m[1]] == "" {
					t.Errorf("%s asks for %s, which has no source", name, m[1])
				}
			}
		}
	}
	for defect, row := range defects {
		if sources[row] == "" {
			t.Errorf("%s breaks %s, which has no source", defect, row)
		}
	}
	for id := range sources {
		if !asked[id] {
			t.Errorf("no test kit asks for %s", id)
		}
	}
	if got, want := Row("AT-18"), "RFC 9068 §4 (AT-18)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
