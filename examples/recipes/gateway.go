package recipes

import (
	"context"
	"net/http"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/examples/recipes/internal/orderspb"
	auth "github.com/bearward/bearward/middleware"
)

// newOrders returns a guarded gRPC server.
func newOrders(guard *auth.Guard, orders orderspb.OrdersServer) *grpc.Server {
	rules := auth.Rules{"/bearward.recipes.v1.Orders/*": auth.Scopes("read:orders")}
	server := grpc.NewServer(grpcauth.ServerOptions(guard, rules)...)
	orderspb.RegisterOrdersServer(server, orders)
	return server
}

// newGateway returns a gateway to the guarded gRPC server at conn.
//
// region: gateway
func newGateway(ctx context.Context, conn *grpc.ClientConn) (http.Handler, error) {
	mux := runtime.NewServeMux(runtime.WithErrorHandler(writeError))
	return mux, orderspb.RegisterOrdersHandler(ctx, mux, conn) // never RegisterOrdersHandlerServer
}

// writeError answers as the gateway does, with the challenge and Retry-After of a guard.
func writeError(ctx context.Context, _ *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	s, h := status.Convert(err), w.Header()
	md, _ := runtime.ServerMetadataFromContext(ctx)
	for _, challenge := range md.TrailerMD.Get("www-authenticate") {
		h.Add("WWW-Authenticate", challenge)
	}
	for _, d := range s.Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			h.Set("Retry-After", strconv.FormatInt(retry.RetryDelay.GetSeconds(), 10))
		}
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", m.ContentType(s.Proto()))
	w.WriteHeader(runtime.HTTPStatusFromCode(s.Code()))
	body, _ := m.Marshal(s.Proto()) // with a proto message it cannot fail
	_, _ = w.Write(body)
}

// endregion

// newGatewayInProcess returns a gateway without a gRPC server, guarded at its HTTP routes.
//
// region: gateway-in-process
func newGatewayInProcess(ctx context.Context, guard *auth.Guard, orders orderspb.OrdersServer) (*httpauth.Mux, error) {
	gateway := runtime.NewServeMux(runtime.WithDisableHTTPMethodOverride(), runtime.WithDisablePathLengthFallback())
	if err := orderspb.RegisterOrdersHandlerServer(ctx, gateway, orders); err != nil {
		return nil, err
	}
	mux := httpauth.NewMux(guard)
	mux.Handle("GET /v1/orders", auth.Scopes("read:orders"), gateway)
	return mux, nil
}

// endregion
