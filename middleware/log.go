package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/bearward/bearward/jwks"
)

// LogRefusals returns a hook for GuardOptions.OnDecision that logs each request that was not let through: at level Info when it was
// refused, Error when it could not be judged; and at level Warn each that GuardOptions.ReportOnly let through. It logs the operation, the
// HTTP status and the reason; the claim at fault and what was expected of it; the scopes that the operation needs, when some are missing; and
// cause=keys when the issuer's keys could not be had, of which [jwks.LogRefreshes] tells more. Never a token, what a token says, or
// anything else that the caller sent. It panics when logger is nil.
func LogRefusals(logger *slog.Logger) func(context.Context, Decision) {
	if logger == nil {
		panic("auth: LogRefusals needs a Logger")
	}
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
		if len(d.Err.Scopes) > 0 {
			attrs = append(attrs, slog.String("scopes", strings.Join(d.Err.Scopes, " ")))
		}
		if d.Err.Reason == ReasonUnavailable && ctx.Err() == nil && errors.Is(d.Err.Err, jwks.ErrUnavailable) {
			attrs = append(attrs, slog.String("cause", "keys")) // not its text, which a Source of the program's own writes
		}
		message := "request not let through"
		if d.ReportOnly {
			level, message = max(level, slog.LevelWarn), "request let through that would be refused: its operation is only reported on"
		}
		logger.LogAttrs(ctx, level, message, attrs...)
	}
}
