package jwks_test

import (
	"log/slog"
	"os"
	"testing"
)

// TestMain silences the default log: most issuers of these tests are in trouble on purpose.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
