package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/examples/internal/orders/orderspb"
)

// unary makes an operation's run of a generated unary method.
func unary[Req any](method func(orderspb.OrdersClient, context.Context, *Req, ...grpc.CallOption) (*orderspb.Answer, error)) func(context.Context, orderspb.OrdersClient) (*orderspb.Answer, metadata.MD, error) {
	return func(ctx context.Context, c orderspb.OrdersClient) (*orderspb.Answer, metadata.MD, error) {
		var trailer metadata.MD
		answer, err := method(c, ctx, new(Req), grpc.Trailer(&trailer))
		return answer, trailer, err
	}
}

var (
	list  = operation{"GET", "/orders", "ListOrders", unary(orderspb.OrdersClient.ListOrders)}
	place = operation{"POST", "/orders", "PlaceOrder", unary(orderspb.OrdersClient.PlaceOrder)}
	stats = operation{"GET", "/admin/stats", "GetStats", unary(orderspb.OrdersClient.GetStats)}
	me    = operation{"GET", "/me", "WhoAmI", unary(orderspb.OrdersClient.WhoAmI)}
	greet = operation{"GET", "/optional", "Greet", unary(orderspb.OrdersClient.Greet)}
	ping  = operation{"GET", "/public/ping", "Ping", unary(orderspb.OrdersClient.Ping)}

	watch     = operation{rpc: "WatchOrders (server stream)", run: watchFirst}
	placeMany = operation{rpc: "PlaceOrders (client stream)", run: placeTwo}
	track     = operation{rpc: "TrackOrders (two-way stream)", run: trackOne}
)

// watchFirst reads the first order of a server stream.
func watchFirst(ctx context.Context, c orderspb.OrdersClient) (*orderspb.Answer, metadata.MD, error) {
	stream, err := c.WatchOrders(ctx, &orderspb.WatchOrdersRequest{})
	if err != nil {
		return nil, nil, err
	}
	if _, err := stream.Recv(); err != nil {
		return nil, stream.Trailer(), err
	}
	return nil, nil, nil
}

// placeTwo sends two orders up a client stream. A send that fails with io.EOF
// means that the server has already answered.
func placeTwo(ctx context.Context, c orderspb.OrdersClient) (*orderspb.Answer, metadata.MD, error) {
	stream, err := c.PlaceOrders(ctx)
	if err != nil {
		return nil, nil, err
	}
	for range 2 {
		if stream.Send(&orderspb.PlaceOrderRequest{Item: "tea", Quantity: 1}) != nil {
			break
		}
	}
	answer, err := stream.CloseAndRecv()
	return answer, stream.Trailer(), err
}

// trackOne asks for one order on a two-way stream and reads the answer.
func trackOne(ctx context.Context, c orderspb.OrdersClient) (*orderspb.Answer, metadata.MD, error) {
	stream, err := c.TrackOrders(ctx)
	if err != nil {
		return nil, nil, err
	}
	_ = stream.Send(&orderspb.TrackOrdersRequest{Id: "1"}) // a refusal shows in Recv
	if _, err := stream.Recv(); err != nil {
		return nil, stream.Trailer(), err
	}
	return nil, nil, stream.CloseSend()
}
