package tokencache

import (
	"crypto/fips140"
	"slices"
	"testing"

	"github.com/bearward/bearward/internal/fipstest"
)

// TestFIPS runs the test of the hash.
func TestFIPS(t *testing.T) {
	fipstest.Run(t, "TestTokenHash")
}

func TestTokenHash(t *testing.T) {
	mode := fipstest.Mode()
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
