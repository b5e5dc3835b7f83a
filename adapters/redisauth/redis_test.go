//go:build unix

package redisauth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
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
)

func TestMain(m *testing.M) {
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CI") != "true" {
		fmt.Println("not run: no redis-server (Debian's package redis-server)")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A redisServer is a redis-server process of the test.
type redisServer struct {
	t    testing.TB
	dir  string
	addr string
	args []string
	cmd  *exec.Cmd
}

// startRedis starts one with these arguments beside the test's own.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // a socket's path has a bound
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{t: t, dir: dir, addr: freeAddr(t), args: args}
	t.Cleanup(func() { r.kill(); _ = os.RemoveAll(dir) })
	r.start()
	return r
}

func freeAddr(t testing.TB) string {
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func (r *redisServer) start() {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.addr)
	r.cmd = exec.Command("redis-server", append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", r.dir, "--save", "", "--repl-diskless-sync-delay", "0"}, r.args...)...)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.until("PONG", "PING")
}

// kill ends the process at once.
func (r *redisServer) kill() {
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	}
}

func (r *redisServer) signal(s syscall.Signal) {
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Error(err)
	}
}

// cli asks the server past any Store.
func (r *redisServer) cli(args ...string) string {
	_, port, _ := net.SplitHostPort(r.addr)
	out, _ := exec.Command("redis-cli", append([]string{"-p", port}, args...)...).CombinedOutput()
	return string(out)
}

// until asks again until the answer holds want.
func (r *redisServer) until(want string, args ...string) {
	r.t.Helper()
	eventually(r.t, fmt.Sprint(args, " answers ", want), func() bool { return contains(r.cli(args...), want) })
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatal("not within 40 s: " + what)
}

// A proxy stands between a Store and its server, and can lose answers.
type proxy struct {
	l    net.Listener
	to   atomic.Pointer[string]
	lose atomic.Bool  // answers
	slow atomic.Int64 // how long each takes, in nanoseconds

	mu    sync.Mutex
	conns []net.Conn
}

func startProxy(t testing.TB, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l}
	p.to.Store(&to)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", *p.to.Load())
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			all.Go(func() { _, _ = io.Copy(out, in); in.Close(); out.Close() })
			all.Go(func() { p.answers(in, out); in.Close(); out.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); p.disconnect(); all.Wait() })
	return p
}

// answers copies what the server says, until answers are lost: then the connection ends.
func (p *proxy) answers(in, out net.Conn) {
	b := make([]byte, 1<<16)
	for {
		n, err := out.Read(b)
		if err != nil || p.lose.Load() {
			return
		}
		if d := p.slow.Load(); d > 0 {
			<-time.After(time.Duration(d))
		}
		if _, err := in.Write(b[:n]); err != nil {
			return
		}
	}
}

// disconnect ends every connection.
func (p *proxy) disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) switchTo(addr string) {
	p.to.Store(&addr)
	p.disconnect()
}

func newStore(t testing.TB, addr string, opts *redisauth.Options) *redisauth.Store {
	t.Helper()
	if opts == nil {
		opts = new(redisauth.Options)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := redisauth.New(rueidis.ClientOption{InitAddress: []string{addr}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ready waits until the Store answers.
func ready(t testing.TB, s *redisauth.Store) {
	t.Helper()
	eventually(t, "the Store answers", func() bool {
		_, err := s.First(briefly(t), "ready", fmt.Sprint(time.Now().UnixNano()), time.Second)
		return err == nil
	})
}

// looked waits until the Store's look at its server was answered, well or not.
func looked(t testing.TB, s *redisauth.Store) {
	t.Helper()
	eventually(t, "the Store looks at its server", func() bool {
		err := s.Check(bounded(t))
		return err == nil || !contains(err.Error(), "has not answered")
	})
}

// bounded is for a question that is answered; it ends a test that hangs.
func bounded(t testing.TB) context.Context { return within(t, 20*time.Second) }

// briefly is for a question that may get no answer.
func briefly(t testing.TB) context.Context { return within(t, 250*time.Millisecond) }

func within(t testing.TB, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
