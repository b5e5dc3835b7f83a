// Stranger is what somebody writes who meets Bearward for the first time: one
// protected chi route, its refusals in the log, and metrics on a listener for
// operators. .ci/newcomer copies it and its test out of the repository, into a
// module of its own, and runs both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

func main() {
	issuer := flag.String("issuer", "", "who issues the tokens")
	audience := flag.String("audience", "", "this API's name in the tokens")
	flag.Parse()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	registry := prometheus.NewRegistry()
	guard, err := newGuard(*issuer, *audience, logger, registry)
	if err != nil {
		log.Fatal(err)
	}
	api := serve(logger, "the API", routes(guard))
	operators := serve(logger, "metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	stop()                                 // a second interrupt does not wait for callers who linger
	_ = api.Shutdown(context.Background()) // the server first, then the guard
	_ = guard.Close()
	_ = operators.Shutdown(context.Background())
}

// newGuard returns a Guard that logs what it refuses, and why keys could not be fetched, and counts
// both.
func newGuard(issuer, audience string, logger *slog.Logger, registry prometheus.Registerer) (*auth.Guard, error) {
	metrics, err := promauth.New(registry, nil)
	if err != nil {
		return nil, err
	}
	guard, err := auth.New(issuer, audience, &auth.GuardOptions{
		OnDecision: auth.Hooks(auth.LogRefusals(logger), metrics.OnDecision),
		Keys:       &jwks.Options{OnRefresh: jwks.Hooks(jwks.LogRefreshes(logger), metrics.OnRefresh)},
	})
	if err != nil {
		return nil, err
	}
	metrics.Watch(guard)
	return guard, nil
}

func routes(guard *auth.Guard) http.Handler {
	r := chi.NewRouter()
	api := chiauth.NewRouter(guard, r)
	api.Get("/orders", auth.Scopes("read:orders"), listOrders)
	api.Get("/readyz", auth.Public(), guard.ReadyHandler().ServeHTTP)
	return r
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.PrincipalFrom(r.Context())
	fmt.Fprintf(w, "orders of %s\n", caller.Subject())
}

// serve serves h on a free loopback port, which it logs.
func serve(logger *slog.Logger, what string, h http.Handler) *http.Server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	logger.Info("serving "+what, "addr", listener.Addr().String())
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	return server
}
