package orders

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/orders/orderspb"
)

// service is the gRPC side of an API.
type service struct {
	orderspb.UnimplementedOrdersServer
	api *API
}

// NewService returns the gRPC service on the same book as api.
func NewService(api *API) orderspb.OrdersServer { return &service{api: api} }

// run does an Operation that reads no body.
func (s *service) run(ctx context.Context, op Operation) (*orderspb.Answer, error) {
	_, a := op(ctx, strings.NewReader(""))
	return message(a), nil
}

func (s *service) ListOrders(ctx context.Context, _ *orderspb.ListOrdersRequest) (*orderspb.Answer, error) {
	return s.run(ctx, s.api.List)
}

func (s *service) GetStats(ctx context.Context, _ *orderspb.GetStatsRequest) (*orderspb.Answer, error) {
	return s.run(ctx, s.api.Stats)
}

func (s *service) WhoAmI(ctx context.Context, _ *orderspb.WhoAmIRequest) (*orderspb.Answer, error) {
	return s.run(ctx, s.api.Me)
}

func (s *service) Greet(ctx context.Context, _ *orderspb.GreetRequest) (*orderspb.Answer, error) {
	return s.run(ctx, s.api.Greet)
}

func (s *service) Ping(ctx context.Context, _ *orderspb.PingRequest) (*orderspb.Answer, error) {
	return s.run(ctx, s.api.Ping)
}

func (s *service) PlaceOrder(ctx context.Context, req *orderspb.PlaceOrderRequest) (*orderspb.Answer, error) {
	a := answer(ctx, "place an order")
	order, err := s.place(a, req)
	if err != nil {
		return nil, err
	}
	a.Orders = []Order{order}
	return message(a), nil
}

func (s *service) place(a Answer, req *orderspb.PlaceOrderRequest) (Order, error) {
	order, err := s.api.Book.Place(caller(a), req.GetItem(), int(req.GetQuantity()))
	if err != nil {
		return Order{}, status.Error(codes.InvalidArgument, err.Error())
	}
	return order, nil
}

func (s *service) WatchOrders(_ *orderspb.WatchOrdersRequest, stream grpc.ServerStreamingServer[orderspb.Order]) error {
	for order := range s.api.Book.Watch(stream.Context()) {
		if err := stream.Send(orderMessage(order)); err != nil {
			return err
		}
	}
	return stream.Context().Err()
}

func (s *service) PlaceOrders(stream grpc.ClientStreamingServer[orderspb.PlaceOrderRequest, orderspb.Answer]) error {
	a := answer(stream.Context(), "place orders")
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(message(a))
		}
		if err != nil {
			return err
		}
		order, err := s.place(a, req)
		if err != nil {
			return err
		}
		if a.Orders = append(a.Orders, order); len(a.Orders) > maxOrders {
			return status.Errorf(codes.ResourceExhausted, "orders: more than %d orders in one stream", maxOrders)
		}
	}
}

func (s *service) TrackOrders(stream grpc.BidiStreamingServer[orderspb.TrackOrdersRequest, orderspb.Order]) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		order, ok := s.api.Book.Find(req.GetId())
		if !ok {
			return status.Error(codes.NotFound, "orders: no such order")
		}
		if err := stream.Send(orderMessage(order)); err != nil {
			return err
		}
	}
}

func message(a Answer) *orderspb.Answer {
	m := &orderspb.Answer{Operation: a.Operation, Sub: a.Sub, Scope: a.Scope}
	for _, order := range a.Orders {
		m.Orders = append(m.Orders, orderMessage(order))
	}
	return m
}

func orderMessage(o Order) *orderspb.Order {
	return &orderspb.Order{Id: o.ID, Item: o.Item, Quantity: int32(o.Quantity), PlacedBy: o.PlacedBy}
}
