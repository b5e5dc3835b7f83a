// Gin protects one route of a gin router, by an adapter that is written here: Bearward has none for
// gin. Its defaults fit the quickstart: start that, then this.
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
	guard, err := auth.New(issuer, audience, nil)
	if err != nil {
		log.Fatal(err)
	}
	r := gin.New()
	r.GET("/orders", enforce(guard, auth.Scopes("read:orders")), listOrders)
	return r, guard
}

// enforce returns a middleware of gin that accepts only requests that meet req.
//
// region: adapter
func enforce(guard *auth.Guard, req auth.Requirement) gin.HandlerFunc {
	if err := guard.CanEnforce(req); err != nil {
		panic(err)
	}
	return func(c *gin.Context) {
		credentials := auth.RequestCredentials(c.Writer, c.Request, c.Request.Method+" "+c.FullPath())
		ctx, err := guard.Authorize(c.Request.Context(), credentials, req)
		if err != nil {
			guard.Refuse(c.Writer, c.Request, err)
			c.Abort()
			return
		}
		c.Request = c.Request.WithContext(ctx)
	}
}

// endregion

func listOrders(c *gin.Context) {
	caller, _ := auth.PrincipalFrom(c.Request.Context())
	c.String(http.StatusOK, "orders of %s\n", caller.Subject())
}
