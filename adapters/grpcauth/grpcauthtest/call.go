package grpcauthtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
)

const (
	// patience is how long a refusal is waited for. It comes at once, or the call was accepted
	// to a handler that is silent.
	patience = 10 * time.Second
	// quiet is how long a call that should be accepted is waited for: after that it was.
	quiet = time.Second
)

// raw passes bytes through, under the name of the codec that every server knows.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	return nil
}

// An attempt is a call in another way than the plain one.
type attempt struct {
	name          string // default: the method's
	authorization []string
	metadata      metadata.MD
	mute          bool          // nothing is sent, and the sending side stays open
	probe         bool          // as a health probe
	patience      time.Duration // default patience
	stolen        *stolen       // in place of authorization
}

func bearer(tokens ...string) (values []string) {
	for _, t := range tokens {
		values = append(values, "Bearer "+t)
	}
	return values
}

// A reply is what came back.
type reply struct {
	code       codes.Code
	text       string
	info       *errdetails.ErrorInfo // of the guard, nil when it has none
	retry      bool                  // with a RetryInfo
	nonce      string                // in the header, or the trailer
	challenges []string              // in the www-authenticate trailer, or the header where HTTP allows no such trailer
	silent     bool                  // nothing came in time
	message    []byte                // the first, when the code is OK
}

func (r reply) String() string {
	switch {
	case r.silent:
		return "silence"
	case r.info != nil:
		return fmt.Sprintf("%s with reason %s of the guard", name(r.code), r.info.Reason)
	case r.text != "":
		return fmt.Sprintf("%s (%s)", name(r.code), r.text)
	}
	return name(r.code)
}

// name returns the code as the specification writes it, such as PERMISSION_DENIED.
func name(c codes.Code) string {
	var b strings.Builder
	for i, r := range c.String() {
		if i > 0 && r >= 'A' && r <= 'Z' && c != codes.OK {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// challenge returns that of the scheme, and what stands there when there is none. A server whose
// tokens may also be bound to a key offers DPoP before Bearer; under DPoP, that one must be the
// first.
func (r reply) challenge(scheme string) string {
	for _, c := range r.challenges {
		if scheme == "Bearer" && strings.HasPrefix(c, "Bearer ") {
			return c
		}
	}
	return strings.Join(r.challenges, ", ")
}

// isNoPath reports whether net/http's HTTP/2 refused the name, which is no path, by itself.
func (r reply) isNoPath(name string) bool {
	return !strings.HasPrefix(name, "/") && r.code == codes.Internal && strings.Contains(r.text, "PROTOCOL_ERROR")
}

// refused reports whether the guard said no.
func (r reply) refused() bool { return r.info != nil }

// call makes one call, and again when the answer asks for a nonce. Every kind of method is called
// as a stream: to the server it is the same.
func (a *assertion) call(t attempt) reply {
	a.tb.Helper()
	got := a.callOnce(t)
	if a.takeNonce(got) && t.stolen == nil {
		got = a.callOnce(t)
	}
	return got
}

func (a *assertion) callOnce(t attempt) reply {
	a.tb.Helper()
	if t.patience == 0 {
		t.patience = patience
	}
	ctx, cancel := context.WithTimeout(a.tb.Context(), t.patience)
	defer cancel()
	stream, err := a.open(ctx, t)
	if err == nil && !t.mute {
		message := a.options.Messages[a.name]
		if err = stream.SendMsg(&message); err == nil || errors.Is(err, io.EOF) { // the status comes with RecvMsg
			err = stream.CloseSend()
		}
	}
	var message []byte
	if err == nil {
		err = stream.RecvMsg(&message)
	}
	r := replyOf(stream, err)
	r.message = message
	if ctx.Err() != nil || r.code == codes.DeadlineExceeded && !r.refused() { // the server may be the first to notice
		return reply{silent: true}
	}
	return r
}

func (a *assertion) open(ctx context.Context, t attempt) (grpc.ClientStream, error) {
	if t.name == "" {
		t.name = a.name
	}
	md := metadata.Join(a.options.Metadata, t.metadata, a.present(t))
	desc := &grpc.StreamDesc{StreamName: t.name, ClientStreams: true, ServerStreams: true}
	conn := a.conn
	if t.probe {
		conn = a.probe
	}
	if t.stolen != nil && t.stolen.conn != nil {
		conn = t.stolen.conn
	}
	return conn.NewStream(metadata.NewOutgoingContext(ctx, md), desc, t.name, grpc.ForceCodec(raw{}))
}

// outlives opens the method's stream with token, leaves it alone until then, and reports whether it
// goes on.
func (a *assertion) outlives(token string, then time.Time) bool {
	a.tb.Helper()
	ctx, cancel := context.WithCancel(a.tb.Context())
	defer cancel()
	stream, err := a.open(ctx, attempt{authorization: bearer(token)})
	if err == nil && !a.client { // its handler waits for the one message
		message := a.options.Messages[a.name]
		if err = stream.SendMsg(&message); err == nil {
			err = stream.CloseSend()
		}
	}
	// Nothing is read meanwhile: a handler that sends without end is stopped by flow control, and a
	// bubble's clock can move.
	time.Sleep(time.Until(then))
	for n := 0; err == nil && n < manyMessages; n++ {
		tired := time.AfterFunc(quiet, cancel)
		err = stream.RecvMsg(new([]byte))
		if !tired.Stop() {
			return true
		}
	}
	return err == nil
}

// manyMessages are more than can lie in the buffers of a stream.
const manyMessages = 100_000

// replyOf reads what a call came back with: a message, the end, or an error.
func replyOf(stream grpc.ClientStream, err error) reply {
	if err == nil || errors.Is(err, io.EOF) {
		r := reply{}
		if header, err := stream.Header(); err == nil {
			r.nonce = strings.Join(header["dpop-nonce"], ", ")
		}
		return r
	}
	st := status.Convert(err)
	r := reply{code: st.Code(), text: st.Message()}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.Domain == grpcauth.Domain {
				r.info = d
			}
		case *errdetails.RetryInfo:
			r.retry = true
		}
	}
	if stream != nil {
		r.nonce = strings.Join(stream.Trailer()["dpop-nonce"], ", ")
		r.challenges = stream.Trailer()["www-authenticate"]
		if header, err := stream.Header(); err == nil && len(r.challenges) == 0 {
			r.challenges = header["www-authenticate"]
		}
	}
	return r
}
