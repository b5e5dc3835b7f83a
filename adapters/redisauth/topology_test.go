//go:build unix

package redisauth_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/bearward/bearward/adapters/redisauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/revocation"
)

// run starts a redis-server with these arguments, until the test ends.
func run(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("redis-server", args...)
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func write(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	text := der
	if kind != "" {
		text = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRedisOverTLS asks a server that wants a certificate of its clients.
func TestRedisOverTLS(t *testing.T) {
	t.Parallel()
	ca := authtest.NewCA(t)
	server, client, outsider := ca.Certificate("127.0.0.1"), ca.Certificate(), authtest.NewCertificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	run(t, "--bind", "127.0.0.1", "--port", "0", "--tls-port", port, "--save", "", "--dir", t.TempDir(), "--tls-auth-clients", "yes",
		"--tls-cert-file", write(t, "cert.pem", "CERTIFICATE", server.X509().Raw), "--tls-key-file", write(t, "key.pem", "PRIVATE KEY", key),
		"--tls-ca-cert-file", write(t, "ca.pem", "CERTIFICATE", ca.X509().Raw))
	open := func(config *tls.Config) *redisauth.Store {
		s, err := redisauth.New(rueidis.ClientOption{InitAddress: []string{addr}, TLSConfig: config}, &redisauth.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	with := func(c *authtest.Certificate) *tls.Config {
		return &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{c.TLS()}, MinVersion: tls.VersionTLS12}
	}
	s := open(with(client))
	ready(t, s)
	for i, want := range []bool{true, false} {
		if first, err := s.First(bounded(t), "owner", "1", ttl); err != nil || first != want {
			t.Errorf("use %d: %v %v", i+1, first, err)
		}
	}
	entry := revocation.Entry{Issuer: "https://issuer.example", TokenID: "1", Until: time.Now().Add(time.Minute)}
	if err := s.Revoke(bounded(t), entry); err != nil {
		t.Fatal(err)
	}
	p, err := auth.NewPrincipal([]byte(`{"iss":"https://issuer.example","sub":"alice","jti":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	if revoked, err := open(with(client)).Revoked(bounded(t), p); err != nil || !revoked {
		t.Errorf("another replica: revoked %v, %v", revoked, err)
	}
	for name, config := range map[string]*tls.Config{
		"without TLS": nil, "without a certificate": {RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12},
		"with a outsider's certificate": with(outsider), "for a server of another authority": {Certificates: with(client).Certificates, MinVersion: tls.VersionTLS12},
	} {
		if first, err := open(config).First(briefly(t), "owner", name, ttl); err == nil {
			t.Errorf("%s: %v", name, first)
		}
	}
}

// TestSentinelPromotesAReplica asks by way of a Sentinel, which lets a replica take over from a
// server that is killed.
func TestSentinelPromotesAReplica(t *testing.T) {
	t.Parallel()
	primary := startRedis(t)
	_, port, _ := net.SplitHostPort(primary.addr)
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+port)
	replica.until("master_link_status:up", "INFO", "replication")
	sentinel := freeAddr(t)
	_, sentinelPort, _ := net.SplitHostPort(sentinel)
	run(t, write(t, "sentinel.conf", "", fmt.Appendf(nil, "port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor shop 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 3000\n", sentinelPort, t.TempDir(), port)), "--sentinel")
	eventually(t, "the Sentinel knows the replica", func() bool {
		out, err := exec.Command("redis-cli", "-p", sentinelPort, "SENTINEL", "REPLICAS", "shop").CombinedOutput()
		return err == nil && contains(string(out), "flags")
	})

	var stores []*redisauth.Store
	for range 2 {
		s, err := redisauth.New(rueidis.ClientOption{InitAddress: []string{sentinel}, Sentinel: rueidis.SentinelOption{MasterSet: "shop"}}, &redisauth.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		ready(t, s)
		stores = append(stores, s)
	}
	const life = 8 * time.Second
	over := time.Now().Add(life)
	first := func(s *redisauth.Store) (bool, error) { return s.First(briefly(t), "owner", "used", life) }
	if ok, err := stores[0].First(bounded(t), "owner", "used", life); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if ok, err := stores[1].First(bounded(t), "owner", "used", life); err != nil || ok {
		t.Errorf("another replica of the API: %v %v", ok, err)
	}
	primary.kill()
	unavailable := 0
	for time.Now().Before(over.Add(-time.Second)) {
		for i, s := range stores {
			ok, err := first(s)
			if ok {
				t.Errorf("replica %d of the API: a used proof is accepted, %v before it is over", i, time.Until(over))
			}
			if err != nil {
				unavailable++
			}
		}
		<-time.After(50 * time.Millisecond)
	}
	if unavailable == 0 {
		t.Error("there was no failover")
	}
	replica.until("role:master", "INFO", "replication")
	for i, s := range stores {
		eventually(t, fmt.Sprint("replica ", i, " of the API accepts new proofs again"), func() bool {
			ok, err := s.First(briefly(t), "owner", fmt.Sprint("new", i), time.Second)
			return ok && err == nil
		})
	}
}

// The log of refusals says why Redis cannot be asked.
func TestTheLogTellsWhyRedisIsRefused(t *testing.T) {
	t.Parallel()
	store := newStore(t, startRedis(t, "--maxmemory-policy", "allkeys-lru").addr, nil)
	binding, err := dpop.New([]string{origin}, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer, prover := authtest.NewIssuer(t, nil), authtest.NewProver(t, auth.ES256)
	token := issuer.Token("read:orders", prover.Confirmation())
	for want, opts := range map[string]*auth.GuardOptions{
		"the replay store: the server may evict": {Bindings: []auth.Binding{binding}},
		`"detail":"the server may evict`:         {Bindings: []auth.Binding{binding}, Revoked: store.Revoked},
	} {
		var log bytes.Buffer
		opts.OnDecision = auth.LogRefusals(slog.New(slog.NewJSONHandler(&log, nil)))
		h := issuer.Guard(opts).Require("read:orders")(http.NotFoundHandler())
		eventually(t, "the log says "+want, func() bool {
			r, w := httptest.NewRequest("GET", "/orders", nil), httptest.NewRecorder()
			prover.Prove(r, origin, token)
			h.ServeHTTP(w, r)
			return w.Code == http.StatusServiceUnavailable && contains(log.String(), want)
		})
	}
}
