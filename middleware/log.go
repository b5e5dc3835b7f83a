package auth

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
)

// LogRefusals returns a hook for GuardOptions.OnDecision that logs each request that was not
// accepted. The level is Info when it was refused, and Error when it could not be judged. It is
// Warn when it would have been refused under a rule that is only reported on. It logs the
// operation, the HTTP status and the reason, and the claim at fault with what was expected of it.
// It logs [Error.Detail], which says what was there in its place, and names the setting. It logs
// the scopes that the operation needs when some are missing. When a role, an authentication or the
// like is, it logs all that the operation needs. It logs the [Decision.Cause] of a request that was
// not judged. For cause=keys, [jwks.LogRefreshes] tells more. It never logs a token, what a token
// says, or anything else that the caller sent. It panics when logger is nil.
func LogRefusals(logger *slog.Logger) func(context.Context, Decision) {
	if logger == nil {
		panic("auth: LogRefusals needs a Logger")
	}
	return func(ctx context.Context, d Decision) {
		if d.Err == nil {
			return
		}
		level := slog.LevelInfo
		if d.notJudged() && d.Err.Reason != ReasonKeyNotYetKnown { // anybody can write such a token
			level = slog.LevelError
		}
		attrs := []slog.Attr{
			slog.String("operation", cmp.Or(d.Operation, "(none: the request's router named no pattern)")),
			slog.Int("status", d.Err.Status()),
			slog.String("reason", string(d.Err.Reason)),
		}
		if claim := d.Err.Claim(); claim != "" {
			attrs = append(attrs, slog.String("claim", claim), slog.String("expected", d.Err.Expected()))
		}
		if detail := d.Err.Detail(); detail != "" {
			attrs = append(attrs, slog.String("detail", detail))
		}
		if len(d.Err.Scopes) > 0 && (d.Err.Reason == ReasonInsufficientScope || d.Err.Reason == ReasonInsufficientUserAuthentication) {
			attrs = append(attrs, slog.String("scopes", strings.Join(d.Err.Scopes, " ")))
		}
		if cause := d.Cause(ctx); cause != "" {
			attrs = append(attrs, slog.String("cause", cause)) // not its text, which a Source of the program's own writes
		}
		message := "request refused"
		if d.ReportOnly {
			level, message = max(level, slog.LevelWarn), "request would be refused (report only)"
		}
		logger.LogAttrs(ctx, level, message, attrs...)
	}
}
