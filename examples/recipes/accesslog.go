package recipes

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/felixge/httpsnoop"

	auth "github.com/bearward/bearward/middleware"
)

// region: access-log
type caller struct{ operation, subject, client, reason string }

type callerKey struct{}

// accessLog stands in front of the guards and logs each request, with what noteCaller was told.
func accessLog(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var told atomic.Pointer[caller] // a handler may still run when http.TimeoutHandler has answered
		told.Store(&caller{})
		*r = *r.WithContext(context.WithValue(r.Context(), callerKey{}, &told)) // in place: the server removes the files of r's form
		m, status := httpsnoop.Metrics{Code: http.StatusOK}, 0                  // 0 after a panic: the connection is closed
		defer func() {
			c := told.Load()
			logger.InfoContext(r.Context(), "request", "method", r.Method, "operation", c.operation, "status", status,
				"duration", m.Duration, "subject", c.subject, "client", c.client, "reason", c.reason)
		}()
		m.CaptureMetrics(w, func(w http.ResponseWriter) { next.ServeHTTP(w, r) })
		status = m.Code
	})
}

// noteCaller is the guard's OnDecision.
func noteCaller(ctx context.Context, d auth.Decision) {
	if told, ok := ctx.Value(callerKey{}).(*atomic.Pointer[caller]); ok {
		c := &caller{operation: d.Operation, subject: d.Principal.Subject(), client: d.Principal.ClientID()}
		if d.Err != nil {
			c.reason = string(d.Err.Reason)
		}
		told.Store(c)
	}
}

// endregion
