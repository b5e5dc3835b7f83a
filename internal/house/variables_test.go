package house_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A variable of the prefix that provider.FromEnv does not know keeps an API from starting where it
// is set. So tools and tests of this repository have names of their own.
func TestVariablesOfThePrefixAreFromEnvs(t *testing.T) {
	const fromEnv = "middleware/provider/fromenv.go"
	text, err := os.ReadFile(fromEnv)
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`BEARWARD_[A-Z_]*[A-Z]`)
	known := variable.FindAllString(string(text), -1)
	if len(known) == 0 {
		t.Fatalf("%s names no variable", fromEnv)
	}
	for _, name := range committed(t) {
		if strings.HasPrefix(name, "middleware/provider/") && strings.HasSuffix(name, "_test.go") {
			continue // they set what must be refused
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range variable.FindAllString(string(text), -1) {
			if !slices.Contains(known, found) {
				t.Errorf("%s: %s is of the prefix whose unknown variables provider.FromEnv refuses", name, found)
			}
		}
	}
}
