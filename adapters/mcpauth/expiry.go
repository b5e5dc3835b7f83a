package mcpauth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// errExpired is the cause with which the context of a request ends at its token's end, and
// errWithdrawn that when a recheck did not accept it.
var (
	errExpired   = &auth.Error{Reason: auth.ReasonTokenExpired}
	errWithdrawn = errors.New("mcpauth: the request is not authorized any more")
)

// serveUntil serves r until a deadline, the zero Time for none, or until a recheck does not accept
// the request. It returns the fault when it was cut before anything was written. Without sessions
// the SDK waits for its tool, which need not look at its context: then next runs on by itself, and
// what it writes goes nowhere.
func serveUntil(deadline time.Time, recheck *watcher, w http.ResponseWriter, r *http.Request, next http.Handler) fault {
	ctx, withdraw := context.WithCancelCause(r.Context())
	defer withdraw(nil)
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		// check: stream-expiry
		ctx, cancel = context.WithDeadlineCause(ctx, deadline, errExpired)
		defer cancel()
	}
	until := &untilWriter{to: w, header: w.Header().Clone()}
	if until.header == nil {
		until.header = make(http.Header)
	}
	defer until.end("") // also where a recheck panics
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		next.ServeHTTP(until, r.WithContext(ctx))
	}()
	v, ended, goesOn := recheck.watch(ctx, done)
	switch {
	case !ended:
		return until.finish(v, ctx)
	case !goesOn:
		withdraw(errWithdrawn)
		return until.end(faultWithdrawn)
	case context.Cause(ctx) != errExpired: // the caller is gone
		return until.finish(<-done, ctx)
	}
	return until.end(faultExpired)
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

// end keeps the handler from writing, and returns the fault when it has not written.
func (u *untilWriter) end(f fault) fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	if u.wrote {
		return ""
	}
	return f
}

// finish ends a response whose handler came back, or panicked with v.
func (u *untilWriter) finish(v any, ctx context.Context) fault {
	if v != nil {
		panic(v)
	}
	if context.Cause(ctx) == errExpired {
		return u.end(faultExpired)
	}
	u.WriteHeader(http.StatusOK) // as net/http does, when nothing was written
	return ""
}
