package interop_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A doctorCommand is `bearward doctor`.
type doctorCommand struct {
	path      string
	authority string // a file of a certificate that it trusts, or ""
}

func buildDoctor(t *testing.T) *doctorCommand {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearward.exe")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/bearward/bearward/cmd/bearward")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return &doctorCommand{path: path}
}

// finds runs it, and compares its exit code and the IDs of what it finds, each once and sorted.
func (d *doctorCommand) finds(t *testing.T, code int, want []string, args ...string) {
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

// TestDoctor has the command look at authorization servers that nobody here wrote, as they are and
// with what is wrong in the way that they are named or trusted.
func TestDoctor(t *testing.T) {
	doctor := buildDoctor(t)
	t.Run("panva", func(t *testing.T) {
		is := startPanva(t, nil).issuer
		doctor.finds(t, 0, nil, "-strict", is)
		doctor.finds(t, 0, nil, "-strict", "-mcp", is)
		doctor.finds(t, 1, []string{"ISSUER_MISMATCH"}, is+"/")
		doctor.finds(t, 1, []string{"ISSUER_MISMATCH"}, strings.Replace(is, "127.0.0.1", "localhost", 1))
	})
	t.Run("panva over TLS", func(t *testing.T) {
		tls := newCertificates(t)
		is := startPanva(t, tls).issuer
		doctor.finds(t, 1, []string{"CERTIFICATE_REFUSED"}, is)
		if runtime.GOOS != "linux" {
			return // where it asks the system which authorities there are
		}
		trusting := doctorCommand{doctor.path, tls.trust}
		trusting.finds(t, 0, nil, is)
	})
	t.Run("the examples' own", func(t *testing.T) {
		is := embeddedAuthority(t, "https://orders.example", nil).issuer()
		doctor.finds(t, 0, []string{"NOT_CACHEABLE"}, "-strict", "-mcp", is)
	})
	t.Run("zitadel", func(t *testing.T) {
		is, _ := startZITADEL(t)
		doctor.finds(t, 0, nil, "-strict", is)
		doctor.finds(t, 1, []string{"MCP_NO_REGISTRATION"}, "-strict", "-mcp", is)
	})
	t.Run("glewlwyd", func(t *testing.T) {
		is := startGlewlwyd(t).issuer
		doctor.finds(t, 0, []string{"NOT_CACHEABLE"}, "-strict", is)
		doctor.finds(t, 1, []string{
			"MCP_NO_CODE_FLOW", "MCP_NO_PKCE", "MCP_NO_PUBLIC_CLIENTS", "MCP_NO_REGISTRATION", "NOT_CACHEABLE",
		}, "-mcp", is)
	})
}
