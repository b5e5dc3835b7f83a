// Package openstream ends streams whose callers may no longer have them. It is for adapters of
// transports with streams: grpcauth, connectauth and mcpauth are made of it.
//
// A stream is authorized when it is opened, by the adapter. [Serve] then rechecks it each minute,
// give or take 15 s, and at the token's end ([auth.Guard.Recheck]). So the withdrawal of a key,
// GuardOptions.Revoked, Config.MaxAge and LiveRules reach it. A recheck that refuses the stream
// ends it: [Stream.Ended] says so, and the handler's context is canceled.
//
// A recheck may take five seconds. At the token's end no message is handed out while it runs.
// Before, messages go on. Where a recheck makes no decision, because a store or an issuer is out
// of reach, it is done again after 1 s, 2 s, ... 30 s, for five minutes. Then the stream ends. At
// the token's end it ends at once.
//
// Serve keeps one goroutine while the handler runs, and one more for each recheck. A recheck whose
// functions ignore their context is left behind, and none is begun before it has come back.
package openstream

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	auth "github.com/bearward/bearward/middleware"
)

// A Config says what is served. Recheck and Refused are required.
type Config struct {
	// Recheck authorizes the stream again, by [auth.Guard.Recheck] with what the caller presented
	// and the requirement of the stream's rule. It is called on a goroutine of its own, and never
	// twice at once. Its context is derived from the one that was given to Serve.
	Recheck func(context.Context) (context.Context, error)
	// AllowExpired lets a stream go on after its token ran out. Until then, whatever else refuses
	// it still ends it; afterwards a recheck that says no more than that ends nothing. Default
	// false: it ends at the token's expiry plus the verifier's leeway.
	AllowExpired bool

	// Refused returns the transport's error for a stream that a recheck refuses. It is called once
	// at most, and may set trailers.
	Refused func(error) error
	// Ended is called once with what Refused returned, after the handler's context is canceled: it
	// may wait for a caller who reads nothing. It tells the caller, and wakes a handler that waits
	// for messages. Serve returns after it. Default nothing.
	Ended func(refused error)
	// Gone returns the transport's error for messages after the caller is gone; err is the
	// context's. Default: err itself.
	Gone func(err error) error
}

// errRecheckFailed refuses a stream whose recheck panicked.
var errRecheckFailed = &auth.Error{Reason: auth.ReasonInternal, Err: errors.New("openstream: the stream could not be authorized again")}

// Serve runs handler, and rechecks its stream meanwhile. It returns when the handler has come back
// and its own goroutine has ended. It returns what the handler did, or what refused the stream.
//
// ctx is the one that the Guard returned for the stream. The handler runs on the goroutine that
// called Serve, so its panics show its own stack. A panic in a recheck ends the stream, and is
// raised when the handler has come back.
func Serve(ctx context.Context, c Config, handler func(context.Context, *Stream) error) (err error) {
	if c.Gone == nil {
		c.Gone = func(err error) error { return err }
	}
	running, returned := context.WithCancel(ctx)
	s := new(Stream)
	w := &watcher{Config: c, stream: s, stopped: make(chan struct{})}
	inner, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	defer cancel()
	go w.watch(running, ctx)
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
	err = handler(inner, s)
	panicking = false
	return err
}

// A Stream is one that is open. Its method may be called concurrently.
type Stream struct {
	look atomic.Pointer[look] // the last that holds messages or ended the stream, nil before
}

// A look is a recheck of an open stream for which messages wait.
type look struct {
	done    chan struct{} // closed when refused is known
	refused error         // what ends the stream; nil when it goes on
}

// Ended returns why the stream is gone, and nil while it is not. It waits for the recheck at the
// token's end. Ask it before a message is sent, and after one has come and before it is handed to
// the handler.
func (s *Stream) Ended() error {
	l := s.look.Load()
	if l == nil {
		return nil
	}
	// A mutex would hold up the clock of a testing/synctest bubble.
	<-l.done // check: passes-while-rechecked
	return l.refused
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
