package bearward_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryOptionIsInTheTable compares OPTIONS.md with the fields of the API, which api.txt lists.
func TestEveryOptionIsInTheTable(t *testing.T) {
	page, err := os.ReadFile("OPTIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	api, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+): field \((\w*(?:Options|Config))\) (\w+) `).FindAllStringSubmatch(string(api), -1) {
		room := m[1][strings.LastIndexByte(m[1], '/')+1:]
		fields[room+"."+m[2]] = append(fields[room+"."+m[2]], m[3])
	}
	if len(fields) < 5 {
		t.Errorf("api.txt has options of %d types only", len(fields))
	}
	for typ, want := range fields {
		_, section, ok := strings.Cut(string(page), "\n## "+typ+"\n")
		if !ok {
			t.Errorf("OPTIONS.md says nothing of %s", typ)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		var got []string
		for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: OPTIONS.md has %v, the API %v", typ, got, want)
		}
	}
}
