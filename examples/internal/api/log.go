package api

import (
	"context"
	"log/slog"

	"github.com/bearward/bearward/jwks"
)

// logRefresh logs each fetch of the issuer's keys: loudly when it did not
// count, quietly when it brought nothing new.
func logRefresh(log *slog.Logger) func(jwks.RefreshEvent) {
	return func(e jwks.RefreshEvent) {
		level := slog.LevelDebug
		switch {
		case e.Err != nil:
			level = slog.LevelWarn
		case len(e.Added)+len(e.Removed)+len(e.Skipped) > 0:
			level = slog.LevelInfo
		}
		log.LogAttrs(context.Background(), level, "keys", slog.Any("refresh", e))
	}
}
