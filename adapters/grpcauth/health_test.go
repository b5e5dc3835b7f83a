package grpcauth_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bearward/bearward/adapters/grpcauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestHealthFollowsTheKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		issuer.Fail(503)
		server := health.NewServer()
		stop := grpcauth.FollowReady(issuer.Guard(nil), server, "", "orders")
		check := func(want healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			for _, service := range []string{"", "orders"} {
				got, err := server.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
				if err != nil || got.Status != want {
					t.Errorf("%q: %v, %v, want %v", service, got, err, want)
				}
			}
		}
		check(healthpb.HealthCheckResponse_NOT_SERVING)
		issuer.Recover()
		time.Sleep(10 * time.Second)
		check(healthpb.HealthCheckResponse_SERVING)
		issuer.Fail(503)
		time.Sleep(time.Hour) // the keys held are used for a day
		check(healthpb.HealthCheckResponse_SERVING)
		time.Sleep(24 * time.Hour)
		check(healthpb.HealthCheckResponse_NOT_SERVING)
		stop()
		stop()
		issuer.Recover()
		time.Sleep(time.Hour)
		check(healthpb.HealthCheckResponse_NOT_SERVING) // nobody follows any more
	})
}

func TestFollowReadyMisconfigured(t *testing.T) {
	for name, f := range map[string]func(){
		"no guard":  func() { grpcauth.FollowReady(nil, health.NewServer()) },
		"no server": func() { grpcauth.FollowReady(authtest.NewIssuer(t, nil).Guard(nil), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// The standard health service is open to everybody, and says SERVING while tokens can be verified.
func ExampleFollowReady() {
	guard, err := auth.New("https://issuer.example", "https://api.example", nil)
	if err != nil {
		panic(err)
	}
	defer guard.Close()
	rules := auth.Rules{"/grpc.health.v1.Health/*": auth.Public()}
	server := grpc.NewServer(grpcauth.ServerOptions(guard, rules)...)
	status := health.NewServer()
	healthpb.RegisterHealthServer(server, status)
	defer grpcauth.FollowReady(guard, status)()

	answer, err := status.Check(context.Background(), &healthpb.HealthCheckRequest{})
	fmt.Println(answer.GetStatus(), err)
	// Output: NOT_SERVING <nil>
}
