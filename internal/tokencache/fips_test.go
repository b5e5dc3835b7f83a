package tokencache

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// fipsMode is set in the processes that TestFIPS starts.
const fipsMode = "TEST_FIPS"

// TestFIPS runs the test of the hash in processes that keep to FIPS 140-3.
func TestFIPS(t *testing.T) {
	if os.Getenv(fipsMode) != "" {
		t.Skip("started by itself")
	}
	const tests = "^TestTokenHash$"
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
			if !strings.Contains(string(out), "--- PASS: TestTokenHash") {
				t.Errorf("TestTokenHash did not run\n%s", out)
			}
		})
	}
}

func TestTokenHash(t *testing.T) {
	mode := os.Getenv(fipsMode)
	if want := mode != ""; fips140.Enabled() != want && want {
		t.Fatalf("FIPS mode %q, and yet crypto does not keep to it", mode)
	}
	hash, other := newTokenHash(), newTokenHash()
	want := 16 // a GMAC
	if mode == "only" {
		want = 32 // an SHA-256: GCM with a chosen nonce is barred
	}
	one := hash(nil, []byte("a token"))
	if len(one) != want {
		t.Errorf("FIPS mode %q: %d bytes, want %d", mode, len(one), want)
	}
	if again := hash(nil, []byte("a token")); !slices.Equal(one, again) {
		t.Error("two hashes of one token")
	}
	if slices.Equal(one, hash(nil, []byte("a tokem"))) {
		t.Error("one hash of two tokens")
	}
	if slices.Equal(one, other(nil, []byte("a token"))) {
		t.Error("one hash under two keys")
	}
	token, scratch := make([]byte, 1000), []byte(nil)
	if got := testing.AllocsPerRun(100, func() { scratch = hash(scratch[:0], token) }); got > 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
