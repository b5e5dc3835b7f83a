// Issuer is an authorization server for .ci/newcomer: on a free loopback port,
// with one application and one person, who logs in at once. It prints its URL,
// the API's name and an access token with read:orders, and serves until it is
// told to stop.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/client"
)

const audience = "https://orders.example"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	issuer := "http://" + listener.Addr().String()
	as, err := authserver.New(authserver.Config{
		Issuer: issuer, Audiences: []string{audience},
		Scopes: []authserver.Scope{{Name: "read:orders", Meaning: "See the orders"}},
		Users:  []authserver.User{{Name: "alice", Password: "wonderland"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: as, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()

	token, err := logIn(ctx, issuer)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issuer)
	fmt.Println(audience)
	fmt.Println(token)
	<-ctx.Done()
	_ = server.Close()
	_ = as.Close()
}

// logIn registers an application and walks the authorization-code way as alice.
func logIn(ctx context.Context, issuer string) (string, error) {
	md, err := client.Discover(ctx, http.DefaultClient, issuer)
	if err != nil {
		return "", err
	}
	app, err := client.Register(ctx, http.DefaultClient, md, client.Registration{
		Name: "Stranger", RedirectURIs: []string{"http://localhost:9/callback"}, Scope: "read:orders",
	}, audience)
	if err != nil {
		return "", err
	}
	token, err := app.LogIn(ctx, client.Person{Name: "alice", Password: "wonderland"}, "read:orders")
	if err != nil {
		return "", err
	}
	return token.AccessToken, nil
}
