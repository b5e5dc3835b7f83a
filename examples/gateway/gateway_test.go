//go:build unix

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/internal/freeport"
)

// installed skips the test without the programs, but for CI, where that is a fault.
func installed(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := program(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// startRedis starts a redis-server, and returns its URL.
func startRedis(t *testing.T) string {
	t.Helper()
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "yes", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return "redis://" + addr + "/0"
		}
	}
	t.Fatal("redis-server does not listen")
	return ""
}

// Every gateway in front of one gate, and of two replicas that share a Redis.
func TestCheckFindsEveryAnswerAsPromised(t *testing.T) {
	for _, name := range []string{"nginx", "caddy"} {
		for _, shared := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " and Redis"}[shared], func(t *testing.T) {
				installed(t, "python3", name)
				args := []string{"-check", "-gateway", name, "-addr", freeAddr(t), "-recipes", "../recipes"}
				if shared {
					installed(t, "redis-server")
					args = append(args, "-shared", startRedis(t))
				}
				var out, errs bytes.Buffer
				if code := run(t.Context(), args, &out, &errs); code != 0 || strings.Count(out.String(), "✓") < 12 {
					t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
				}
			})
		}
	}
}

// The check fails when a revocation does not reach the gates.
func TestCheckFindsARevocationThatIsNotShared(t *testing.T) {
	installed(t, "python3", "nginx", "redis-server")
	w, err := start(t.Context(), config{gateway: "nginx", addr: freeAddr(t), recipes: "../recipes", shared: startRedis(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	apart, err := (&world{}).newStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.gates[0].store = apart // the revocation is told to it, and the gates go on with their Redis
	var out bytes.Buffer
	if err := w.check(t.Context(), &out); err == nil || !strings.Contains(out.String(), "✗") {
		t.Errorf("a revocation that no gate knows of is as promised: %v\n%s", err, out.String())
	}
}

func TestWrongUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"unexpected argument": {"x"},
		"no loopback address": {"-addr", "0.0.0.0:8080"},
		"neither nginx":       {"-gateway", "apache", "-recipes", "../recipes"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code == 0 || !strings.Contains(errs.String(), want) {
			t.Errorf("%q: exit code %d, %q", args, code, errs.String())
		}
	}
}
