//go:build unix

package redisauth_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/revocation"
)

// A caller may choose how long his proof is still good: one that is nearly over does not end the
// time for which the ones after it are counted.
func TestAnOwnersShareDoesNotBeginAgain(t *testing.T) {
	t.Parallel()
	const maxmemory = 4 << 20
	s := newStore(t, startRedis(t, "--maxmemory", fmt.Sprint(maxmemory)).addr, nil)
	ready(t, s)
	kept := 0
	for round := range 6 {
		for i := range maxmemory / 200 {
			left := time.Minute
			if i == 0 {
				left = time.Second
			}
			first, err := s.First(bounded(t), "greedy", fmt.Sprint(round, "/", i), left)
			if errors.Is(err, dpop.ErrOwnerFull) {
				break
			}
			if err != nil || !first {
				t.Fatal(round, i, first, err)
			}
			kept++
		}
		<-time.After(1100 * time.Millisecond)
	}
	if kept > maxmemory/200/4 {
		t.Errorf("one owner holds %d", kept)
	}
}

// What is left of a proof says nothing of those that were lost: a Store that has just begun learns
// from the others for how long they are good.
func TestANewStoreKnowsHowLongProofsAreGood(t *testing.T) {
	t.Parallel()
	r := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	old := newStore(t, r.addr, nil)
	ready(t, old)
	if first, err := old.First(bounded(t), "o", "proof", time.Minute); !first || err != nil {
		t.Fatal(first, err)
	}
	if err := old.Check(t.Context()); err != nil { // a look
		t.Fatal(err)
	}
	old.Close()
	r.kill()
	r.start()
	r.cli("DEL", "bw:pproof") // as an append-only file that lost its last second
	began := newStore(t, r.addr, nil)
	if err := began.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-time.After(1500 * time.Millisecond)
	if first, err := began.First(bounded(t), "o", "proof", time.Second); err == nil || !contains(err.Error(), "may have forgotten proofs") {
		t.Errorf("a proof that was lost: %v %v", first, err)
	}
}

// endingConnections starts a server that calls each with a connection, and closes it then. end
// ends the server.
func endingConnections(t *testing.T, each func(net.Conn)) (addr string, end func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			each(c)
			c.Close()
		}
	})
	return l.Addr().String(), func() {
		l.Close()
		all.Wait()
	}
}

// What ends connections, such as a server that wants another password or has no room for clients,
// is asked once a second.
func TestAServerThatEndsConnectionsIsNotAskedAllTheTime(t *testing.T) {
	t.Parallel()
	var dials atomic.Int64
	addr, end := endingConnections(t, func(net.Conn) { dials.Add(1) })
	newStore(t, addr, nil)
	<-time.After(2500 * time.Millisecond)
	end()
	if n := dials.Load(); n < 1 || n > 10 {
		t.Errorf("%d connections in 2.5 s", n)
	}
}

// Many revocations are written again to a server far away: until all of them are, every request is
// answered with 503.
func TestManyRevocationsAreWrittenAgain(t *testing.T) {
	t.Parallel()
	const writers, each = 200, 30
	r := startRedis(t)
	far := startProxy(t, r.addr)
	s := newStore(t, far.l.Addr().String(), nil)
	ready(t, s)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				e := revocation.Entry{Issuer: "i", TokenID: fmt.Sprint(w, "/", i), Until: time.Now().Add(time.Hour)}
				if err := s.Revoke(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	far.slow.Store(int64(10 * time.Millisecond)) // one after another: 60 s
	r.kill()
	r.start()
	began := time.Now()
	eventually(t, "the Store answers", func() bool { _, err := s.Revoked(briefly(t), principal(t, "0/0")); return err == nil })
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("after %v", took)
	}
	for _, id := range []string{"0/0", "199/29"} {
		if revoked, err := s.Revoked(bounded(t), principal(t, id)); !revoked || err != nil {
			t.Errorf("token %s: %v %v", id, revoked, err)
		}
	}
}

// Who comes while Redis does not answer for a moment waits for it, however many they are.
func TestABurstWaitsForRedis(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := newStore(t, r.addr, nil)
	ready(t, s)
	r.cli("CLIENT", "PAUSE", "200", "ALL")
	var refused atomic.Int64
	var all sync.WaitGroup
	for i := range 3000 {
		all.Go(func() {
			if first, err := s.First(t.Context(), "o", fmt.Sprint(i), time.Minute); !first || err != nil {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if n := refused.Load(); n > 0 {
		t.Errorf("%d of 3,000 got no answer", n)
	}
}

// A server without room refuses proofs, and still tells what is revoked.
func TestAFullServerTellsWhatIsRevoked(t *testing.T) {
	t.Parallel()
	r := startRedis(t, "--appendonly", "yes")
	s := newStore(t, r.addr, nil)
	ready(t, s)
	if err := s.Revoke(bounded(t), revocation.Entry{Issuer: "i", TokenID: "1", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	r.cli("CONFIG", "SET", "maxmemory", "1")
	if _, err := s.First(bounded(t), "o", "x", time.Minute); !errors.Is(err, dpop.ErrFull) {
		t.Errorf("a proof: %v", err)
	}
	if err := s.Check(t.Context()); err != nil { // a look
		t.Errorf("the look: %v", err)
	}
	if revoked, err := s.Revoked(bounded(t), principal(t, "1")); !revoked || err != nil {
		t.Errorf("got %v %v", revoked, err)
	}
}

// A server whose clock was ahead when it began, and was set right since, is waited for as long as
// any other.
func TestAServerWhoseClockWasAhead(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	_, after, _ := strings.Cut(r.cli("INFO", "server"), "run_id:")
	run, _, _ := strings.Cut(after, "\r")
	r.cli("SET", "bw:epoch", fmt.Sprint("data ", run, " ", time.Now().Add(time.Hour).UnixMilli()))
	s := newStore(t, r.addr, nil)
	began := time.Now()
	ready(t, s)
	if took := time.Since(began); took < 500*time.Millisecond || took > 10*time.Second {
		t.Errorf("answers after %v, want about a second", took)
	}
}

// The same fault is told once, although the text of each has the port of another connection.
func TestAServerThatResetsConnectionsIsToldOnce(t *testing.T) {
	t.Parallel()
	// what is left unread makes Close a reset
	addr, end := endingConnections(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	var logged safeBuffer
	newStore(t, addr, &redisauth.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	<-time.After(3500 * time.Millisecond)
	end()
	if n := strings.Count(logged.String(), "connection reset by peer"); n != 1 {
		t.Errorf("told %d times:\n%s", n, logged.String())
	}
}
