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
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/orders"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
)

// callTimeout bounds one call.
const callTimeout = 10 * time.Second

// outcome is what came back, in HTTP's terms whatever the transport.
type outcome struct {
	status     int
	shown      string // the status as the caller saw it: "401", or "Unauthenticated"
	challenge  string // WWW-Authenticate
	retryAfter time.Duration
	sub        string // "" for an anonymous caller
	scope      string
}

// door is one server as a client sees it.
type door interface {
	call(ctx context.Context, op operation, token string) (outcome, error)
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

// httpDoor speaks HTTP.
type httpDoor struct {
	base string
	hc   *http.Client
}

func httpClient() *http.Client { return &http.Client{Timeout: callTimeout} }

func (d httpDoor) offers(op operation) bool { return op.path != "" }

func (d httpDoor) call(ctx context.Context, op operation, token string) (outcome, error) {
	req, err := http.NewRequestWithContext(ctx, op.method, d.base+op.path, nil)
	if err != nil {
		return outcome{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := d.hc.Do(req)
	if err != nil {
		return outcome{}, err
	}
	defer resp.Body.Close()
	out := outcome{
		status:    resp.StatusCode,
		shown:     strconv.Itoa(resp.StatusCode),
		challenge: strings.Join(resp.Header.Values("WWW-Authenticate"), "\n"),
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	out.retryAfter = time.Duration(seconds) * time.Second
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return out, err
	}
	var answer orders.Answer
	if err := json.Unmarshal(body, &answer); err != nil {
		return out, fmt.Errorf("%s: %w", op, err)
	}
	if answer.Sub != nil {
		out.sub = *answer.Sub
	}
	out.scope = answer.Scope
	return out, nil
}

// grpcDoor speaks gRPC.
type grpcDoor struct {
	conn *grpc.ClientConn
}

func dial(addr string) (grpcDoor, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return grpcDoor{conn}, err
}

func (d grpcDoor) offers(op operation) bool { return op.run != nil }

func (d grpcDoor) call(ctx context.Context, op operation, token string) (outcome, error) {
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, trailer, err := op.run(ctx, orderspb.NewOrdersClient(d.conn))
	state := status.Convert(err)
	out := outcome{
		status:    httpStatus(state.Code()),
		shown:     state.Code().String(),
		challenge: strings.Join(trailer.Get("www-authenticate"), "\n"),
		sub:       answer.GetSub(),
		scope:     answer.GetScope(),
	}
	if out.status == 0 {
		return out, err
	}
	for _, detail := range state.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			out.retryAfter = info.GetRetryDelay().AsDuration()
		}
	}
	return out, nil
}

// httpStatus returns the HTTP status that says the same, and 0 for codes that
// a guard does not use.
func httpStatus(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	}
	return 0
}
