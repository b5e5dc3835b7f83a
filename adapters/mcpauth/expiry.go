package mcpauth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/openstream"
)

// errEnded is the cause with which the context of a request ends when a recheck refused it. It is
// also what tells a handler that is still there.
var errEnded = errors.New("mcpauth: the request is not authorized any more")

// A refused is the fault of a request that a recheck refused, as an error.
type refused fault

func (r refused) Error() string { return string(r) }

// refusedBy returns what a request is ended with that a recheck refused by err.
func refusedBy(err error) error {
	if auth.AsError(err).Reason == auth.ReasonTokenExpired {
		return refused(faultExpired)
	}
	return refused(faultWithdrawn)
}

// serveOpen lets the SDK serve r, until a recheck of what was authorized refuses it. ctx is the one
// that the Guard returned. It returns the fault when it ended r before anything was written.
// Without sessions the SDK waits for its tool, which need not look at its context: then next runs
// on by itself, and what it writes goes nowhere.
func serveOpen(ctx context.Context, recheck func(context.Context) (context.Context, error), w http.ResponseWriter, r *http.Request, next http.Handler) fault {
	own, withdraw := context.WithCancelCause(r.Context())
	defer withdraw(nil)
	until := &untilWriter{to: w, header: w.Header().Clone()}
	if until.header == nil {
		until.header = make(http.Header)
	}
	// A write that began before the end is not left behind, also where a recheck panics: the server
	// gives the response's memory to the next one.
	defer until.missed("") // check: write-left-behind
	err := openstream.Serve(ctx, openstream.Config{Recheck: recheck, Refused: refusedBy}, func(ctx context.Context, open *openstream.Stream) error {
		until.open = open
		done := make(chan any, 1)
		go func() {
			defer func() { done <- recover() }()
			next.ServeHTTP(until, r.WithContext(own))
		}()
		select {
		case v := <-done:
			return until.finish(v)
		case <-ctx.Done():
		}
		if r.Context().Err() != nil { // the caller is gone
			return until.finish(<-done)
		}
		withdraw(errEnded)
		return nil
	})
	var because refused
	if errors.As(err, &because) {
		return until.missed(fault(because))
	}
	return ""
}

// An untilWriter writes to a response until its stream has ended: also while nobody serves any
// more.
type untilWriter struct {
	header http.Header // next's own: it may set fields after the end

	to   http.ResponseWriter
	open *openstream.Stream

	mu    sync.Mutex
	wrote bool
}

func (u *untilWriter) Header() http.Header { return u.header }

func (u *untilWriter) WriteHeader(status int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open.Ended() == nil {
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
	if u.open.Ended() != nil { // check: written-after-end
		return 0, errEnded
	}
	u.writeHeader(http.StatusOK)
	return u.to.Write(p)
}

// FlushError is for http.ResponseController, and Flush for those who ask for an http.Flusher.
func (u *untilWriter) FlushError() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open.Ended() != nil {
		return errEnded
	}
	u.writeHeader(http.StatusOK)
	return http.NewResponseController(u.to).Flush()
}

func (u *untilWriter) Flush() { _ = u.FlushError() }

// missed returns the fault when the response has not begun. The stream has ended.
func (u *untilWriter) missed(f fault) fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.wrote {
		return ""
	}
	return f
}

// finish ends a response whose handler came back, or panicked with v.
func (u *untilWriter) finish(v any) error {
	if v != nil {
		panic(v)
	}
	u.WriteHeader(http.StatusOK) // as net/http does, when nothing was written
	return nil
}
