package mutant

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestNothingImportsThis(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}", "github.com/bearward/bearward/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if slices.Contains(fields[1:], "github.com/bearward/bearward/internal/mutant") {
			t.Errorf("%s imports the switch that removes checks", fields[0])
		}
	}
}
