// Package rpctest is a gRPC service with a method of each kind, for tests of interceptors.
package rpctest

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The full names of the methods.
const (
	Service = "bearward.test.Talk"
	Unary   = "/" + Service + "/Unary"
	Client  = "/" + Service + "/Client"
	Server  = "/" + Service + "/Server"
	Bidi    = "/" + Service + "/Bidi"
)

// Methods are the full names of all four kinds.
var Methods = []string{Unary, Client, Server, Bidi}

// A Message is what all methods take and give.
type Message = wrapperspb.StringValue

// Talk implements the service. Each function may be nil: the method then answers with what it was
// sent.
type Talk struct {
	OnUnary  func(context.Context, *Message) (*Message, error)
	OnStream func(grpc.ServerStream) error // Client, Server and Bidi
}

// Register registers the service with s.
func Register(s grpc.ServiceRegistrar, t *Talk) { s.RegisterService(&desc, t) }

var desc = grpc.ServiceDesc{
	ServiceName: Service,
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Client", Handler: stream, ClientStreams: true},
		{StreamName: "Server", Handler: stream, ServerStreams: true},
		{StreamName: "Bidi", Handler: stream, ClientStreams: true, ServerStreams: true},
	},
}

func unary(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	in := new(Message)
	if err := decode(in); err != nil {
		return nil, err
	}
	handle := func(ctx context.Context, in any) (any, error) {
		if f := srv.(*Talk).OnUnary; f != nil {
			return f(ctx, in.(*Message))
		}
		return in, nil
	}
	if intercept == nil {
		return handle(ctx, in)
	}
	return intercept(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: Unary}, handle)
}

func stream(srv any, ss grpc.ServerStream) error {
	if f := srv.(*Talk).OnStream; f != nil {
		return f(ss)
	}
	var last Message
	for {
		var in Message
		if err := ss.RecvMsg(&in); err == io.EOF {
			return ss.SendMsg(&last)
		} else if err != nil {
			return err
		}
		last.Value = in.Value
	}
}

// Call sends one message to a method of any kind, and returns the answer and the trailer.
func Call(ctx context.Context, cc grpc.ClientConnInterface, method, text string) (string, metadata.MD, error) {
	answer, _, trailer, err := CallHeader(ctx, cc, method, text)
	return answer, trailer, err
}

// CallHeader is Call, and returns the header too.
func CallHeader(ctx context.Context, cc grpc.ClientConnInterface, method, text string) (answer string, header, trailer metadata.MD, err error) {
	var out Message
	if method == Unary {
		err = cc.Invoke(ctx, method, wrapperspb.String(text), &out, grpc.Header(&header), grpc.Trailer(&trailer))
		return out.GetValue(), header, trailer, err
	}
	cs, err := cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return "", nil, nil, err
	}
	if err := cs.SendMsg(wrapperspb.String(text)); err != nil && err != io.EOF { // the status comes with RecvMsg
		return "", nil, cs.Trailer(), err
	}
	_ = cs.CloseSend()
	err = cs.RecvMsg(&out)
	if err == nil {
		if err = cs.RecvMsg(new(Message)); err == io.EOF {
			err = nil
		}
	}
	header, _ = cs.Header()
	return out.GetValue(), header, cs.Trailer(), err
}
