//go:build unix

package soak_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/connectauth"
	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/examples/internal/orders/orderspb/orderspbconnect"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// procedures are the targets of fronts of gRPC and Connect.
var procedures = map[operation]target{
	list:  {path: orderspb.Orders_ListOrders_FullMethodName},
	stats: {path: orderspb.Orders_GetStats_FullMethodName},
	live:  {path: orderspb.Orders_WhoAmI_FullMethodName},
}

// procedureRules are the rules of procedures, and of the stream.
func (w *world) procedureRules() auth.Rules {
	rules := auth.Rules{watch: w.rules()[list]}
	for what, rule := range w.rules() {
		rules[procedures[what].path] = rule
	}
	return rules
}

// watch is the procedure with a stream.
const watch = orderspb.Orders_WatchOrders_FullMethodName

// tick is the time between two messages of a stream.
const tick = 250 * time.Millisecond

// answerOf is what procedures answer.
func answerOf(ctx context.Context) *orderspb.Answer {
	caller, _ := auth.PrincipalFrom(ctx)
	return &orderspb.Answer{Operation: saying(caller.Subject())}
}

// orderOf is what streams send.
func orderOf(ctx context.Context) *orderspb.Order {
	caller, _ := auth.PrincipalFrom(ctx)
	return &orderspb.Order{Id: saying(caller.Subject())}
}

type service struct {
	orderspb.UnimplementedOrdersServer
}

func (service) ListOrders(ctx context.Context, _ *orderspb.ListOrdersRequest) (*orderspb.Answer, error) {
	return answerOf(ctx), nil
}

func (service) GetStats(ctx context.Context, _ *orderspb.GetStatsRequest) (*orderspb.Answer, error) {
	return answerOf(ctx), nil
}

func (service) WhoAmI(ctx context.Context, _ *orderspb.WhoAmIRequest) (*orderspb.Answer, error) {
	return answerOf(ctx), nil
}

func (service) WatchOrders(_ *orderspb.WatchOrdersRequest, s grpc.ServerStreamingServer[orderspb.Order]) error {
	return tell(s.Context(), func() error { return s.Send(orderOf(s.Context())) })
}

func (r *replica) serveGRPC(w *world, ca *authtest.CA, guard *auth.Guard) {
	server := grpc.NewServer(append(grpcauth.ServerOptions(guard, w.procedureRules()), grpc.Creds(credentials.NewTLS(serverTLS(ca))))...)
	orderspb.RegisterOrdersServer(server, service{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	clients := map[bool]orderspb.OrdersClient{}
	for _, shown := range []bool{false, true} {
		config := clientTLS(ca)
		if shown {
			config = clientTLS(ca, w.certificate.TLS())
		}
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			w.t.Fatal(err)
		}
		r.closeFirst(func() { _ = conn.Close() })
		clients[shown] = orderspb.NewOrdersClient(conn)
	}
	r.closeFirst(server.Stop)
	r.fronts = append(r.fronts, front{
		name: "gRPC", method: http.MethodPost, targets: procedures, checked: true,
		send: func(_ front, c call) answer { return sendGRPC(clients[c.shown], c) },
		open: func(ctx context.Context, c call) (*stream, error) {
			s, err := clients[c.shown].WatchOrders(c.metadata(ctx), &orderspb.WatchOrdersRequest{})
			if err != nil {
				return nil, err
			}
			return &stream{next: func() (string, error) {
				m, err := s.Recv()
				return heard(m.GetId()), err
			}}, nil
		},
	})
}

// metadata returns ctx with what c carries.
func (c call) metadata(ctx context.Context) context.Context {
	h := http.Header{}
	c.into(h)
	for name, values := range h {
		ctx = metadata.AppendToOutgoingContext(ctx, name, values[0])
	}
	return ctx
}

func sendGRPC(client orderspb.OrdersClient, c call) answer {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	ctx = c.metadata(ctx)
	var a *orderspb.Answer
	var err error
	switch c.what {
	case stats:
		a, err = client.GetStats(ctx, &orderspb.GetStatsRequest{})
	case live:
		a, err = client.WhoAmI(ctx, &orderspb.WhoAmIRequest{})
	default:
		a, err = client.ListOrders(ctx, &orderspb.ListOrdersRequest{})
	}
	if err != nil {
		return answer{status: statusOf(err), text: err.Error()}
	}
	return answer{status: 200, subject: heard(a.GetOperation())}
}

// statusOf returns the status of HTTP that the code of an error is the image of; -1 for none.
func statusOf(err error) int {
	var answered statusError
	if errors.As(err, &answered) {
		return int(answered)
	}
	code := status.Code(err)
	if c := connect.CodeOf(err); code == codes.Unknown && c != connect.CodeUnknown {
		code = codes.Code(c) // the numbers are the same
	}
	switch code {
	case codes.OK:
		return 200
	case codes.InvalidArgument:
		return 400
	case codes.Unauthenticated:
		return 401
	case codes.PermissionDenied:
		return 403
	case codes.Unavailable:
		return 503
	}
	return -1
}

type connectService struct {
	orderspbconnect.UnimplementedOrdersHandler
}

func (connectService) ListOrders(ctx context.Context, _ *connect.Request[orderspb.ListOrdersRequest]) (*connect.Response[orderspb.Answer], error) {
	return connect.NewResponse(answerOf(ctx)), nil
}

func (connectService) GetStats(ctx context.Context, _ *connect.Request[orderspb.GetStatsRequest]) (*connect.Response[orderspb.Answer], error) {
	return connect.NewResponse(answerOf(ctx)), nil
}

func (connectService) WhoAmI(ctx context.Context, _ *connect.Request[orderspb.WhoAmIRequest]) (*connect.Response[orderspb.Answer], error) {
	return connect.NewResponse(answerOf(ctx)), nil
}

func (connectService) WatchOrders(ctx context.Context, _ *connect.Request[orderspb.WatchOrdersRequest], s *connect.ServerStream[orderspb.Order]) error {
	return tell(ctx, func() error { return s.Send(orderOf(ctx)) })
}

// serveConnect serves clients of Connect, of gRPC-Web and of gRPC by one Mux.
func (r *replica) serveConnect(w *world, ca *authtest.CA, guard *auth.Guard) {
	mux := connectauth.NewMux(guard, w.procedureRules())
	connectauth.Handle[orderspbconnect.OrdersHandler](mux, orderspbconnect.NewOrdersHandler, connectService{})
	server := r.listen(ca, mux)
	for _, protocol := range []struct {
		name    string
		options []connect.ClientOption
	}{{"Connect", nil}, {"Connect by gRPC-Web", []connect.ClientOption{connect.WithGRPCWeb()}}, {"Connect by gRPC", []connect.ClientOption{connect.WithGRPC()}}} {
		clients := map[bool]orderspbconnect.OrdersClient{
			false: orderspbconnect.NewOrdersClient(r.plain, server, protocol.options...),
			true:  orderspbconnect.NewOrdersClient(r.shown, server, protocol.options...),
		}
		r.fronts = append(r.fronts, front{
			name: protocol.name, method: http.MethodPost, targets: procedures, checked: true,
			send: func(_ front, c call) answer { return sendConnect(clients[c.shown], c) },
			open: func(ctx context.Context, c call) (*stream, error) {
				s, err := clients[c.shown].WatchOrders(ctx, asked(c, new(orderspb.WatchOrdersRequest)))
				if err != nil {
					return nil, err
				}
				return &stream{close: func() { _ = s.Close() }, next: func() (string, error) {
					if !s.Receive() {
						return "", cmp.Or(s.Err(), io.EOF)
					}
					return heard(s.Msg().GetId()), nil
				}}, nil
			},
		})
	}
}

// asked is a request of Connect with what c carries.
func asked[M any](c call, m *M) *connect.Request[M] {
	r := connect.NewRequest(m)
	c.into(r.Header())
	return r
}

func sendConnect(client orderspbconnect.OrdersClient, c call) answer {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	var a *connect.Response[orderspb.Answer]
	var err error
	switch c.what {
	case stats:
		a, err = client.GetStats(ctx, asked(c, new(orderspb.GetStatsRequest)))
	case live:
		a, err = client.WhoAmI(ctx, asked(c, new(orderspb.WhoAmIRequest)))
	default:
		a, err = client.ListOrders(ctx, asked(c, new(orderspb.ListOrdersRequest)))
	}
	if err != nil {
		return answer{status: statusOf(err), text: err.Error()}
	}
	return answer{status: 200, subject: heard(a.Msg.GetOperation())}
}
