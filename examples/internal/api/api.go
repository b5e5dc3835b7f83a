// Package api runs the orders API behind one of the four adapters. It is what
// examples/resourceserver serves, and examples/quickstart four times over.
package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bearward/bearward/examples/internal/orders"
	auth "github.com/bearward/bearward/middleware"
)

// Adapters are the names that Config.Adapter takes.
func Adapters() []string { return []string{"nethttp", "chi", "echo", "grpc"} }

// Config sets up a Server. Adapter, Addr, Issuer and Audience are required.
type Config struct {
	Adapter  string // nethttp, chi, echo or grpc
	Addr     string // host:port to listen on; port 0 takes a free one
	Metrics  string // host:port to serve /metrics on, for operators alone; "": nowhere. Not Addr.
	Issuer   string // exact "iss" of the tokens, and where their keys are found
	Audience string // this API's name in the tokens' "aud"
	Preset   string // a name of package provider; "": an issuer of RFC 9068 tokens

	Callers []string // those who may call, for presets that ask for them (provider.Named)

	MoreIssuers []string // whose tokens are accepted beside those of Issuer, for the same Audience

	Refresh  time.Duration // jwks.Options.RefreshEvery; 0: its default
	MaxStale time.Duration // jwks.Options.MaxStale; 0: its default
	Cooldown time.Duration // jwks.Options.Cooldown; 0: its default
	Leeway   time.Duration // auth.Config.Leeway; 0: its default, negative: none
	Client   *http.Client  // to reach the issuer with; nil: the key cache's own

	TLS           *tls.Config   // nil: plain HTTP and gRPC
	DPoP          DPoP          // tokens that are bound to a key
	MTLS          MTLS          // tokens that are bound to a client certificate
	Introspection Introspection // tokens that only their issuer can read
	Profile       auth.Profile  // what all of it must keep to; auth.FAPI2 needs DPoP.Require or MTLS
	Resource      string        // the API's identifier (RFC 9728): named in challenges, and its document served over HTTP; "": none
	GuardHealth   bool          // gRPC: the health service needs read:orders
	Logger        *slog.Logger  // nil: silent. Is told of refusals, never of tokens.

	// Revoked tells which tokens are revoked. nil: none are; under auth.FAPI2, a store in the
	// process.
	Revoked func(context.Context, *auth.Principal) (bool, error)
}

// Server is a running API. Shut it down with Shutdown.
type Server struct {
	listener net.Listener
	guard    *auth.Guard
	tokens   io.Closer // what guard verifies tokens with
	front    front
	meter    *meter

	served chan error // what serving ended with, once
	once   sync.Once
	closed error
}

// front is the server of one transport.
type front interface {
	Serve(net.Listener) error
	// Shutdown lets running requests end until ctx does, and then cuts them off.
	Shutdown(ctx context.Context) error
}

// Start listens and serves. It does not wait for the issuer: until its keys
// are cached, tokens cannot be verified and /readyz says so.
func Start(cfg Config) (*Server, error) {
	if !slices.Contains(Adapters(), cfg.Adapter) {
		return nil, fmt.Errorf("api: Config.Adapter: %q is none of %s", cfg.Adapter, strings.Join(Adapters(), ", "))
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	meter, err := startMeter(cfg)
	if err != nil {
		return nil, err
	}
	s, err := startMeasured(cfg, meter)
	if err != nil {
		return nil, errors.Join(err, meter.shutdown(context.Background()))
	}
	return s, nil
}

// startMeasured starts what meter, which may be nil, measures.
func startMeasured(cfg Config, meter *meter) (*Server, error) {
	listener, err := listen(cfg.Addr) // first: a guard that is closed at once would log that, too
	if err != nil {
		return nil, err
	}
	guard, tokens, err := newGuard(cfg, listener.Addr(), meter)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	api := &orders.API{Book: orders.NewBook(), Ready: guard.Ready}
	front, rules, err := newFront(cfg, guard, api)
	if err == nil {
		err = meter.declare(rules)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close(), tokens.Close())
	}
	s := &Server{listener: listener, guard: guard, tokens: tokens, front: front, meter: meter, served: make(chan error, 1)}
	if cfg.TLS != nil && cfg.Adapter != "grpc" { // gRPC does its own handshake
		listener = tls.NewListener(listener, cfg.TLS)
	}
	go func() { s.served <- front.Serve(listener) }()
	return s, nil
}

// newGuard is the long way to a Guard, for the settings that auth.New leaves
// at their defaults. The API listens on addr. The Closer stops what the guard needs.
func newGuard(cfg Config, addr net.Addr, meter *meter) (*auth.Guard, io.Closer, error) {
	options := &auth.GuardOptions{OnDecision: meter.onDecision(auth.LogRefusals(cfg.Logger))}
	err := cfg.bind(options, addr)
	if err == nil {
		options.Bindings, err = cfg.MTLS.bind(options.Bindings)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := cfg.tellResource(options); err != nil {
		return nil, nil, err
	}
	cfg.keepProfile(options)
	all, err := cfg.trust(meter)
	if err != nil {
		return nil, nil, err
	}
	options.Header = all[0].preset.Header // one Preset for all
	guard, tokens, err := cfg.guardOf(all, options, meter)
	if err != nil {
		return nil, nil, errors.Join(err, all.Close())
	}
	return guard, tokens, nil
}

// newFront returns the server and the rules that it is under.
func newFront(cfg Config, guard *auth.Guard, api *orders.API) (front, auth.Rules, error) {
	switch cfg.Adapter {
	case "grpc":
		return newGRPC(guard, api, cfg)
	case "chi":
		return newChi(guard, api, cfg)
	case "echo":
		return newEcho(guard, api, cfg)
	default:
		return newNetHTTP(guard, api, cfg)
	}
}

// ErrListen says that Config.Addr or Config.Metrics cannot be listened on. Every other error of
// Start means a wrong Config.
var ErrListen = errors.New("api: cannot listen")

func listen(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: %s is taken by another program", ErrListen, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrListen, err)
	}
	return listener, nil
}

// Addr returns the address that s listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// MetricsAddr returns the address that s serves its metrics on, or "".
func (s *Server) MetricsAddr() string {
	if s.meter == nil {
		return ""
	}
	return s.meter.listener.Addr().String()
}

// Ready returns nil when the issuer's keys are cached.
func (s *Server) Ready() error { return s.guard.Ready() }

// Wait returns when s stops serving, with the error that made it stop.
func (s *Server) Wait() error {
	err := <-s.served
	s.served <- err
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown stops the server first, and then what the guard needs: a request
// that is still running must find its keys. It may be called twice.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(func() {
		s.closed = errors.Join(s.front.Shutdown(ctx), s.tokens.Close(), s.Wait(), s.meter.shutdown(ctx))
	})
	return s.closed
}

// httpFront serves a handler with bounds on what a slow caller may hold.
func httpFront(h http.Handler) front {
	return cutOff{&http.Server{
		Handler:           h,
		ConnContext:       auth.ConnContext, // for proxies that tell of certificates
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}}
}

// cutOff closes what is left when the time for a graceful stop is over.
type cutOff struct{ *http.Server }

func (c cutOff) Shutdown(ctx context.Context) error {
	if err := c.Server.Shutdown(ctx); err != nil {
		return errors.Join(err, c.Close())
	}
	return nil
}
