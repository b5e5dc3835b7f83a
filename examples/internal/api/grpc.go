package api

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/examples/internal/orders"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	auth "github.com/bearward/bearward/middleware"
)

// newGRPC registers the orders service, health and reflection under one table
// of rules. Health and reflection are services like any other: without a rule
// they are refused.
func newGRPC(guard *auth.Guard, api *orders.API, cfg Config) (front, auth.Rules, error) {
	healthRule := auth.Public()
	if cfg.GuardHealth {
		healthRule = auth.Scopes("read:orders")
	}
	rules := auth.Rules{
		orderspb.Orders_ListOrders_FullMethodName:     auth.Scopes("read:orders"),
		orderspb.Orders_PlaceOrder_FullMethodName:     auth.Scopes("write:orders"),
		orderspb.Orders_GetStats_FullMethodName:       auth.Scopes("admin:all"),
		orderspb.Orders_WhoAmI_FullMethodName:         auth.AnyToken(),
		orderspb.Orders_Greet_FullMethodName:          auth.Optional(),
		orderspb.Orders_Ping_FullMethodName:           auth.Public(),
		orderspb.Orders_WatchOrders_FullMethodName:    auth.Scopes("read:orders"),
		orderspb.Orders_PlaceOrders_FullMethodName:    auth.Scopes("write:orders"),
		orderspb.Orders_TrackOrders_FullMethodName:    auth.Scopes("read:orders"),
		"/grpc.health.v1.Health/*":                    healthRule,
		"/grpc.reflection.v1.ServerReflection/*":      auth.Public(),
		"/grpc.reflection.v1alpha.ServerReflection/*": auth.Public(),
	}
	options := grpcauth.ServerOptions(guard, rules)
	if cfg.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(cfg.TLS)))
	}
	server := grpc.NewServer(options...)
	orderspb.RegisterOrdersServer(server, orders.NewService(api))
	healthServer := health.NewServer()
	healthpb.RegisterHealthServer(server, healthServer)
	reflection.Register(server)
	if err := grpcauth.Check(server, rules); err != nil {
		return nil, nil, err
	}
	stop := grpcauth.FollowReady(guard, healthServer, orderspb.Orders_ServiceDesc.ServiceName)
	return &grpcFront{server, healthServer, stop}, rules, nil
}

// grpcFront serves gRPC. The health of the orders service follows the guard's
// readiness; the health of "" is that of the process.
type grpcFront struct {
	server *grpc.Server
	health *health.Server
	stop   func() // of following
}

func (f *grpcFront) Serve(l net.Listener) error {
	if err := f.server.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

func (f *grpcFront) Shutdown(ctx context.Context) error {
	f.stop()
	f.health.Shutdown() // tells the watchers
	cut := context.AfterFunc(ctx, f.server.Stop)
	f.server.GracefulStop()
	if !cut() {
		return ctx.Err()
	}
	return nil
}
