package recipes

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/felixge/httpsnoop"

	auth "github.com/bearward/bearward/middleware"
)

// region: access-log
type caller struct{ operation, subject, client, reason string }

type callerKey struct{}

// accessLog stands in front of the guards and logs each request, with what noteCaller was told.
func accessLog(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c caller
		*r = *r.WithContext(context.WithValue(r.Context(), callerKey{}, &c)) // in place: the server removes the files of r's form
		m := httpsnoop.CaptureMetrics(next, w, r)
		logger.InfoContext(r.Context(), "request", "method", r.Method, "operation", c.operation, "status", m.Code,
			"duration", m.Duration, "subject", c.subject, "client", c.client, "reason", c.reason)
	})
}

// noteCaller is the guard's OnDecision.
func noteCaller(ctx context.Context, d auth.Decision) {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		c.operation, c.subject, c.client = d.Operation, d.Principal.Subject(), d.Principal.ClientID()
		if d.Err != nil {
			c.reason = d.Err.Reason.String()
		}
	}
}

// endregion
