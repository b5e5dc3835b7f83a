package main

import (
	"context"
	"log/slog"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/bench/measure"
	auth "github.com/bearward/bearward/middleware"
)

// mostReplicas is where the curves end: each replica has its connections to the one redis-server.
const mostReplicas = 100

// A replica is what one process of an API has for itself, and its connection to what all share.
type replica struct {
	store                  *redisauth.Store
	plain, checked, proven func() error // a request
}

func newReplica(ctx context.Context, s *stand, addr string) (*replica, error) {
	store, err := redisauth.New(rueidis.ClientOption{InitAddress: []string{addr}}, &redisauth.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	client, err := newProver(s, "ES256", "")
	if err != nil {
		return nil, err
	}
	if err := untilFirst(ctx, store); err != nil {
		return nil, err
	}
	v, err := s.verifier(0)
	if err != nil {
		return nil, err
	}
	r := &replica{store: store}
	if r.proven, err = proofRequests(ctx, s, client, newAgain(store), 5*time.Second); err != nil {
		return nil, err
	}
	r.plain = bearerRequest(ctx, s, must(auth.NewGuard(v, nil)))
	r.checked = bearerRequest(ctx, s, must(auth.NewGuard(v, &auth.GuardOptions{Revoked: store.Revoked})))
	for _, first := range []func() error{r.plain, r.checked, r.proven} { // their tokens are remembered from here on
		if err := first(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// bearerRequest returns a request with the stand's token to g.
func bearerRequest(ctx context.Context, s *stand, g *auth.Guard) func() error {
	return func() error {
		_, err := g.Authorize(ctx, auth.Credentials{Authorization: []string{"Bearer " + s.token}}, auth.Scopes("read:orders"))
		return err
	}
}

// replicas has 1 to 100 replicas of an API, which share a Redis, take requests in turn.
func replicas(ctx context.Context, p plan, r *report) error {
	if _, err := exec.LookPath("redis-server"); err != nil {
		r.notRun = append(r.notRun, "replicas: there is no redis-server (Debian's package redis-server)")
		return nil
	}
	_, addr, end, err := startRedis()
	if err != nil {
		return err
	}
	defer end()
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	all := make([]*replica, mostReplicas)
	for i := range all {
		if all[i], err = newReplica(ctx, s, addr); err != nil {
			return err
		}
		defer all[i].store.Close()
	}
	plain, checked, proven := curve{name: "a remembered token"}, curve{name: "and a look-up of revocations in Redis"}, curve{name: "a token and its proof (ES256), in Redis"}
	for _, n := range []int{1, 3, 10, 30, mostReplicas} {
		cs := []*measure.Contestant{
			inTurn(all[:n], func(r *replica) error { return r.plain() }),
			inTurn(all[:n], func(r *replica) error { return r.checked() }),
			inTurn(all[:n], func(r *replica) error { return r.proven() }),
		}
		if err := measure.Race(6, 5*p.slice, cs...); err != nil {
			return err
		}
		plain.add(n, cs[0].Median())
		checked.add(n, cs[1].Median())
		proven.add(n, cs[2].Median())
	}
	return r.curves("replicas.svg", "Replicas of an API that share a Redis, on one machine", "replicas", "ns per request", true, plain, checked, proven)
}

// inTurn has the callers ask one replica after the other.
func inTurn(all []*replica, request func(*replica) error) *measure.Contestant {
	var next atomic.Uint64
	return &measure.Contestant{Run: manyCallers(func() error { return request(all[next.Add(1)%uint64(len(all))]) })}
}
