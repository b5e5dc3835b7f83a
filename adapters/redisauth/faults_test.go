//go:build unix

package redisauth_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/redisauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

const origin = "https://api.example"

// An estate is one API in two replicas, each with a Store of its own, and the ledger of what was
// sent to them.
type estate struct {
	t        *testing.T
	redis    *redisServer
	proxy    *proxy
	prover   *authtest.Prover
	token    string
	replicas []*httptest.Server
	stores   []*redisauth.Store

	mu     sync.Mutex
	ledger []record
}

// A record is one use of a proof.
type record struct {
	proof  string
	status int // 0: it has not been answered
	reason auth.Reason
}

// newEstate serves two replicas. Proofs are good for 5 s, so a Store is asked for about 10 s;
// where loss is allowed they last as long as the test looks for it.
func newEstate(t *testing.T, redis *redisServer, opts redisauth.Options, timeout time.Duration) *estate {
	t.Helper()
	e := &estate{t: t, redis: redis, prover: authtest.NewProver(t, auth.ES256)}
	e.proxy = startProxy(t, redis.addr)
	issuer := authtest.NewIssuer(t, nil)
	e.token = issuer.Token("read:orders", e.prover.Confirmation())
	maxAge := 5 * time.Second
	if opts.AllowLossOnRestart {
		maxAge = time.Minute
	}
	for range 2 {
		o := opts
		store := newStore(t, e.proxy.l.Addr().String(), &o)
		binding, err := dpop.New([]string{origin}, store, &dpop.Options{MaxAge: maxAge, Leeway: -1, ReplayTimeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		guard := issuer.Guard(&auth.GuardOptions{
			Bindings:   []auth.Binding{binding},
			OnDecision: func(ctx context.Context, d auth.Decision) { *ctx.Value(reasonKey{}).(*auth.Reason) = reasonOf(d.Err) },
		})
		h := guard.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "orders") }))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var reason auth.Reason
			w.Header().Set("Trailer", "Reason")
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), reasonKey{}, &reason)))
			w.Header().Set("Reason", string(reason))
		}))
		t.Cleanup(server.Close)
		e.replicas, e.stores = append(e.replicas, server), append(e.stores, store)
	}
	return e
}

type reasonKey struct{}

func reasonOf(err *auth.Error) auth.Reason {
	if err == nil {
		return ""
	}
	return err.Reason
}

func (e *estate) proof() string { return e.prover.Proof("GET", origin+"/orders", e.token) }

// send uses a proof at a replica, and writes it into the ledger.
func (e *estate) send(replica int, proof string) record {
	e.t.Helper()
	r, _ := http.NewRequestWithContext(e.t.Context(), "GET", e.replicas[replica].URL+"/orders", nil)
	r.Header.Set("Authorization", "DPoP "+e.token)
	r.Header.Set("DPoP", proof)
	answer, err := e.replicas[replica].Client().Do(r)
	if err != nil {
		e.t.Error(err)
		return record{proof: proof}
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	rec := record{proof, answer.StatusCode, auth.Reason(answer.Trailer.Get("Reason"))}
	e.mu.Lock()
	e.ledger = append(e.ledger, rec)
	e.mu.Unlock()
	return rec
}

// want sends a new proof to each replica, which answers with status.
func (e *estate) want(when string, status int) (sent []string) {
	e.t.Helper()
	for i := range e.replicas {
		proof := e.proof()
		if rec := e.send(i, proof); rec.status != status {
			e.t.Errorf("%s, replica %d: %d %s, want %d", when, i, rec.status, rec.reason, status)
		}
		sent = append(sent, proof)
	}
	return sent
}

// before waits until both replicas are connected, and sends a new proof to each.
func (e *estate) before() []string {
	e.t.Helper()
	for _, s := range e.stores {
		ready(e.t, s)
	}
	return e.want("before", 200)
}

// recovered waits until both replicas accept new proofs.
func (e *estate) recovered() {
	e.t.Helper()
	for i := range e.replicas {
		eventually(e.t, "new proofs are accepted again", func() bool { return e.send(i, e.proof()).status == 200 })
	}
}

// audit compares the ledger: no proof was accepted twice but those that were lost, and none
// was called a replay that no replica had taken. It returns how many were accepted twice.
func (e *estate) audit(lost int) {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	accepted, replayed, unavailable := make(map[string]int), make(map[string]int), make(map[string]int)
	for _, r := range e.ledger {
		switch {
		case r.status == 200:
			accepted[r.proof]++
		case r.status == 503:
			unavailable[r.proof]++
		case r.status == 401 && r.reason == auth.ReasonProofReplayed:
			replayed[r.proof]++
		case r.reason != auth.ReasonProofExpired:
			e.t.Errorf("status %d %s", r.status, r.reason)
		}
	}
	for proof := range replayed {
		if accepted[proof] == 0 && unavailable[proof] == 0 {
			e.t.Error("a proof is called a replay that was never taken")
		}
	}
	twice := 0
	for _, n := range accepted {
		if n > 1 {
			twice++
		}
	}
	if twice != lost {
		e.t.Errorf("%d of %d proofs were accepted twice, want %d", twice, len(accepted), lost)
	}
}

// TestRedisFaults makes each fault happen to a redis-server, with two replicas in front of it.
func TestRedisFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		redis []string
		opts  redisauth.Options
		fault func(*estate)
		lost  int // proofs that are accepted twice
	}{
		{name: "frozen", fault: func(e *estate) {
			used := e.before()
			e.redis.signal(syscall.SIGSTOP)
			e.want("frozen", 503)
			e.redis.signal(syscall.SIGCONT)
			e.recovered()
			e.again(used)
		}},
		{name: "killed, and back with its append-only file", redis: []string{"--appendonly", "yes", "--appendfsync", "always"}, fault: func(e *estate) {
			used := e.before()
			e.redis.kill()
			e.want("down", 503)
			e.redis.start()
			e.again(used)
			e.want("what it lost is not known", 503)
			e.recovered()
		}},
		{name: "killed, and back empty", fault: func(e *estate) {
			used := e.before()
			e.redis.kill()
			e.redis.start()
			e.again(used)
			e.recovered()
			e.again(used)
		}},
		{name: "killed, and back empty, with loss allowed", opts: redisauth.Options{AllowLossOnRestart: true}, lost: 1, fault: func(e *estate) {
			e.before()
			used := e.proof()
			e.send(0, used)
			e.redis.kill()
			e.redis.start()
			eventually(e.t, "the replica answers", func() bool { return e.send(1, used).status == 200 })
			e.again([]string{used})
		}},
		{name: "emptied", fault: func(e *estate) {
			used := e.before()
			e.redis.cli("FLUSHALL")
			e.again(used)
			e.want("what it lost is not known", 503)
			e.recovered()
		}},
		{name: "lost answers", fault: func(e *estate) {
			e.before()
			e.proxy.lose.Store(true)
			used := e.want("lost", 503)
			e.proxy.lose.Store(false)
			e.recovered()
			e.again(used)
		}},
		{name: "full", redis: []string{"--maxmemory", "3mb"}, fault: func(e *estate) {
			used := e.before()
			e.redis.cli("EVAL", "for i=1,100000 do redis.call('SET', 'fill'..i, string.rep('x', 100)) end", "0")
			e.want("full", 503)
			e.again(used)
			e.redis.cli("CONFIG", "SET", "maxmemory", "0")
			e.recovered()
		}},
		{name: "evicting", redis: []string{"--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"}, fault: func(e *estate) {
			e.want("evicting", 503)
			e.redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
			e.recovered()
		}},
		{name: "a replica", fault: func(e *estate) {
			used := e.before()
			e.redis.cli("REPLICAOF", "127.0.0.1", "1")
			e.want("a replica", 503)
			e.again(used)
			e.redis.cli("REPLICAOF", "NO", "ONE")
			e.recovered()
		}},
		{name: "a promoted replica without the last writes", fault: func(e *estate) { e.again(e.failOver()) }},
		{name: "a promoted replica without the last writes, with loss allowed", opts: redisauth.Options{AllowLossOnRestart: true}, lost: 2, fault: func(e *estate) {
			for i, proof := range e.failOver() {
				eventually(e.t, "the replica answers", func() bool { return e.send(i, proof).status == 200 })
				e.again([]string{proof})
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t, startRedis(t, tt.redis...), tt.opts, time.Second)
			tt.fault(e)
			e.audit(tt.lost)
		})
	}
}

// again sends used proofs to both replicas; the audit sees what is accepted.
func (e *estate) again(used []string) {
	for _, proof := range used {
		for i := range e.replicas {
			e.send(i, proof)
		}
	}
}

// failOver lets a replica take over that has not got the last proofs, and returns those.
func (e *estate) failOver() []string {
	link := startProxy(e.t, e.redis.addr)
	_, port, _ := net.SplitHostPort(link.l.Addr().String())
	replica := startRedis(e.t, "--replicaof", "127.0.0.1 "+port)
	replica.until("master_link_status:up", "INFO", "replication")
	e.before()
	link.lose.Store(true)
	used := e.want("what the replica does not get", 200)
	e.redis.kill()
	replica.until("OK", "REPLICAOF", "NO", "ONE")
	e.proxy.switchTo(replica.addr)
	return used
}

func TestTheAPIStartsWhileRedisIsDown(t *testing.T) {
	redis := startRedis(t)
	redis.kill()
	e := newEstate(t, redis, redisauth.Options{}, time.Second)
	e.want("down", 503)
	redis.start()
	e.recovered()
	e.audit(0)
}

func TestOfAHundredUsesOverTwoReplicasOneIsAccepted(t *testing.T) {
	e := newEstate(t, startRedis(t), redisauth.Options{}, 10*time.Second)
	e.before()
	for range 5 {
		proof := e.proof()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { e.send(i%2, proof) })
		}
		all.Wait()
		accepted := 0
		for _, r := range e.ledger[len(e.ledger)-100:] {
			if r.status == 200 {
				accepted++
			}
		}
		if accepted != 1 {
			t.Errorf("%d of 100 uses were accepted", accepted)
		}
	}
	e.audit(0)
}
