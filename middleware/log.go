package middleware

import (
	"context"
	"log/slog"
	"net/http"
)

// LogRefusals returns a hook for GuardOptions.OnDecision that logs each request that was not let through: at level Info when it was
// refused, Error when it could not be judged; and at level Warn each that GuardOptions.ReportOnly let through. It logs the operation, the HTTP status, the reason, the claim at fault and what was expected of it;
// never a token, what a token says, or anything else that the caller sent.
func LogRefusals(logger *slog.Logger) func(context.Context, Decision) {
	return func(ctx context.Context, d Decision) {
		if d.Err == nil {
			return
		}
		level := slog.LevelInfo
		if d.Err.Status() >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		attrs := []slog.Attr{
			slog.String("operation", d.Operation),
			slog.Int("status", d.Err.Status()),
			slog.String("reason", d.Err.Reason.String()),
		}
		if claim := d.Err.Claim(); claim != "" {
			attrs = append(attrs, slog.String("claim", claim), slog.String("expected", d.Err.Expected()))
		}
		message := "request not let through"
		if d.ReportOnly {
			level, message = max(level, slog.LevelWarn), "request let through that would be refused: its operation is only reported on"
		}
		logger.LogAttrs(ctx, level, message, attrs...)
	}
}
