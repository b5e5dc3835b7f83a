package grpcauth

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	auth "github.com/bearward/bearward/middleware"
)

// A guardedStream is a stream whose context carries the Principal, and that ends with the first
// recheck that refuses it.
type guardedStream struct {
	grpc.ServerStream
	ctx     context.Context
	recheck atomic.Pointer[recheck] // the last one, nil before the first
}

// A recheck authorizes an open stream anew, while no message passes.
type recheck struct {
	done    chan struct{} // closed when refused is known
	refused error         // what ends the stream; nil when it goes on
}

func (s *guardedStream) Context() context.Context { return s.ctx }

// RecvMsg and SendMsg tell a handler that is still there after the end why its stream is gone.
func (s *guardedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if end := s.end(); end != nil { // check: received-before-expiry
		return end // what had arrived before is not handed out any more
	}
	return err
}

func (s *guardedStream) SendMsg(m any) error {
	if end := s.end(); end != nil {
		return end
	}
	err := s.ServerStream.SendMsg(m)
	if err == nil {
		return nil
	}
	if end := s.end(); end != nil {
		return end
	}
	return err
}

// end returns why the stream is gone, nil while it is not. It waits for a recheck that is under
// way.
func (s *guardedStream) end() error {
	r := s.recheck.Load()
	if r == nil {
		return nil
	}
	// A mutex would hold up the clock of a testing/synctest bubble.
	<-r.done // check: passes-while-judged
	return r.refused
}

// handled is how a handler came back.
type handled struct {
	err      error
	panicked any
	returned bool // false after a panic or runtime.Goexit
}

// errHandlerExited ends a stream whose handler's goroutine, or whose recheck, ended without
// returning (runtime.Goexit, a panic).
var errHandlerExited = status.Error(codes.Internal, "the handler ended without returning")

// result is what the handler returned. It raises the handler's panic.
func (h handled) result() error {
	if h.panicked != nil {
		panic(h.panicked)
	}
	if !h.returned {
		return errHandlerExited
	}
	return h.err
}

// serveUntilExpiry runs the handler, and ends the stream when its token expires first: at that
// instant, until, the call is authorized anew. So hooks are told of the end as of any refusal, an
// operation that is only reported on goes on, and so does a stream whose clock was set back.
//
// A context alone does not release a handler that is blocked in RecvMsg or SendMsg; the end of the
// RPC does. So the handler has a goroutine of its own, and at the end this function returns without
// it: gRPC then closes the stream, which fails the handler's pending and later calls and cancels
// its context. A panic of the handler is raised here, where the interceptors outside can recover
// it; one that comes after the end has no caller any more and is dropped.
func (i *interceptors) serveUntilExpiry(srv any, s *guardedStream, until time.Time, method string, handler grpc.StreamHandler) error {
	running, returned := context.WithCancel(s.ctx)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.ctx = ctx
	defer returned()
	done := make(chan handled, 1)
	go handle(srv, s, handler, done, returned)
	// check: stream-expiry
	expiry := time.NewTimer(time.Until(until))
	defer expiry.Stop()
	for step := clockStep; ; {
		select {
		case h := <-done:
			return h.result()
		case <-expiry.C:
		}
		again, refused := i.reauthorize(running, s, method, done)
		if refused != nil {
			return refused
		}
		if p, ok := auth.PrincipalFrom(again); ok && !p.ValidUntil().IsZero() {
			left := time.Until(p.ValidUntil())
			if left > 0 {
				step = clockStep
			}
			expiry.Reset(max(left, step))
			step = min(2*step, maxClockStep)
		}
	}
}

// How long a stream goes on at least whose token is accepted although it ran out: the first time,
// and at most. A verifier with a leeway of its own does that for minutes, and may ask an issuer
// each time.
const (
	clockStep    = 10 * time.Millisecond
	maxClockStep = 5 * time.Second
)

// recheckTimeout is how long a recheck may take, in which no message passes. A token that has
// expired needs none of it.
const recheckTimeout = 5 * time.Second

// reauthorize authorizes the call of a stream anew. It returns the error that ends the stream,
// unless that ended by itself meanwhile. A panic on the way ends it too.
func (i *interceptors) reauthorize(ctx context.Context, s *guardedStream, method string, done <-chan handled) (again context.Context, refused error) {
	r := &recheck{done: make(chan struct{}), refused: errHandlerExited}
	s.recheck.Store(r)
	defer close(r.done)
	ctx, cancel := context.WithTimeout(ctx, recheckTimeout)
	defer cancel()
	rule := i.table.find(method)
	again, err := i.guard.Recheck(ctx, i.credentials(ctx, method, rule.key, nil), rule.requirement)
	if r.refused = nil; err != nil && len(done) == 0 { // check: stream-expired
		r.refused = i.refuseStream(s.ServerStream, err, nil)
	}
	return again, r.refused
}

// handle runs the handler of a stream, and tells how it came back.
func handle(srv any, s *guardedStream, handler grpc.StreamHandler, done chan<- handled, returned func()) {
	var h handled
	defer func() {
		if !h.returned {
			h.panicked = recover()
		}
		done <- h
		returned()
	}()
	h.err = handler(srv, s)
	h.returned = true
}
