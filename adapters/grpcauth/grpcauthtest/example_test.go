package grpcauthtest_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
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

// A client that is told a nonce takes it up: the second attempt passes.
func ExampleProve() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	nonces, err := dpop.NewNonces(0)
	if err != nil {
		panic(err)
	}
	binding, err := dpop.New([]string{"https://api.example"}, dpop.NewMemory(0), &dpop.Options{Nonces: nonces})
	if err != nil {
		panic(err)
	}
	issuer, client := authtest.NewIssuer(t, nil), authtest.NewProver(t, auth.ES256)
	rules := auth.Rules{"/grpc.health.v1.Health/*": auth.AllOf(auth.Scopes("monitor"), auth.Bound())}
	server := grpc.NewServer(grpcauth.ServerOptions(issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}}), rules)...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	defer server.Stop()
	listener := bufconn.Listen(1 << 16)
	go server.Serve(listener)

	token := issuer.Token("monitor", client.Confirmation())
	conn, err := grpc.NewClient("passthrough:localhost", append(grpcauthtest.Prove(client, "https://api.example", token),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	answer, err := healthpb.NewHealthClient(conn).Check(context.Background(), nil)
	fmt.Println(answer.GetStatus(), err)
	// Output: SERVING <nil>
}
