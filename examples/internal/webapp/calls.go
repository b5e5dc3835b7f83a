package webapp

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bearward/bearward/examples/internal/orders/orderspb"
)

const (
	callTimeout   = 10 * time.Second
	actionTimeout = 30 * time.Second
)

// operation is one operation of the orders API on both transports.
type operation struct {
	method, path, rpc string
	invoke            func(orderspb.OrdersClient, context.Context, ...grpc.CallOption) (*orderspb.Answer, error)
}

var (
	readOrders = operation{http.MethodGet, "/orders", orderspb.Orders_ListOrders_FullMethodName,
		func(c orderspb.OrdersClient, ctx context.Context, opts ...grpc.CallOption) (*orderspb.Answer, error) {
			return c.ListOrders(ctx, &orderspb.ListOrdersRequest{}, opts...)
		}}
	placeOrder = operation{http.MethodPost, "/orders", orderspb.Orders_PlaceOrder_FullMethodName,
		func(c orderspb.OrdersClient, ctx context.Context, opts ...grpc.CallOption) (*orderspb.Answer, error) {
			return c.PlaceOrder(ctx, &orderspb.PlaceOrderRequest{}, opts...)
		}}
	readStats = operation{http.MethodGet, "/admin/stats", orderspb.Orders_GetStats_FullMethodName,
		func(c orderspb.OrdersClient, ctx context.Context, opts ...grpc.CallOption) (*orderspb.Answer, error) {
			return c.GetStats(ctx, &orderspb.GetStatsRequest{}, opts...)
		}}
)

// callAll makes one call through every adapter; rec gets a step for each.
func (a *App) callAll(ctx context.Context, rec *recorder, why string, op operation, token string) {
	for _, api := range a.cfg.APIs {
		rec.next(why+", through "+api.Adapter, "application", "API ("+api.Adapter+")")
		if api.Adapter == "grpc" {
			rec.add(a.callGRPC(ctx, api, op, token))
			continue
		}
		a.callHTTP(ctx, api, op, token)
	}
}

// callHTTP makes one HTTP call; the transport records it.
func (a *App) callHTTP(ctx context.Context, api API, op operation, token string) {
	req, err := http.NewRequestWithContext(ctx, op.method, api.URL+op.path, nil)
	if err != nil {
		a.log.Error("call", "adapter", api.Adapter, "err", err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.hc.Do(req)
	if err != nil {
		return // recorded
	}
	resp.Body.Close()
}

func (a *App) callGRPC(ctx context.Context, api API, op operation, token string) Step {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	var trailer metadata.MD
	answer, err := op.invoke(orderspb.NewOrdersClient(a.conns[api.URL]), ctx, grpc.Trailer(&trailer))
	state := status.Convert(err)
	step := Step{
		Request: []string{op.rpc, "authorization: " + describe("Bearer "+token)},
		Status:  state.Code().String(), Good: err == nil,
		Response: []string{"status: " + state.Code().String()},
	}
	if err == nil {
		step.Response = append(step.Response, "", protojson.Format(answer))
		return step
	}
	step.Response = append(step.Response, "message: "+state.Message())
	for _, challenge := range trailer.Get("www-authenticate") {
		step.Response = append(step.Response, "www-authenticate: "+challenge)
	}
	for _, detail := range state.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			line := fmt.Sprintf("ErrorInfo: reason %s, domain %s", d.GetReason(), d.GetDomain())
			for _, name := range slices.Sorted(maps.Keys(d.GetMetadata())) {
				line += fmt.Sprintf(", %s %q", name, d.GetMetadata()[name])
			}
			step.Response = append(step.Response, line)
		case *errdetails.RetryInfo:
			step.Response = append(step.Response, "RetryInfo: "+d.GetRetryDelay().AsDuration().String())
		}
	}
	return step
}
