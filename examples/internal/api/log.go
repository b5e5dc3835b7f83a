package api

import (
	"context"
	"log/slog"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// logRefusal logs what was refused and why. A Decision holds no token, and the
// texts of its error are constants.
func logRefusal(log *slog.Logger) func(context.Context, auth.Decision) {
	return func(ctx context.Context, d auth.Decision) {
		if d.Err == nil {
			return
		}
		attrs := []slog.Attr{
			slog.String("operation", d.Operation),
			slog.String("reason", d.Err.Reason.String()),
			slog.Int("status", d.Err.Status()),
		}
		if claim := d.Err.Claim(); claim != "" {
			attrs = append(attrs, slog.String("claim", claim), slog.String("expected", d.Err.Expected()))
		}
		log.LogAttrs(ctx, slog.LevelWarn, "refused", attrs...)
	}
}

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
