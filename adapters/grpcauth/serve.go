package grpcauth

import (
	"context"
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errRecheckFailed ends a stream whose recheck panicked.
var errRecheckFailed = status.Error(codes.Internal, "the call could not be authorized again")

// serveWatched runs the handler of a stream while a goroutine beside it rechecks the stream. It
// returns when the handler has and that goroutine ended. The handler runs where it would without a
// guard: its panics show its own stack, and who waits for it waits long enough.
func (i *interceptors) serveWatched(srv any, s *guardedStream, method string, r rule, handler grpc.StreamHandler) (err error) {
	running, returned := context.WithCancel(s.ctx)
	w := &watcher{interceptors: i, stream: s, method: method, rule: r, stopped: make(chan struct{})}
	s.ctx, w.cancel = context.WithCancel(s.ctx)
	defer w.cancel()
	go w.watch(running)
	panicking := true
	defer func() {
		returned()
		<-w.stopped
		switch {
		case panicking: // the handler, whose panic goes on
		case w.panicked != nil:
			panic(w.panicked)
		case w.refused != nil: // check: stream-result
			err = w.refused
		}
	}()
	err = handler(srv, s)
	panicking = false
	return err
}

// end ends the call with the status of refused. gRPC sends it at once, fails the pending Recv and
// Send of the handler, and cancels its context, as it does when a handler returns. It has that
// method for its own use; without it, the handler learns of the end with the next message.
func (w *watcher) end(refused error) {
	defer w.cancel()
	s, ok := grpc.ServerTransportStreamFromContext(w.stream.ServerStream.Context()).(interface {
		WriteStatus(*status.Status) error
	})
	if ok {
		_ = s.WriteStatus(status.Convert(refused)) // check: stream-released
	}
}

// A panicked is a panic that is raised again in another goroutine, with the stack of the first.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

// again goes on with the panic; nil for none.
func (p *panicked) again() {
	if p != nil {
		panic(p)
	}
}

// Unwrap returns the value that was panicked with, when it is an error.
func (p *panicked) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// panickedWith returns what recover returned, with the stack of the first panic; nil for nil.
func panickedWith(value any) *panicked {
	if value == nil {
		return nil
	}
	if p, ok := value.(*panicked); ok {
		return p
	}
	return &panicked{value, debug.Stack()}
}
