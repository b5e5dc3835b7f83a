//go:build unix

package redisauth_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fipsMode is set in the processes that TestFIPS starts.
const fipsMode = "TEST_FIPS"

// TestFIPS runs tests of proofs and revocations in processes that keep to FIPS 140-3.
func TestFIPS(t *testing.T) {
	t.Parallel()
	if os.Getenv(fipsMode) != "" {
		t.Skip("started by itself")
	}
	const tests = "^(TestCheck|TestRevokeWidens|TestRevocationsAreWrittenAgain)$"
	for _, mode := range []string{"on", "only"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			run := exec.CommandContext(t.Context(), self, "-test.run", tests, "-test.v")
			run.Env = append(os.Environ(), "GODEBUG=fips140="+mode, fipsMode+"="+mode)
			out, err := run.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for name := range strings.SplitSeq(strings.Trim(tests, "^()$"), "|") {
				if !strings.Contains(string(out), "--- PASS: "+name) {
					t.Errorf("%s did not run\n%s", name, out)
				}
			}
		})
	}
}
