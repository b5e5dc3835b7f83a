package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// A meter measures a Server and serves the metrics, on a listener of its own:
// who calls the API must not read them. The nil meter measures nothing.
type meter struct {
	metrics  *promauth.Metrics
	issuers  []*promauth.Issuer // in the order of Config
	registry *prometheus.Registry
	listener net.Listener
	front    front
	ended    chan struct{}
}

// startMeter listens on cfg.Metrics and serves there; nil when that is empty.
func startMeter(cfg Config) (*meter, error) {
	if cfg.Metrics == "" {
		return nil, nil
	}
	if cfg.Metrics == cfg.Addr && !strings.HasSuffix(cfg.Addr, ":0") {
		return nil, errors.New("api: Config.Metrics is Config.Addr: who calls the API would read the metrics")
	}
	m := &meter{registry: prometheus.NewRegistry(), ended: make(chan struct{})}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var err error
	if m.metrics, err = promauth.New(m.registry, nil); err != nil {
		return nil, err
	}
	for i := range 1 + len(cfg.MoreIssuers) {
		name := "main"
		if i > 0 {
			name = fmt.Sprintf("issuer%d", i+1)
		}
		issuer, err := m.metrics.Issuer(name)
		if err != nil {
			return nil, err
		}
		m.issuers = append(m.issuers, issuer)
	}
	if m.listener, err = listen(cfg.Metrics); err != nil {
		return nil, fmt.Errorf("Config.Metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	m.front = httpFront(mux)
	go func() {
		defer close(m.ended)
		if err := m.front.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("the metrics are no longer served", "err", err)
		}
	}()
	return m, nil
}

// onDecision returns a hook that calls log and counts.
func (m *meter) onDecision(log func(context.Context, auth.Decision)) func(context.Context, auth.Decision) {
	if m == nil {
		return log
	}
	return func(ctx context.Context, d auth.Decision) {
		log(ctx, d)
		m.metrics.OnDecision(ctx, d)
	}
}

// onRefresh returns a hook for the keys of issuer i that calls log and counts.
func (m *meter) onRefresh(i int, log func(jwks.RefreshEvent)) func(jwks.RefreshEvent) {
	if m == nil {
		return log
	}
	return func(e jwks.RefreshEvent) {
		log(e)
		m.issuers[i].OnRefresh(e)
	}
}

// onCall returns the hook of introspection, or nil.
func (m *meter) onCall() func(introspect.Call) {
	if m == nil {
		return nil
	}
	return m.issuers[0].OnCall
}

// watch makes the state of the keys of issuer i one of the metrics.
func (m *meter) watch(i int, keys *jwks.Cache) error {
	if m == nil {
		return nil
	}
	return m.issuers[i].Watch(keys)
}

// declare makes the series of the operations.
func (m *meter) declare(rules auth.Rules) error {
	if m == nil {
		return nil
	}
	return m.metrics.Declare(rules)
}

// shutdown ends the listener and what is served there.
func (m *meter) shutdown(ctx context.Context) error {
	if m == nil {
		return nil
	}
	err := m.front.Shutdown(ctx)
	<-m.ended
	return err
}
