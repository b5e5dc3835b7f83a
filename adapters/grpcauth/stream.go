package grpcauth

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/middleware/openstream"
)

// serveWatched runs the handler of a stream, and rechecks the stream while it is open.
func (i *interceptors) serveWatched(srv any, ss grpc.ServerStream, ctx context.Context, method string, r rule, handler grpc.StreamHandler) error {
	return openstream.Serve(ctx, openstream.Config{
		Recheck: func(ctx context.Context) (context.Context, error) {
			return i.guard.Recheck(ctx, i.credentials(ctx, method, r.key, nil), r.requirement)
		},
		AllowExpired: i.options.AllowExpiredStreams,
		Refused:      func(err error) error { return i.refuseStream(ss, err, nil) },
		Ended:        func(refused error) { writeStatus(ss, refused) },
		Gone:         func(err error) error { return status.FromContextError(err).Err() },
	}, func(ctx context.Context, open *openstream.Stream) error {
		return handler(srv, &guardedStream{ServerStream: ss, ctx: ctx, open: open})
	})
}

// writeStatus ends the call with the status of refused. gRPC sends it at once, fails the pending
// Recv and Send of the handler, and cancels its context, as it does when a handler returns. It has
// that method for its own use; without it, the handler learns of the end with the next message.
func writeStatus(ss grpc.ServerStream, refused error) {
	s, ok := grpc.ServerTransportStreamFromContext(ss.Context()).(interface {
		WriteStatus(*status.Status) error
	})
	if ok {
		_ = s.WriteStatus(status.Convert(refused)) // check: stream-released
	}
}

// A guardedStream is a stream whose context carries the Principal, and that ends with the first
// recheck that refuses it.
type guardedStream struct {
	grpc.ServerStream
	ctx  context.Context
	open *openstream.Stream // nil for one that is not rechecked
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

func (s *guardedStream) end() error {
	if s.open == nil {
		return nil
	}
	return s.open.Ended()
}
