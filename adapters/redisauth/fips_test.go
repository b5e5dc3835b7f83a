//go:build unix

package redisauth_test

import (
	"testing"

	"github.com/bearward/bearward/internal/fipstest"
)

// TestFIPS runs tests of proofs and revocations.
func TestFIPS(t *testing.T) {
	t.Parallel()
	fipstest.Run(t, "TestCheck", "TestRevokeWidens", "TestRevocationsAreWrittenAgain")
}
