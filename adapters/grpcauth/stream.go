package grpcauth

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/middleware"
)

// A guardedStream is a stream whose context carries the Principal, and that ends when ended is set.
type guardedStream struct {
	grpc.ServerStream
	ctx   context.Context
	ended atomic.Pointer[error]
}

func (s *guardedStream) Context() context.Context { return s.ctx }

// RecvMsg and SendMsg tell a handler that is still there after the end why its stream is gone.
func (s *guardedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if end := s.ended.Load(); end != nil { // mutant: received-before-expiry
		return *end // what had arrived before is not handed out any more
	}
	return err
}

func (s *guardedStream) SendMsg(m any) error {
	if end := s.ended.Load(); end != nil {
		return *end
	}
	err := s.ServerStream.SendMsg(m)
	if end := s.ended.Load(); end != nil && err != nil {
		return *end
	}
	return err
}

// handled is how a handler came back.
type handled struct {
	err      error
	panicked any
	returned bool // false after a panic or runtime.Goexit
}

// errGone is the end of a stream whose handler's goroutine ended without returning (runtime.Goexit).
var errGone = status.Error(codes.Internal, "the handler ended without returning")

// untilRefused runs the handler, and ends the stream when its token runs out first: at that instant, until, the call is judged anew. So hooks are
// told of the end as of any refusal, an operation that is only reported on goes on, and so does a stream whose clock was set back.
//
// A context alone does not release a handler that is blocked in RecvMsg or SendMsg; the end of the RPC does. So the handler has a
// goroutine of its own, and at the end this function returns without it: gRPC then closes the stream, which fails the
// handler's pending and later calls and cancels its context. A panic of the handler is raised here, where the interceptors outside can
// recover it; one that comes after the end has no caller any more and is dropped.
func (d *door) untilRefused(srv any, s *guardedStream, until time.Time, method string, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.ctx = ctx
	done := make(chan handled, 1)
	go handle(srv, s, handler, done)
	// mutant: stream-expiry: until = until.Add(time.Hour)
	expiry := time.NewTimer(time.Until(until))
	defer expiry.Stop()
	for step := clockStep; ; step = min(2*step, maxClockStep) {
		select {
		case h := <-done:
			if h.panicked != nil {
				panic(h.panicked)
			}
			if !h.returned {
				return errGone
			}
			return h.err
		case <-expiry.C:
		}
		again, err := d.authorize(s.ServerStream.Context(), method)
		if err != nil { // mutant: stream-expired
			err = d.refuseStream(s.ServerStream, err)
			s.ended.Store(&err)
			return err
		}
		if p, ok := middleware.PrincipalFrom(again); ok && !p.ValidUntil().IsZero() {
			expiry.Reset(max(time.Until(p.ValidUntil()), step))
		}
	}
}

// How long a stream goes on at least whose token is accepted although it ran out: the first time, and at most. A verifier with a leeway of its own does
// that for minutes, and may ask an issuer each time.
const (
	clockStep    = 10 * time.Millisecond
	maxClockStep = 5 * time.Second
)

// handle runs the handler of a stream, and tells how it came back.
func handle(srv any, s *guardedStream, handler grpc.StreamHandler, done chan<- handled) {
	var h handled
	defer func() {
		if !h.returned {
			h.panicked = recover()
		}
		done <- h
	}()
	h.err = handler(srv, s)
	h.returned = true
}
