package connectauth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	auth "github.com/bearward/bearward/middleware"
)

type message = wrapperspb.StringValue

const (
	talkName = "bearward.test.Talk"
	unary    = "/" + talkName + "/Unary"
	client   = "/" + talkName + "/Client"
	server   = "/" + talkName + "/Server"
	bidi     = "/" + talkName + "/Bidi"
)

// A talk is a service with a procedure of each kind. The functions may be nil: the procedures then
// answer with the caller and what it sent.
type talk struct {
	onUnary  func(context.Context) error
	onServer func(context.Context, *connect.ServerStream[message]) error
	onClient func(context.Context, *connect.ClientStream[message]) error
	onBidi   func(context.Context, *connect.BidiStream[message, message]) error
}

func said(ctx context.Context, texts ...string) *message {
	p, _ := auth.PrincipalFrom(ctx)
	return wrapperspb.String(p.Subject() + " said " + strings.Join(texts, ","))
}

// newTalkHandler is of the form that protoc-gen-connect-go generates.
func newTalkHandler(t *talk, opts ...connect.HandlerOption) (string, http.Handler) {
	handlers := map[string]http.Handler{
		unary: connect.NewUnaryHandler(unary, func(ctx context.Context, r *connect.Request[message]) (*connect.Response[message], error) {
			if t.onUnary != nil {
				if err := t.onUnary(ctx); err != nil {
					return nil, err
				}
			}
			return connect.NewResponse(said(ctx, r.Msg.GetValue())), nil
		}, append([]connect.HandlerOption{connect.WithIdempotency(connect.IdempotencyNoSideEffects)}, opts...)...),
		client: connect.NewClientStreamHandler(client, func(ctx context.Context, s *connect.ClientStream[message]) (*connect.Response[message], error) {
			if t.onClient != nil {
				return connect.NewResponse(said(ctx)), t.onClient(ctx, s)
			}
			var texts []string
			for s.Receive() {
				texts = append(texts, s.Msg().GetValue())
			}
			return connect.NewResponse(said(ctx, texts...)), s.Err()
		}, opts...),
		server: connect.NewServerStreamHandler(server, func(ctx context.Context, r *connect.Request[message], s *connect.ServerStream[message]) error {
			if t.onServer != nil {
				return t.onServer(ctx, s)
			}
			return s.Send(said(ctx, r.Msg.GetValue()))
		}, opts...),
		bidi: connect.NewBidiStreamHandler(bidi, func(ctx context.Context, s *connect.BidiStream[message, message]) error {
			if t.onBidi != nil {
				return t.onBidi(ctx, s)
			}
			for {
				m, err := s.Receive()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				if err := s.Send(said(ctx, m.GetValue())); err != nil {
					return err
				}
			}
		}, opts...),
	}
	return "/" + talkName + "/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := handlers[r.URL.Path]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

// at returns a constructor of a service without procedures.
func at(path string, h http.Handler) func(int, ...connect.HandlerOption) (string, http.Handler) {
	return func(_ int, opts ...connect.HandlerOption) (string, http.Handler) {
		_ = connect.NewServerStreamHandler(path+"None", func(context.Context, *connect.Request[message], *connect.ServerStream[message]) error { return nil }, opts...)
		return path, h
	}
}

// serve returns the URL of a server over HTTP/2 and TLS, and a client for it.
func serve(t testing.TB, h http.Handler) (string, *http.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ConnContext = auth.ConnContext
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, s.Client()
}

// serveClear is serve over HTTP/2 in clear text.
func serveClear(t testing.TB, h http.Handler) (string, *http.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: only, TLSClientConfig: new(tls.Config)}
	t.Cleanup(transport.CloseIdleConnections)
	return s.URL, &http.Client{Transport: transport}
}

// protocols are what a Go client speaks.
var protocols = map[string][]connect.ClientOption{
	"connect":      nil,
	"connect json": {connect.WithProtoJSON()},
	"connect gzip": {connect.WithSendGzip()},
	"connect GET":  {connect.WithHTTPGet()},
	"grpc":         {connect.WithGRPC()},
	"grpc gzip":    {connect.WithGRPC(), connect.WithSendGzip()},
	"grpc-web":     {connect.WithGRPCWeb()},
}

// kinds call a procedure of each kind with one message, and return the last answer.
var kinds = map[string]func(c *connect.Client[message, message], ctx context.Context, authorization []string) (string, error){
	unary: func(c *connect.Client[message, message], ctx context.Context, authorization []string) (string, error) {
		r := connect.NewRequest(wrapperspb.String("hello"))
		if authorization != nil {
			r.Header()["Authorization"] = authorization
		}
		res, err := c.CallUnary(ctx, r)
		if err != nil {
			return "", err
		}
		return res.Msg.GetValue(), nil
	},
	server: func(c *connect.Client[message, message], ctx context.Context, authorization []string) (string, error) {
		r := connect.NewRequest(wrapperspb.String("hello"))
		if authorization != nil {
			r.Header()["Authorization"] = authorization
		}
		s, err := c.CallServerStream(ctx, r)
		if err != nil {
			return "", err
		}
		defer s.Close()
		last := ""
		for s.Receive() {
			last = s.Msg().GetValue()
		}
		return last, s.Err()
	},
	client: func(c *connect.Client[message, message], ctx context.Context, authorization []string) (string, error) {
		s := c.CallClientStream(ctx)
		if authorization != nil {
			s.RequestHeader()["Authorization"] = authorization
		}
		_ = s.Send(wrapperspb.String("hello")) // the answer says what is wrong
		res, err := s.CloseAndReceive()
		if err != nil {
			return "", err
		}
		return res.Msg.GetValue(), nil
	},
	bidi: func(c *connect.Client[message, message], ctx context.Context, authorization []string) (string, error) {
		s := c.CallBidiStream(ctx)
		defer s.CloseResponse()
		if authorization != nil {
			s.RequestHeader()["Authorization"] = authorization
		}
		_ = s.Send(wrapperspb.String("hello"))
		_ = s.CloseRequest()
		m, err := s.Receive()
		if err != nil {
			return "", err
		}
		return m.GetValue(), nil
	},
}
