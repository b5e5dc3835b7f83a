package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/orders"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/examples/internal/promise"
)

// callTimeout bounds one call.
const callTimeout = 10 * time.Second

// endpoint is one server as a client sees it.
type endpoint interface {
	call(ctx context.Context, op operation, tok token) (promise.Outcome, error)
	// target is what a proof for op names (RFC 9449 §4.2: htm and htu).
	target(op operation) (method, uri string)
	// offers tells whether op exists here.
	offers(op operation) bool
}

// operation is one operation of the API, on both transports.
type operation struct {
	method, path string // empty where HTTP has no such thing
	rpc          string
	run          func(context.Context, orderspb.OrdersClient) (*orderspb.Answer, metadata.MD, error)
}

func (op operation) String() string {
	if op.path == "" {
		return op.rpc
	}
	return op.method + " " + op.path
}

// httpEndpoint speaks HTTP.
type httpEndpoint struct {
	base string
	hc   *http.Client
}

func httpClient() *http.Client { return &http.Client{Timeout: callTimeout} }

func (d httpEndpoint) offers(op operation) bool { return op.path != "" }

func (d httpEndpoint) target(op operation) (method, uri string) { return op.method, d.base + op.path }

func (d httpEndpoint) call(ctx context.Context, op operation, tok token) (promise.Outcome, error) {
	req, err := http.NewRequestWithContext(ctx, op.method, d.base+op.path, nil)
	if err != nil {
		return promise.Outcome{}, err
	}
	credentials, err := tok.credentials(d, op)
	if err != nil {
		return promise.Outcome{}, err
	}
	for name, value := range credentials {
		req.Header.Set(name, value)
	}
	resp, err := d.hc.Do(req)
	if err != nil {
		return promise.Outcome{}, err
	}
	defer resp.Body.Close()
	out := promise.Outcome{
		Status:    resp.StatusCode,
		Shown:     strconv.Itoa(resp.StatusCode),
		Challenge: strings.Join(resp.Header.Values("WWW-Authenticate"), "\n"),
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	out.RetryAfter = time.Duration(seconds) * time.Second
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return out, err
	}
	var answer orders.Answer
	if err := json.Unmarshal(body, &answer); err != nil {
		return out, fmt.Errorf("%s: %w", op, err)
	}
	if answer.Sub != nil {
		out.Sub = *answer.Sub
	}
	out.Scope = answer.Scope
	return out, nil
}

// grpcEndpoint speaks gRPC.
type grpcEndpoint struct {
	conn *grpc.ClientConn
}

func dial(addr string) (grpcEndpoint, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return grpcEndpoint{conn}, err
}

func (d grpcEndpoint) offers(op operation) bool { return op.run != nil }

func (d grpcEndpoint) target(op operation) (method, uri string) {
	return http.MethodPost, "http://" + d.conn.Target() + "/" + orderspb.Orders_ServiceDesc.ServiceName + "/" + op.rpc
}

func (d grpcEndpoint) call(ctx context.Context, op operation, tok token) (promise.Outcome, error) {
	credentials, err := tok.credentials(d, op)
	if err != nil {
		return promise.Outcome{}, err
	}
	for name, value := range credentials {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value) // in lower case
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, trailer, err := op.run(ctx, orderspb.NewOrdersClient(d.conn))
	state := status.Convert(err)
	out := promise.Outcome{
		Status:    promise.HTTPStatus(state.Code()),
		Shown:     state.Code().String(),
		Challenge: strings.Join(trailer.Get("www-authenticate"), "\n"),
		Sub:       answer.GetSub(),
		Scope:     answer.GetScope(),
	}
	if out.Status == 0 {
		return out, err
	}
	for _, detail := range state.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			out.RetryAfter = info.GetRetryDelay().AsDuration()
		}
	}
	return out, nil
}
