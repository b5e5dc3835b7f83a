package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/rueidis"

	"github.com/bearward/bearward/adapters/forwardauth"
	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/internal/issuer"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/revocation"
)

const (
	audience = "https://orders.example"
	rules    = "GET /orders = read:orders\nGET /admin = admin:all\n"
)

// config is what the command line says.
type config struct{ gateway, addr, shared, recipes string }

// A store remembers used proofs and revoked tokens.
type store interface {
	dpop.ReplayStore
	Revoke(context.Context, revocation.Entry) error
	Revoked(context.Context, *auth.Principal) (bool, error)
}

// memory is the store of one process.
type memory struct {
	dpop.ReplayStore
	*revocation.Memory
}

// A gate is one replica of what the gateway asks.
type gate struct {
	addr  string
	store store
	asked atomic.Int64 // decisions
}

// A world is every part that runs.
type world struct {
	config
	origin, api, metrics string // URLs
	issuer               *issuer.Issuer
	gates                []*gate
	ended                chan error // a program that ended

	ctx    context.Context
	cancel context.CancelFunc
	parts  sync.WaitGroup
	closes []func() error // in reverse
}

// start starts every part, and returns when the gateway listens.
func start(ctx context.Context, c config) (_ *world, err error) {
	w := &world{config: c, origin: "http://" + c.addr, ended: make(chan error, 2)}
	w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if err := w.startIssuer(); err != nil {
		return nil, err
	}
	if err := w.startGates(ctx); err != nil {
		return nil, err
	}
	if err := w.startAPI(); err != nil {
		return nil, err
	}
	return w, w.startGateway(ctx)
}

// close ends what runs, and waits for it.
func (w *world) close() (err error) {
	w.cancel()
	w.parts.Wait()
	for i := len(w.closes) - 1; i >= 0; i-- {
		err = errors.Join(err, w.closes[i]())
	}
	return err
}

// serve serves h on a port of the system's choice.
func (w *world) serve(handler func(addr string) (http.Handler, error)) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	h, err := handler(l.Addr().String())
	if err != nil {
		return "", errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: h, ConnContext: auth.ConnContext, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // http.ErrServerClosed
	}()
	w.closes = append(w.closes, func() error { err := server.Close(); <-done; return err })
	return l.Addr().String(), nil
}

func (w *world) startIssuer() error {
	_, err := w.serve(func(addr string) (_ http.Handler, err error) {
		w.issuer, err = issuer.New(issuer.Options{URL: "http://" + addr, Audience: audience})
		return w.issuer, err
	})
	return err
}

// startGates starts one gate, or two that share a Redis, and serves their metrics.
func (w *world) startGates(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	replicas := 1
	if w.shared != "" {
		replicas = 2
	}
	for i := range replicas {
		s, err := w.newStore(ctx)
		if err != nil {
			return err
		}
		g := &gate{store: s}
		labels := prometheus.Labels{"replica": fmt.Sprint(i + 1)}
		g.addr, err = w.serve(func(string) (http.Handler, error) {
			return w.newGate(g, prometheus.WrapRegistererWith(labels, registry))
		})
		if err != nil {
			return err
		}
		w.gates = append(w.gates, g)
	}
	addr, err := w.serve(func(string) (http.Handler, error) {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
		return mux, nil
	})
	w.metrics = "http://" + addr + "/metrics"
	return err
}

func (w *world) newStore(ctx context.Context) (store, error) {
	if w.shared == "" {
		return memory{dpop.NewMemory(0), revocation.NewMemory(0)}, nil
	}
	client, err := rueidis.ParseURL(w.shared)
	if err != nil {
		return nil, errors.New("-shared is no URL of a Redis, such as redis://127.0.0.1:6379/0")
	}
	s, err := redisauth.New(client, nil)
	if err != nil {
		return nil, fmt.Errorf("-shared: %w", err)
	}
	w.closes = append(w.closes, s.Close)
	_ = s.Check(ctx) // s logs what is wrong, and the answers tell whether it can be used
	return s, nil
}

// newGate returns the handler of g.
func (w *world) newGate(g *gate, registry prometheus.Registerer) (http.Handler, error) {
	metrics, err := promauth.New(registry, nil)
	if err != nil {
		return nil, err
	}
	table, err := auth.ParseRules(rules)
	if err != nil {
		return nil, err
	}
	binding, err := dpop.New([]string{w.origin}, g.store, nil)
	if err != nil {
		return nil, err
	}
	count := func(context.Context, auth.Decision) { g.asked.Add(1) }
	guard, err := auth.New(w.issuer.URL(), audience, &auth.GuardOptions{
		Bindings: []auth.Binding{binding}, Revoked: g.store.Revoked,
		OnDecision: auth.Hooks(metrics.OnDecision, count), Keys: &jwks.Options{OnRefresh: metrics.OnRefresh},
	})
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, guard.Close)
	metrics.Watch(guard)
	if err := metrics.Declare(table); err != nil {
		return nil, err
	}
	return forwardauth.New(guard, table, forwardauth.Options{
		For:      []string{w.origin},
		Gateways: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
}

// token returns a token of the scopes, whose claims change may change.
func (w *world) token(scopes string, change func(claims map[string]any)) (string, error) {
	return w.issuer.Token(scopes, issuer.Change{At: issuer.OnMembers, Apply: func(d *issuer.Draft) error {
		d.Claims["sub"], d.Claims["jti"] = "Änne 100%", rand.Text() // a Redis may know the IDs of the last run
		if change != nil {
			change(d.Claims)
		}
		return nil
	}})
}

// revokedToken returns a token that the first gate was told to refuse.
func (w *world) revokedToken(ctx context.Context) (string, error) {
	entry := revocation.Entry{Issuer: w.issuer.URL(), Until: time.Now().Add(time.Hour + time.Minute)}
	token, err := w.token("read:orders", func(claims map[string]any) { entry.TokenID = claims["jti"].(string) })
	if err != nil {
		return "", err
	}
	return token, w.gates[0].store.Revoke(ctx, entry)
}
