package grpcauthtest_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// exampleT stands in for the *testing.T that a test is given and an example is not.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Log(...any)                        {}
func (t *exampleT) Context() context.Context          { return context.Background() }
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (t *exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *exampleT) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// A server is asked as its attackers would. Somebody let the monitoring watch, and meant the check
// alone.
func ExampleAssertGuarded() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	rules := auth.Rules{
		"/grpc.health.v1.Health/Check": auth.Public(),
		"/grpc.health.v1.Health/*":     auth.Scopes("monitor"), // List, Watch
	}
	served := auth.Rules{
		"/grpc.health.v1.Health/Check": auth.Public(),
		"/grpc.health.v1.Health/*":     auth.AnyToken(), // not what the rules say
	}
	server := grpc.NewServer(grpcauth.ServerOptions(issuer.Guard(nil), served)...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	defer server.Stop()

	grpcauthtest.AssertGuarded(t, issuer, server, rules, nil)
	// Output:
	// /grpc.health.v1.Health/*: RFC 6750 §3.1 (B-25): List, a good token with scopes []: got OK, want PERMISSION_DENIED
	// /grpc.health.v1.Health/*: RFC 6750 §3.1 (B-25): Watch, a good token with scopes []: got OK, want PERMISSION_DENIED
}
