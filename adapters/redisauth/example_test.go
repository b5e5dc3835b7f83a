//go:build unix

package redisauth_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/redis/rueidis"

	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/internal/freeport"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/revocation"
)

// Two replicas share one Redis: what one of them accepted or revoked, the other refuses.
func ExampleNew() {
	redis, stop := exampleRedis()
	defer stop()
	ctx := context.Background()

	var stores [2]*redisauth.Store
	for i := range stores {
		store, err := redisauth.New(rueidis.ClientOption{InitAddress: []string{redis}}, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer store.Close()
		if err := store.Check(ctx); err != nil {
			log.Fatal(err)
		}
		binding, err := dpop.New([]string{"https://api.example.com"}, store, nil)
		if err != nil {
			log.Fatal(err)
		}
		_ = auth.GuardOptions{Bindings: []auth.Binding{binding}, Revoked: store.Revoked}
		stores[i] = store
	}

	// A Binding asks First, and a Guard Revoked.
	for _, store := range stores {
		first, err := store.First(ctx, "an owner", "a proof", time.Minute)
		fmt.Println("first:", first, err)
	}
	err := stores[0].Revoke(ctx, revocation.Entry{
		Issuer: "https://issuer.example", TokenID: "token-1", Until: time.Now().Add(time.Hour),
	})
	if err != nil {
		log.Fatal(err)
	}
	p, err := auth.NewPrincipal([]byte(`{"iss": "https://issuer.example", "sub": "alice", "jti": "token-1"}`))
	if err != nil {
		log.Fatal(err)
	}
	revoked, err := stores[1].Revoked(ctx, p)
	fmt.Println("revoked:", revoked, err)
	// Output:
	// first: true <nil>
	// first: false <nil>
	// revoked: true <nil>
}

// exampleRedis starts a redis-server, and returns its address.
func exampleRedis() (addr string, stop func()) {
	addr, err := freeport.Address()
	if err != nil {
		log.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "yes", "--dir", dir)
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	for range 200 {
		if out, _ := exec.Command("redis-cli", "-p", port, "PING").Output(); contains(string(out), "PONG") {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	return "127.0.0.1:" + port, func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = os.RemoveAll(dir) }
}
