// Gin protects one route of a gin engine. Its defaults fit the quickstart: start that, then this.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	auth "github.com/bearward/bearward/middleware"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:9000", "who issues the tokens")
	audience := flag.String("audience", "https://orders.example", "this API's name in the tokens")
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	engine, guard := newEngine(*issuer, *audience)
	server := &http.Server{Addr: *addr, Handler: engine, ReadHeaderTimeout: 5 * time.Second}
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

func newEngine(issuer, audience string) (*gin.Engine, *auth.Guard) {
	// region: gin
	guard, err := auth.New(issuer, audience, nil)
	if err != nil {
		log.Fatal(err)
	}
	engine := gin.New()
	ginauth.NewRouter(guard, engine).GET("/orders", auth.Scopes("read:orders"), listOrders)
	// endregion
	return engine, guard
}

func listOrders(c *gin.Context) {
	caller, _ := auth.PrincipalFrom(c.Request.Context())
	c.String(http.StatusOK, "orders of %s\n", caller.Subject())
}
