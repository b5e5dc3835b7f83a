// Package fipstest runs tests of a package in processes that keep to FIPS 140-3.
package fipstest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const modeVariable = "TEST_FIPS"

// Mode is "on" or "only" in the processes that Run starts, as GODEBUG=fips140 has it, and else "".
func Mode() string { return os.Getenv(modeVariable) }

// Run runs the named tests of the package in a process of each mode, beside each other, and fails
// when one of them does not pass there.
func Run(t *testing.T, tests ...string) {
	if Mode() != "" {
		t.Fatal("Run within a process that Run started")
	}
	for _, mode := range []string{"on", "only"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			run := exec.CommandContext(t.Context(), self, "-test.run", "^("+strings.Join(tests, "|")+")$", "-test.v")
			run.Env = append(os.Environ(), "GODEBUG=fips140="+mode, modeVariable+"="+mode)
			out, err := run.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, name := range tests {
				if !strings.Contains(string(out), "--- PASS: "+name+" ") {
					t.Errorf("%s did not run\n%s", name, out)
				}
			}
		})
	}
}
