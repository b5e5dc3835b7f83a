//go:build unix

package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// startRedis starts a redis-server, and returns its URL and its process.
func startRedis(t *testing.T) (url string, redis *os.Process) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no redis-server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return "redis://127.0.0.1:" + port + "/0", cmd.Process
}

// Two replicas that share a Redis accept each proof once; without it they accept none, and go on
// with plain tokens.
func TestReplicasShareUsedProofs(t *testing.T) {
	url, redis := startRedis(t)
	const origin = "https://api.example"
	issuer, client := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewProver(t, auth.ES256)
	var replicas []*running
	for range 2 {
		replicas = append(replicas, start(t, issuer, "-dpop", "allow", "-dpop-origin", origin, "-shared", url))
	}
	bound, plain := issuer.Token("read:orders", client.Confirmation()), issuer.Token("read:orders")
	proof := func() string { return client.Proof("GET", origin+"/orders", bound) }
	for _, r := range replicas {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if r.send("DPoP "+bound, proof()).StatusCode == http.StatusOK {
				break
			}
		}
	}
	for range 3 {
		used := proof()
		var accepted atomic.Int32
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if replicas[i%2].send("DPoP "+bound, used).StatusCode == http.StatusOK {
					accepted.Add(1)
				}
			})
		}
		all.Wait()
		if n := accepted.Load(); n != 1 {
			t.Errorf("20 uses of a proof over two replicas: %d were accepted", n)
		}
	}
	if err := redis.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		hung := r.send("DPoP "+bound, proof())
		r.want("Redis hangs", hung, 503, "")
		if hung.Header.Get("Retry-After") == "" || hung.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("Redis hangs: %v", hung.Header)
		}
		r.want("a plain token while Redis hangs", r.send("Bearer "+plain), 200, "")
	}
}

func TestSharedNeedsAURLOfRedis(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:1", "redis://127.0.0.1:1/x", "://"} {
		var said bytes.Buffer
		if code := run(t.Context(), []string{"-issuer", "https://issuer.example", "-audience", "a", "-shared", url}, &said); code != exitUsage || !bytes.Contains(said.Bytes(), []byte("-shared")) {
			t.Errorf("%s: exit %d, %s", url, code, said.String())
		}
	}
}
