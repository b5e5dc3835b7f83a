package webapp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bearward/bearward/examples/internal/orders"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/examples/internal/promise"
)

func (a *App) callGRPC(ctx context.Context, api API, q question) answer {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	credentials, err := q.credentials(http.MethodPost, api.URL+q.op.rpc)
	if err != nil {
		return noCall(err)
	}
	request := []string{q.op.rpc}
	for _, field := range credentials {
		name := strings.ToLower(field[0])
		ctx = metadata.AppendToOutgoingContext(ctx, name, field[1])
		request = append(request, name+": "+describeField(field[0], field[1]))
	}
	conn := a.conns[api.URL]
	if q.mutual != nil {
		request = append(request, q.mutual.String())
		_, addr, _ := strings.Cut(api.URL, "://")
		if conn, err = grpc.NewClient(addr, a.cfg.Mutual.Dial(q.mutual.certificate)...); err != nil {
			return noCall(err)
		}
		defer conn.Close()
	}
	var trailer metadata.MD
	said, err := q.op.invoke(orderspb.NewOrdersClient(conn), ctx, grpc.Trailer(&trailer))
	state := status.Convert(err)
	code := state.Code().String()
	one := answer{
		Outcome: promise.Outcome{
			Status: promise.HTTPStatus(state.Code()), Shown: code, Challenge: strings.Join(trailer.Get("www-authenticate"), "\n"),
		},
		Request:  request,
		Response: []string{"status: " + code},
	}
	if err == nil {
		one.take(fromMessage(said))
		one.Response = append(append(one.Response, ""), strings.Split(messageText(said), "\n")...)
		return one
	}
	one.Response = append(one.Response, "message: "+state.Message())
	for _, challenge := range trailer.Get("www-authenticate") {
		one.Response = append(one.Response, "www-authenticate: "+challenge)
	}
	for _, detail := range state.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			line := fmt.Sprintf("ErrorInfo: reason %s, domain %s", d.GetReason(), d.GetDomain())
			for _, name := range slices.Sorted(maps.Keys(d.GetMetadata())) {
				line += fmt.Sprintf(", %s %q", name, d.GetMetadata()[name])
			}
			one.Response = append(one.Response, line)
		case *errdetails.RetryInfo:
			one.RetryAfter = d.GetRetryDelay().AsDuration()
			one.Response = append(one.Response, "RetryInfo: "+one.RetryAfter.String())
		}
	}
	return one
}

// messageText is a message in JSON, in the order of its fields and the same each time: protojson
// changes its white space by design.
func messageText(m *orderspb.Answer) string {
	raw, err := protojson.Marshal(m)
	var members any
	if err != nil || json.Unmarshal(raw, &members) != nil {
		return ""
	}
	return pretty(members)
}

func fromMessage(m *orderspb.Answer) orders.Answer {
	said := orders.Answer{Operation: m.GetOperation(), Sub: m.Sub, Scope: m.GetScope()}
	for _, o := range m.GetOrders() {
		said.Orders = append(said.Orders, orders.Order{
			ID: o.GetId(), Item: o.GetItem(), Quantity: int(o.GetQuantity()), PlacedBy: o.GetPlacedBy(),
		})
	}
	return said
}
