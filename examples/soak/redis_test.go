//go:build unix

package soak_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/internal/freeport"
)

// A redisServer is a real redis-server with an append-only file, which is restarted.
type redisServer struct {
	t       *testing.T
	port    string
	dir     string
	cmd     *exec.Cmd
	trouble spans // it is away
	paused  spans // it stands still
	slow    spans // it answers late
	events  *events

	mu sync.Mutex // one thing happens to it at a time, so that spans do not overlap
}

// away is how long the server may take to start: a loaded machine gives it little.
const away = time.Minute

func startRedis(t *testing.T, happened *events) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no redis-server; Debian's package redis-server has it")
	}
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	r := &redisServer{t: t, port: port, dir: t.TempDir(), events: happened}
	r.start()
	t.Cleanup(func() { _ = r.cmd.Process.Kill(); _ = r.cmd.Wait() })
	return r
}

func (r *redisServer) start() {
	r.cmd = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", r.port, "--save", "", "--appendonly", "yes",
		"--auto-aof-rewrite-min-size", "4mb", "--dir", r.dir)
	if err := r.cmd.Start(); err != nil {
		r.t.Error(err)
	}
}

// restart stops it in good order, and starts it again.
func (r *redisServer) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble.begin()
	defer r.trouble.end()
	r.events.add("restarts of Redis")
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait()
	r.start()
	for deadline := time.Now().Add(away); time.Now().Before(deadline); {
		if r.serves() {
			return
		}
		time.Sleep(10 * time.Millisecond) // polls
	}
	r.t.Error("redis-server did not start again")
}

// serves reports whether it has loaded its data.
func (r *redisServer) serves() bool {
	conn, err := net.Dial("tcp", "127.0.0.1:"+r.port)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, err = io.WriteString(conn, "PING\r\n")
	said := make([]byte, 5)
	if err == nil {
		_, err = io.ReadFull(conn, said)
	}
	return err == nil && string(said) == "+PONG"
}

// hang stops it for a time without an answer.
func (r *redisServer) hang(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused.begin()
	defer r.paused.end()
	r.events.add("pauses of Redis")
	_ = r.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(d) // real: the server stands still
	_ = r.cmd.Process.Signal(syscall.SIGCONT)
}

// watch notes when the server is slower than a busy one: a loaded machine may stop it, too. It asks
// over a connection of its own, until ctx ends.
func (r *redisServer) watch(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", "127.0.0.1:"+r.port)
		if err != nil {
			time.Sleep(20 * time.Millisecond) // it is restarted, and that is noted
			continue
		}
		for ctx.Err() == nil && r.ping(conn) {
			time.Sleep(10 * time.Millisecond) // polls
		}
		_ = conn.Close()
	}
}

// ping asks the server for a sign of life.
func (r *redisServer) ping(conn net.Conn) bool {
	noted := make(chan bool, 1)
	slow := time.AfterFunc(slowly, func() { r.slow.begin(); noted <- true })
	_, err := conn.Write([]byte("PING\r\n"))
	if err == nil {
		_, err = conn.Read(make([]byte, 16))
	}
	if !slow.Stop() {
		<-noted
		r.slow.end()
	}
	return err == nil
}

// stalls notes when this process gets no processor, until ctx ends.
func (w *world) stalls(ctx context.Context) {
	for last := time.Now(); ctx.Err() == nil; last = time.Now() {
		time.Sleep(10 * time.Millisecond)
		if time.Since(last) > slowly {
			w.stalled.add(last, time.Now())
		}
	}
}

func (r *redisServer) store(logger *slog.Logger) *redisauth.Store {
	store, err := redisauth.New(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + r.port}}, &redisauth.Options{Logger: logger})
	if err != nil {
		r.t.Fatal(err)
	}
	return store
}
