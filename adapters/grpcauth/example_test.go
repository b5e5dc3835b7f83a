package grpcauth_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	auth "github.com/bearward/bearward/middleware"
)

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignatureInvalid}
}

// Unary calls and streams are guarded by one table; what a caller is told stands in the status, its
// details and the trailer.
func ExampleServerOptions() {
	rules := auth.Rules{
		"/grpc.health.v1.Health/Check": auth.Public(),
		"/grpc.health.v1.Health/*":     auth.Scopes("monitor"),
	}
	server := grpc.NewServer(grpcauth.ServerOptions(must(auth.NewGuard(nobody{}, nil)), rules)...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	if err := grpcauth.Check(server, rules); err != nil { // before it serves
		fmt.Println(err)
	}
	conn := inMemory(server)
	defer server.Stop()
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)

	answer, err := client.Check(context.Background(), &healthpb.HealthCheckRequest{})
	fmt.Println(answer.GetStatus(), err)

	var trailer metadata.MD
	_, err = client.List(context.Background(), &healthpb.HealthListRequest{}, grpc.Trailer(&trailer))
	fmt.Println(err)
	fmt.Println(trailer["www-authenticate"])
	for _, detail := range status.Convert(err).Details() {
		fmt.Printf("%T\n", detail)
	}
	// Output:
	// SERVING <nil>
	// rpc error: code = Unauthenticated desc = An access token is required
	// [Bearer realm="api"]
	// *errdetails.ErrorInfo
}

// A stream ends with its token, unless that is switched off by name.
func ExampleOptions_ServerOptions() {
	rules := auth.Rules{"/grpc.health.v1.Health/*": auth.Scopes("monitor")}
	options := grpcauth.Options{AllowExpiredStreams: true}.ServerOptions(must(auth.NewGuard(nobody{}, nil)), rules)
	server := grpc.NewServer(options...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	fmt.Println(grpcauth.Check(server, rules))
	// Output: <nil>
}

// What the rules forgot is found at start, and so is a server that nobody guards.
func ExampleCheck() {
	rules := auth.Rules{"/grpc.health.v1.Health/Check": auth.Public(), "/shop.v1.Orders/*": auth.Scopes("read:orders")}
	server := grpc.NewServer() // without ServerOptions
	healthpb.RegisterHealthServer(server, health.NewServer())
	fmt.Println(grpcauth.Check(server, rules))
	// Output:
	// grpcauth: the server was not given ServerOptions: nothing is guarded
	// grpcauth: no rule for method /grpc.health.v1.Health/List: every call is denied
	// grpcauth: no rule for method /grpc.health.v1.Health/Watch: every call is denied
	// grpcauth: no registered method uses rule "/shop.v1.Orders/*"
}

// For refusals of one's own that look like the guard's.
func ExampleCode() {
	for _, reason := range []auth.Reason{auth.ReasonInvalidRequest, auth.ReasonTokenExpired, auth.ReasonInsufficientScope, auth.ReasonUnavailable} {
		fmt.Println(reason, grpcauth.Code(&auth.Error{Reason: reason}))
	}
	// Output:
	// INVALID_REQUEST InvalidArgument
	// TOKEN_EXPIRED Unauthenticated
	// INSUFFICIENT_SCOPE PermissionDenied
	// UNAVAILABLE Unavailable
}
