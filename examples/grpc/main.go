// Grpc protects one method of a gRPC server. Start the quickstart, then this.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"

	"google.golang.org/grpc"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	auth "github.com/bearward/bearward/middleware"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:9000", "who issues the tokens")
	audience := flag.String("audience", "https://orders.example", "this API's name in the tokens")
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	server, guard := newServer(*issuer, *audience)
	orderspb.RegisterOrdersServer(server, service{})
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", *addr)
	context.AfterFunc(ctx, server.GracefulStop)
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
	_ = guard.Close() // the server first, then the guard
}

func newServer(issuer, audience string) (*grpc.Server, *auth.Guard) {
	// region: grpc
	guard, err := auth.New(issuer, audience, nil)
	if err != nil {
		log.Fatal(err)
	}
	rules := auth.Rules{"/bearward.orders.v1.Orders/ListOrders": auth.Scopes("read:orders")}
	server := grpc.NewServer(grpcauth.ServerOptions(guard, rules)...)
	// endregion
	return server, guard
}

type service struct {
	orderspb.UnimplementedOrdersServer
}

func (service) ListOrders(ctx context.Context, _ *orderspb.ListOrdersRequest) (*orderspb.Answer, error) {
	caller, _ := auth.PrincipalFrom(ctx)
	return &orderspb.Answer{Operation: "orders of " + caller.Subject()}, nil
}
