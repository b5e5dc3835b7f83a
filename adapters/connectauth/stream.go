package connectauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/openstream"
)

// notAuthorized returns what the caller is told of a call that did not come by the Mux, or came as
// another procedure.
func notAuthorized() error {
	return connect.NewError(connect.CodeInternal, errors.New("the call was not authorized"))
}

// An interceptor of a service lets what the Mux authorized reach the service, and rechecks its
// streams while they are open.
type interceptor struct {
	mux  *Mux
	used bool // a handler was made with it
}

func (i *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	i.used = true
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		if i.mux.callOf(ctx, r.Spec().Procedure) == nil { // check: unary-called
			return nil, notAuthorized()
		}
		return next(ctx, r)
	}
}

func (*interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (i *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	i.used = true
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		c := i.mux.callOf(ctx, conn.Spec().Procedure)
		if c == nil { // check: stream-called
			return notAuthorized()
		}
		if c.rule.requirement.IsPublic() && !c.rule.changes { // check: public-watched
			return next(ctx, conn)
		}
		return c.serveWatched(ctx, conn, next)
	}
}

// serveWatched runs the handler of a stream, and rechecks the stream while it is open.
func (c *call) serveWatched(ctx context.Context, conn connect.StreamingHandlerConn, next connect.StreamingHandlerFunc) error {
	// The handler may write into the header of the request while a recheck reads it.
	sent := auth.RequestCredentials(nil, c.r, c.rule.key)
	sent.Params, sent.Authorization, sent.Header = nil, slices.Clone(sent.Authorization), sent.Header.Clone()
	err := openstream.Serve(ctx, openstream.Config{
		Recheck: func(ctx context.Context) (context.Context, error) {
			return c.mux.guard.Recheck(ctx, sent, c.rule.requirement)
		},
		AllowExpired: c.mux.options.AllowExpiredStreams,
		Refused:      func(err error) error { return &ended{c.mux.refusal(err, nil)} },
		Ended:        func(error) { c.wake() },
	}, func(ctx context.Context, open *openstream.Stream) error {
		return next(ctx, &guardedConn{conn, open})
	})
	var end *ended
	if !errors.As(err, &end) {
		return err
	}
	if conn.Peer().Protocol == connect.ProtocolGRPC {
		moveChallenge(conn.ResponseHeader(), end.refused) // is sent where no message was
	}
	return end.refused
}

// An ended is the error of a stream that a recheck refuses.
type ended struct{ refused *connect.Error }

func (e *ended) Error() string { return e.refused.Error() }
func (e *ended) Unwrap() error { return e.refused }

// wake ends a handler's wait for a message. Behind a writer that cannot do that, the handler learns
// of the end with the next message.
func (c *call) wake() {
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0)) // check: stream-released
}

// A guardedConn is the connection of a stream that ends with the first recheck that refuses it.
type guardedConn struct {
	connect.StreamingHandlerConn
	open *openstream.Stream
}

// Receive and Send tell a handler that is still there after the end why its stream is gone.
func (c *guardedConn) Receive(m any) error {
	err := c.StreamingHandlerConn.Receive(m)
	if end := c.open.Ended(); end != nil { // check: received-before-expiry
		return end // what had arrived before is not handed out any more
	}
	return err
}

func (c *guardedConn) Send(m any) error {
	if end := c.open.Ended(); end != nil { // check: sent-after-expiry
		return end
	}
	err := c.StreamingHandlerConn.Send(m)
	if err == nil {
		return nil
	}
	if end := c.open.Ended(); end != nil {
		return end
	}
	return err
}
