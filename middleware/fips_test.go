package auth

import (
	"crypto/rand"
	"testing"

	"github.com/bearward/bearward/internal/fipstest"
)

// TestFIPS runs tests of verification and of the key cache.
func TestFIPS(t *testing.T) {
	fipstest.Run(t, "TestEntropy", "TestClaims", "TestEveryAlgorithmIsVerified", "TestRememberedTokens", "TestAnUnknownKeyIsFetchedForNoTokenThatCanOnlyFail")
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
