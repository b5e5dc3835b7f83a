package grpcauth

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
)

// A guardedStream is a stream whose context carries the Principal, and that ends with the first
// recheck that refuses it.
type guardedStream struct {
	grpc.ServerStream
	ctx  context.Context
	look atomic.Pointer[look] // the last that holds messages or ended the stream, nil before
}

// A look is a recheck of an open stream for which messages wait.
type look struct {
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

// end returns why the stream is gone, nil while it is not. It waits for the look at the token's
// end.
func (s *guardedStream) end() error {
	l := s.look.Load()
	if l == nil {
		return nil
	}
	// A mutex would hold up the clock of a testing/synctest bubble.
	<-l.done // check: passes-while-rechecked
	return l.refused
}
