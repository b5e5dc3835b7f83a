//go:build unix

package soak_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/redisauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/revocation"
)

const (
	audience = "https://soak.example"
	ahead    = 3 * time.Second        // for which a key is published before it signs
	slowly   = 100 * time.Millisecond // well below the bounds that make a request unjudged
)

// A world is all that the replicas depend on, and what happens to it.
type world struct {
	t        *testing.T
	tenants  []*tenant // the last one comes and goes
	opaque   *endpoint
	redis    *redisServer
	operator *redisauth.Store // writes revocations
	replicas []*replica
	live     *auth.LiveRules
	stalled  spans // this process got no processor
	events   *events

	prover, thief *authtest.Prover
	certificate   *authtest.Certificate

	strict      bool  // the live rule asks for more than the callers have
	surelyOpen  spans // it does not
	perhapsOpen spans // the same, and while that changes

	mu      sync.Mutex
	revoked []used // tokens, by the operator
	next    int
	spares  int // tokens of streams, by the same
}

const opaqueIssuer = "https://opaque.example"

func newWorld(t *testing.T) *world {
	quiet := slog.New(slog.DiscardHandler)
	happened := &events{counts: map[string]int{}}
	w := &world{
		t: t, events: happened, opaque: &endpoint{}, redis: startRedis(t, happened), certificate: authtest.NewCertificate(t),
		prover: authtest.NewProver(t, auth.ES256), thief: authtest.NewProver(t, auth.ES256),
	}
	for range 3 {
		w.tenants = append(w.tenants, newTenant(t, happened))
	}
	server := httptest.NewServer(w.opaque)
	t.Cleanup(server.Close)
	w.opaque.url = server.URL
	w.opaque.turn()
	var err error
	if w.live, err = auth.NewLiveRules(liveRules(false)); err != nil {
		t.Fatal(err)
	}
	w.surelyOpen.begin()
	w.perhapsOpen.begin()
	w.operator = w.redis.store(quiet)
	ca := authtest.NewCA(t)
	for range 2 {
		w.replicas = append(w.replicas, w.newReplica(ca, quiet))
	}
	return w
}

func (w *world) close() {
	for _, r := range w.replicas {
		r.close()
	}
	_ = w.operator.Close()
}

func liveRules(strict bool) auth.Rules {
	rule := auth.Scopes("read:orders")
	if strict {
		rule = auth.Scopes("admin:all")
	}
	return auth.Rules{"GET /live": rule}
}

// guest is the tenant that comes and goes.
func (w *world) guest() *tenant { return w.tenants[len(w.tenants)-1] }

// happen makes things happen until ctx ends.
func (w *world) happen(ctx context.Context) {
	var all sync.WaitGroup
	every := func(d time.Duration, what func()) {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-time.After(d/2 + time.Duration(rand.Int64N(int64(d)))):
					what()
				}
			}
		})
	}
	for _, n := range w.tenants {
		every(time.Second, n.turn)
	}
	every(8*time.Second, func() { w.fail(w.tenants[0]) })
	every(time.Second, w.opaque.turn)
	every(9*time.Second, func() {
		w.events.add("outages of introspection")
		w.opaque.trouble.begin()
		defer w.opaque.trouble.end()
		w.opaque.setDown(true)
		time.Sleep(time.Second) // an outage
		w.opaque.setDown(false)
	})
	every(500*time.Millisecond, w.swap)
	every(500*time.Millisecond, w.revoke)
	every(3*time.Second, w.comeOrGo)
	every(14*time.Second, w.redis.restart)
	every(12*time.Second, func() { w.redis.hang(600 * time.Millisecond) })
	all.Go(func() { w.redis.watch(ctx) })
	all.Go(func() { w.stalls(ctx) })
	<-ctx.Done()
	all.Wait()
}

// fail has an issuer fail in one of several ways for a while.
func (w *world) fail(n *tenant) {
	w.events.add("outages of an issuer")
	n.trouble.begin()
	defer n.trouble.end()
	switch rand.IntN(4) {
	case 0:
		n.Fail(http.StatusServiceUnavailable)
	case 1:
		n.Garbage("<html>")
	case 2:
		n.Drop()
	case 3:
		n.Slow(3 * time.Second)
	}
	time.Sleep(1500 * time.Millisecond) // an outage
	n.Recover()
}

// swap changes what the live rule asks for, from one scope to another and back.
func (w *world) swap() {
	if w.strict {
		w.perhapsOpen.begin()
	} else {
		w.surelyOpen.end()
	}
	w.events.add("changes of rules")
	w.strict = !w.strict
	if err := w.live.Swap(liveRules(w.strict)); err != nil {
		w.t.Error(err)
	}
	if w.strict {
		w.perhapsOpen.end()
	} else {
		w.surelyOpen.begin()
	}
}

// revoke revokes a token that was good until now.
func (w *world) revoke() {
	n := w.tenants[1]
	w.mu.Lock()
	w.next++
	id := fmt.Sprint("revoked-", w.next)
	w.mu.Unlock()
	token := n.token("read:orders", authtest.Claims{"jti": id})
	if err := w.revokeToken(context.Background(), n, id); err != nil {
		w.t.Errorf("revoke: %v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked = append(w.revoked, used{token, time.Now()})
	w.revoked = w.revoked[max(0, len(w.revoked)-20):]
}

// revokeToken tells the operator's store. It is tried again while Redis is away.
func (w *world) revokeToken(ctx context.Context, n *tenant, id string) (err error) {
	for deadline := time.Now().Add(2 * away); time.Now().Before(deadline); {
		try, stop := context.WithTimeout(ctx, time.Second)
		err = w.operator.Revoke(try, revocation.Entry{Issuer: n.URL, TokenID: id, Until: time.Now().Add(time.Hour)})
		stop()
		if err == nil {
			w.events.add("tokens revoked")
			return nil
		}
		time.Sleep(100 * time.Millisecond) // Redis is away
	}
	return err
}

// comeOrGo has the replicas trust the guest, or no longer.
func (w *world) comeOrGo() {
	n := w.guest()
	w.events.add("tenants come or gone")
	if w.replicas[0].guest == nil {
		n.perhaps.begin()
		for _, r := range w.replicas {
			r.admit(w.t, n)
		}
		n.surely.begin()
		return
	}
	n.surely.end()
	for _, r := range w.replicas {
		r.dismiss(w.t, n)
	}
	n.perhaps.end()
}
