package mcpauth

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// errExpired is the cause with which the context of a request ends at its token's end.
var errExpired = &auth.Error{Reason: auth.ReasonTokenExpired}

// serveUntil serves r, and reports false when it was cut at the deadline before anything was
// written. Without sessions the SDK waits for its tool, which need not look at its context: then
// next runs on by itself, and what it writes goes nowhere.
func serveUntil(deadline time.Time, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	// check: stream-expiry
	ctx, cancel := context.WithDeadlineCause(r.Context(), deadline, errExpired)
	defer cancel()
	until := &untilWriter{to: w, header: w.Header().Clone()}
	if until.header == nil {
		until.header = make(http.Header)
	}
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		next.ServeHTTP(until, r.WithContext(ctx))
	}()
	select {
	case v := <-done:
		return until.finish(v, ctx)
	case <-ctx.Done():
	}
	if context.Cause(ctx) != errExpired { // the caller is gone
		return until.finish(<-done, ctx)
	}
	return until.end()
}

// An untilWriter writes to a response until its end.
type untilWriter struct {
	header http.Header // next's own: it may set fields after the end

	to http.ResponseWriter

	mu           sync.Mutex
	wrote, ended bool
}

func (u *untilWriter) Header() http.Header { return u.header }

func (u *untilWriter) WriteHeader(status int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended {
		u.writeHeader(status)
	}
}

func (u *untilWriter) writeHeader(status int) {
	if u.wrote {
		return
	}
	u.wrote = status >= http.StatusOK
	clear(u.to.Header())
	maps.Copy(u.to.Header(), u.header.Clone())
	u.to.WriteHeader(status)
}

func (u *untilWriter) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended { // check: written-after-expiry
		return 0, errExpired
	}
	u.writeHeader(http.StatusOK)
	return u.to.Write(p)
}

// FlushError is for http.ResponseController, and Flush for those who ask for an http.Flusher.
func (u *untilWriter) FlushError() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return errExpired
	}
	u.writeHeader(http.StatusOK)
	return http.NewResponseController(u.to).Flush()
}

func (u *untilWriter) Flush() { _ = u.FlushError() }

// end keeps the handler from writing, and reports whether it has written.
func (u *untilWriter) end() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	return u.wrote
}

// finish ends a response whose handler came back, or panicked with v.
func (u *untilWriter) finish(v any, ctx context.Context) bool {
	if v != nil {
		panic(v)
	}
	if context.Cause(ctx) == errExpired {
		return u.end()
	}
	u.WriteHeader(http.StatusOK) // as net/http does, when nothing was written
	return true
}
