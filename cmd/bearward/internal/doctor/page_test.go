package doctor_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/bearward/bearward/cmd/bearward/internal/doctor"
)

func TestThePageListsEveryKind(t *testing.T) {
	const page, end = "../../doctor.md", "<!-- end of findings -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), "<!-- findings: ")
	command, rest, _ := strings.Cut(rest, "-->\n")
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has no place for the table", page)
	}
	var table strings.Builder
	table.WriteString("| ID | severity | means | to do | side |\n|---|---|---|---|---|\n")
	for _, k := range doctor.Kinds() {
		severity := string(k.Severity)
		if k.MCP {
			severity += " (MCP)"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s |\n", k.ID, severity, k.Means, k.Do, k.Side)
	}
	want := before + "<!-- findings: " + command + "-->\n" + table.String() + end + after
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s does not list the kinds as they are: UPDATE=1 go test -run %s ./cmd/bearward/internal/doctor", page, t.Name())
	}
}
