package api

import (
	"context"
	"errors"
	"net"
	"time"

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
	return newGRPCFront(server, healthServer, guard.Ready), rules, nil
}

// readyEvery is how often the health service looks whether keys are held.
const readyEvery = 200 * time.Millisecond

// grpcFront serves gRPC and keeps the health of the orders service, which is
// its readiness, up to date; the health of "" is that of the process.
type grpcFront struct {
	server *grpc.Server
	health *health.Server
	ready  func() error
	stop   context.CancelFunc
	done   chan struct{}
}

func newGRPCFront(server *grpc.Server, healthServer *health.Server, ready func() error) *grpcFront {
	ctx, stop := context.WithCancel(context.Background())
	f := &grpcFront{server: server, health: healthServer, ready: ready, stop: stop, done: make(chan struct{})}
	f.report()
	go func() {
		defer close(f.done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(readyEvery):
				f.report()
			}
		}
	}()
	return f
}

func (f *grpcFront) report() {
	status := healthpb.HealthCheckResponse_SERVING
	if f.ready() != nil {
		status = healthpb.HealthCheckResponse_NOT_SERVING
	}
	f.health.SetServingStatus(orderspb.Orders_ServiceDesc.ServiceName, status)
}

func (f *grpcFront) Serve(l net.Listener) error {
	if err := f.server.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

func (f *grpcFront) Shutdown(ctx context.Context) error {
	f.stop()
	<-f.done
	f.health.Shutdown() // tells the watchers
	cut := context.AfterFunc(ctx, f.server.Stop)
	f.server.GracefulStop()
	if !cut() {
		return ctx.Err()
	}
	return nil
}
