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

	"github.com/redis/rueidis"

	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/internal/freeport"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/revocation"
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
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
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
		var accepted, late atomic.Int32
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				switch replicas[i%2].send("DPoP "+bound, used).StatusCode {
				case http.StatusOK:
					accepted.Add(1)
				case http.StatusServiceUnavailable: // a loaded machine: Redis had counted it, and its answer came late
					late.Add(1)
				}
			})
		}
		all.Wait()
		if n := accepted.Load(); n > 1 || n == 0 && late.Load() == 0 {
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

// Under the profile replicas ask the Redis that they share which tokens are revoked.
func TestReplicasShareRevocations(t *testing.T) {
	url, redis := startRedis(t)
	const origin = "https://api.example"
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true, Algorithm: auth.ES256})
	client := authtest.NewProver(t, auth.ES256)
	var replicas []*running
	for range 2 {
		replicas = append(replicas, start(t, issuer, "-profile", "fapi2", "-dpop", "require", "-dpop-origin", origin, "-shared", url))
	}
	option, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := redisauth.New(option, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close()
	token := func(id string) string {
		return issuer.Token("read:orders", client.Confirmation(), authtest.Claims{"jti": id})
	}
	stolen, good := token("stolen"), token("good")
	once := func(r *running, token string) *http.Response {
		return r.send("DPoP "+token, client.Proof("GET", origin+"/orders", token))
	}
	ask := func(r *running, token string) (resp *http.Response) { // until it is judged: a loaded machine may be late
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if resp = once(r, token); resp.StatusCode != http.StatusServiceUnavailable {
				break
			}
		}
		return resp
	}
	for _, r := range replicas {
		r.want("before", ask(r, stolen), 200, "")
	}
	err = operator.Revoke(t.Context(), revocation.Entry{Issuer: issuer.URL, TokenID: "stolen", Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		r.want("revoked", ask(r, stolen), 401, `DPoP realm="api", error="invalid_token"`)
		r.want("another", ask(r, good), 200, "")
	}
	if err := redis.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		r.want("Redis hangs", once(r, good), 503, "")
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
