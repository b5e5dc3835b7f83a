package auth

import (
	"crypto/rand"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fipsMode is set in the processes that TestFIPS starts.
const fipsMode = "TEST_FIPS"

// TestFIPS runs tests of verification and of the key cache in processes that keep to FIPS 140-3.
func TestFIPS(t *testing.T) {
	if os.Getenv(fipsMode) != "" {
		t.Skip("started by itself")
	}
	const tests = "^(TestEntropy|TestClaims|TestEveryAlgorithmIsVerified|TestRememberedTokens|TestAnUnknownKeyIsFetchedForNoTokenThatCanOnlyFail)$"
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

// TestEntropy draws on crypto's own entropy source first: in a synctest bubble, it fails for want
// of a clock that runs.
func TestEntropy(t *testing.T) {
	var b [32]byte
	rand.Read(b[:])
	if b == [32]byte{} {
		t.Error("no entropy")
	}
}
