// Package nodetest runs programs of Node.js for tests.
package nodetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Need skips the test, or fails it where everything has to be there (CI=true).
func Need(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Install installs the packages of a folder as its package-lock.json says, unless they are there.
func Install(t *testing.T, folder string) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			Need(t, program+" is missing: install Node.js 20.18 or later, with npm")
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err == nil {
		return
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		Need(t, fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
}

// Command returns a command for Node.js in a folder whose packages are installed. It ends with the
// test.
func Command(t *testing.T, folder string, args ...string) *exec.Cmd {
	t.Helper()
	Install(t, folder)
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = folder
	return cmd
}
