package main

import (
	"context"
	"net"

	"github.com/golang-jwt/jwt/v5"
	grpcmw "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
)

// loopbackGRPC measures unary calls to a real gRPC server, one after the other.
func loopbackGRPC(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	warmV, err := s.verifier(0)
	if err != nil {
		return err
	}
	coldV, err := s.verifier(off)
	if err != nil {
		return err
	}
	keys, err := peers.Keyfunc(s.key)
	if err != nil {
		return err
	}
	rules := auth.Rules{"/grpc.health.v1.Health/Check": auth.Scopes("read:orders"), "/grpc.health.v1.Health/*": auth.Scopes("read:orders")}
	var cs []*measure.Contestant
	for _, server := range []struct {
		name string
		opts []grpc.ServerOption
	}{
		{"without auth", nil},
		{"an interceptor that does nothing", []grpc.ServerOption{grpc.ChainUnaryInterceptor(passOn)}},
		{"**Bearward**, remembered", grpcauth.ServerOptions(must(auth.NewGuard(warmV, nil)), rules)},
		{"**Bearward**, no token cache", grpcauth.ServerOptions(must(auth.NewGuard(coldV, nil)), rules)},
		{"go-grpc-middleware + golang-jwt", []grpc.ServerOption{grpc.UnaryInterceptor(grpcmw.UnaryServerInterceptor(authFunc(keys)))}},
	} {
		call, stop, err := callTo(ctx, s.token, server.opts)
		if err != nil {
			return err
		}
		defer stop()
		cs = append(cs, measure.Of(server.name, call))
	}
	if err := measure.Race(p.rounds, 4*p.slice, cs...); err != nil {
		return err
	}
	r.atMost("grpc", "loopback gRPC unary: warm / without auth", 1.05, cs[2].Over(cs[0]))
	r.compare("Loopback gRPC, unary", "One call after the other over one connection; allocations are both sides'.", cs[0], cs,
		map[string]string{"go-grpc-middleware + golang-jwt": "scopes"})
	return nil
}

// passOn is what gRPC itself takes for having an interceptor.
func passOn(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	return handler(ctx, req)
}

// callTo starts a server with opts and returns a call to it that carries the token.
func callTo(ctx context.Context, token string, opts []grpc.ServerOption) (call func() error, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := grpc.NewServer(opts...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(listener) }() // ends with Stop
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		server.Stop()
		return nil, nil, err
	}
	client := healthpb.NewHealthClient(conn)
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	return func() error {
			_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
			return err
		}, func() {
			_ = conn.Close()
			server.Stop()
		}, nil
}

// authFunc is the function that a user of go-grpc-middleware brings.
func authFunc(keys jwt.Keyfunc) grpcmw.AuthFunc {
	parser := jwt.NewParser(jwt.WithIssuer(tokens.Issuer), jwt.WithAudience(tokens.Audience), jwt.WithExpirationRequired(),
		jwt.WithValidMethods([]string{"RS256"}))
	return func(ctx context.Context) (context.Context, error) {
		token, err := grpcmw.AuthFromMD(ctx, "bearer")
		if err != nil {
			return nil, err
		}
		_, err = parser.ParseWithClaims(token, jwt.MapClaims{}, keys)
		return ctx, err
	}
}
