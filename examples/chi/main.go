// Chi protects one route of a chi router. Its defaults fit the quickstart:
// start that, then this.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:9000", "who issues the tokens")
	audience := flag.String("audience", "https://orders.example", "this API's name in the tokens")
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	handler, guard := newHandler(*issuer, *audience)
	server := &http.Server{Addr: *addr, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Printf("listening on http://%s", *addr)
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	<-ctx.Done()
	_ = server.Shutdown(context.Background()) // the server first, then the guard
	_ = guard.Close()
}

func newHandler(issuer, audience string) (http.Handler, *auth.Guard) {
	// region: chi
	guard, err := auth.New(issuer, audience, nil)
	if err != nil {
		log.Fatal(err)
	}
	r := chi.NewRouter()
	chiauth.NewRouter(guard, r).Get("/orders", auth.Scopes("read:orders"), listOrders)
	// endregion
	return r, guard
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.PrincipalFrom(r.Context())
	fmt.Fprintf(w, "orders of %s\n", caller.Subject())
}
