package house_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
)

// The page that is read at night names what the log has.
func TestReasonsOfTheFleetPageExist(t *testing.T) {
	text, err := os.ReadFile("examples/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	var known, named []string
	for _, r := range auth.Reasons() {
		known = append(known, string(r))
	}
	for _, f := range forwardauth.Faults() {
		known = append(known, string(f))
	}
	for _, row := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(row, "|") {
			named = append(named, regexp.MustCompile(`\b[A-Z]+_[A-Z_]+[A-Z]\b`).FindAllString(row, -1)...)
		}
	}
	if len(named) < 15 {
		t.Errorf("only %q are named", named)
	}
	for _, name := range named {
		if !slices.Contains(known, name) && name != "FLEET_REPLICAS" {
			t.Errorf("%s is neither an auth.Reason nor a forwardauth.Fault", name)
		}
	}
}
