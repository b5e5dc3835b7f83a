package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestCheckFindsEveryAnswerAsPromised(t *testing.T) {
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"-check"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, errs.String(), out.String())
	}
	for _, want := range []string{"503 ok", "401 ok", "403 ok", "200 ok", "as promised."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, out.String())
		}
	}
}

func TestUsageErrorsExitWith2(t *testing.T) {
	for _, args := range [][]string{
		{"-nonsense"}, {"argument"}, {"-port", "0"}, {"-port", "65535"}, {"-check", "-token", "read:orders"}, {"-token", "read:oders"},
	} {
		var errs strings.Builder
		if code := run(t.Context(), args, &errs, &errs); code != exitUsage || errs.Len() == 0 {
			t.Errorf("%v: exit code %d, %q; want 2 and a message", args, code, errs.String())
		}
	}
}

// freePorts finds a run of free ports for a quickstart that stays up: below those that the system
// hands out, and not where another run of these tests looks first.
func freePorts(t *testing.T) ports {
	t.Helper()
	for range 1000 {
		first := 20_000 + 12*rand.IntN(1000)
		if _, taken := handedOut.LoadOrStore(first, true); !taken && allFree(first) {
			return ports{first}
		}
	}
	t.Fatal("no run of free ports")
	return ports{}
}

// handedOut are the first ports of the runs that tests of this process have got: some run in
// parallel.
var handedOut sync.Map

func allFree(first int) bool {
	for i := range lastPort + 1 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

func TestStaysUpAndHandsOutTokens(t *testing.T) {
	for name, secure := range map[string]bool{"in clear": false, "with TLS": true} {
		t.Run(name, func(t *testing.T) { stayUp(t, secure) })
	}
}

func stayUp(t *testing.T, secure bool) {
	p := freePorts(t)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	args := []string{"-port", fmt.Sprint(p.first), "-ca-file", caFile, fmt.Sprintf("-tls=%t", secure)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	var out, errs strings.Builder // read when it has ended
	go func() { ended <- run(ctx, args, &out, &errs) }()

	var printed, none strings.Builder
	if err := until(t.Context(), func() error {
		printed.Reset()
		if code := run(t.Context(), append(args, "-token", "read:orders"), &printed, &none); code != 0 {
			return fmt.Errorf("-token: exit code %d: %s", code, none.String())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	raw := strings.TrimSpace(printed.String())
	l := link{}
	if secure {
		var err error
		if l, err = trust(caFile); err != nil {
			t.Fatal(err)
		}
	}
	endpoint := httpEndpoint{base: l.scheme() + p.api(0), hc: &http.Client{Transport: l.transport()}}
	if err := until(t.Context(), func() error {
		out, err := endpoint.call(t.Context(), list, token{raw: raw})
		if err == nil && out.Status != 200 {
			err = fmt.Errorf("status %d", out.Status)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	var second strings.Builder
	if code := run(t.Context(), args, &second, &second); code != exitFailed || !strings.Contains(second.String(), "taken") {
		t.Errorf("a second one on the same ports: exit code %d, %q", code, second.String())
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d after the stop: %s", code, errs.String())
	}
	if strings.Contains(errs.String()+out.String(), raw) {
		t.Error("the token is in the log")
	}
	if !strings.Contains(out.String(), l.scheme()+p.api(0)+"/orders") {
		t.Errorf("no curl line:\n%s", out.String())
	}
}
