// Connect protects a procedure, for Connect, gRPC and gRPC-Web. Start the quickstart, then this.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"

	"connectrpc.com/connect"

	"github.com/bearward/bearward/adapters/connectauth"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/examples/internal/orders/orderspb/orderspbconnect"
	auth "github.com/bearward/bearward/middleware"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:9000", "who issues the tokens")
	audience := flag.String("audience", "https://orders.example", "this API's name in the tokens")
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	api, guard := newAPI(*issuer, *audience)
	server := &http.Server{Addr: *addr, Handler: api, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // for gRPC without TLS
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	log.Printf("listening on http://%s", *addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	_ = guard.Close() // the server first, then the guard
}

func newAPI(issuer, audience string) (*connectauth.Mux, *auth.Guard) {
	// region: connect
	guard, err := auth.New(issuer, audience, nil)
	if err != nil {
		log.Fatal(err)
	}
	api := connectauth.NewMux(guard, auth.Rules{"/bearward.orders.v1.Orders/ListOrders": auth.Scopes("read:orders")})
	connectauth.Handle[orderspbconnect.OrdersHandler](api, orderspbconnect.NewOrdersHandler, service{})
	// endregion
	return api, guard
}

type service struct {
	orderspbconnect.UnimplementedOrdersHandler
}

func (service) ListOrders(ctx context.Context, _ *connect.Request[orderspb.ListOrdersRequest]) (*connect.Response[orderspb.Answer], error) {
	caller, _ := auth.PrincipalFrom(ctx)
	return connect.NewResponse(&orderspb.Answer{Operation: "orders of " + caller.Subject()}), nil
}
