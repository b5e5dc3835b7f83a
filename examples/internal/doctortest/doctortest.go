// Package doctortest runs `bearward doctor` for tests.
package doctortest

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// A Command is `bearward doctor`.
type Command struct {
	path      string
	authority string // a file of a certificate that it trusts, or ""
}

// Build builds the command.
func Build(t *testing.T) *Command {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearward.exe")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/bearward/bearward/cmd/bearward")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return &Command{path: path}
}

// Trusting returns the command as it trusts the authority whose certificate is in a file.
func (d *Command) Trusting(authority string) *Command { return &Command{d.path, authority} }

// Finds runs it, and compares its exit code and the IDs of what it finds, each once and sorted.
func (d *Command) Finds(t *testing.T, code int, want []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), d.path, append([]string{"doctor", "-json"}, args...)...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+d.authority)
	out, err := cmd.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var report struct {
		Findings []struct{ ID, Where, What string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	all := map[string]bool{}
	for _, f := range report.Findings {
		all[f.ID] = true
	}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) || cmd.ProcessState.ExitCode() != code {
		t.Errorf("%q: got %q and exit code %d, want %q and %d\n%s", args, got, cmd.ProcessState.ExitCode(), want, code, out)
	}
}
