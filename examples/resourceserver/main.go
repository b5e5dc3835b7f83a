// Resourceserver is an API to try the guard with, against any issuer of RFC
// 9068 access tokens:
//
//	go run -C examples ./resourceserver -adapter chi -issuer https://issuer.example -audience https://api.example -addr :8080
//
//	GET /orders                                read:orders
//	POST /orders                               write:orders
//	GET /admin/stats                           admin:all
//	GET /vault                                 read:orders, acr urn:example:mfa or urn:example:phr, authenticated at most 5m ago
//	POST /payments                             authorization_details of type payment_initiation with the action initiate
//	GET /me                                    any token
//	GET /optional                              a token or none
//	GET /public/ping, /healthz, /readyz        public
//
// With -issuer given several times, one guard accepts the tokens of each; -introspect is the
// endpoint of the first.
//
// For Auth0, Okta, Cognito, Keycloak, IdentityServer and others, -preset says
// what their tokens look like:
//
//	go run -C examples ./resourceserver -preset auth0 -issuer https://tenant.eu.auth0.com/ -audience https://api.example
//
// With -metrics 127.0.0.1:9091 Prometheus finds its metrics there, and callers of
// the API do not: see ../monitoring.
//
// With -tls-cert and -tls-key it serves TLS. With -mtls it asks clients for a certificate, and
// accepts tokens that are bound to it (RFC 8705); -client-ca names the authorities that count.
// Behind a proxy that ends TLS, -client-cert-header and -trusted-proxy say how the proxy tells of
// the certificate, and where it connects from:
//
//	go run -C examples ./resourceserver -client-cert-header escaped-pem:X-Client-Cert -trusted-proxy 10.1.0.0/24 -issuer …
//
// With -dpop allow, tokens that are bound to a key of their sender are accepted with a proof (RFC
// 9449), beside plain ones; -dpop require accepts no others. Clients are told a nonce with
// -dpop-nonce require. Replicas share it by -dpop-nonce-key. With -shared redis://127.0.0.1:6379/0
// they accept each proof once together; without it each remembers for itself.
//
// With -introspect the issuer is asked about tokens that only it can read (RFC 7662): at a URL, or
// at the one that its metadata names:
//
//	go run -C examples ./resourceserver -introspect auto -introspect-client-id orders-api -introspect-client-secret-file secret -issuer …
//
// Each answer is used for -introspect-ttl. With -introspect-jwts it is asked about JWTs too, and
// with -introspect-signed only signed answers count (RFC 9701).
//
// With -profile fapi2, beside -dpop require or -mtls, all of this keeps to the FAPI 2.0 Security
// Profile: every token is bound, by PS256, ES256 or EdDSA, and not revoked. With -shared, Redis
// tells what is revoked.
//
// With -resource https://api.example.com/orders it serves the document that tells clients what it
// needs (RFC 9728), at /.well-known/oauth-protected-resource/orders, and challenges name it. Over
// gRPC they only name it.
//
// With -adapter grpc the same rules guard the service of
// internal/orders/orderspb/orders.proto, and the standard health service.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/middleware/provider"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// grace is how long requests that are running may take to end.
const grace = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run serves until ctx ends and returns the exit code.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	cfg, shared, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return exitUsage
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	cfg.Logger = log
	stopSharing, err := share(&cfg, shared, log)
	if err != nil {
		fmt.Fprintln(stderr, "resourceserver:", err)
		return exitUsage
	}
	defer stopSharing()
	server, err := api.Start(cfg)
	if err != nil {
		fmt.Fprintln(stderr, "resourceserver:", err)
		if errors.Is(err, api.ErrListen) {
			return exitFailed
		}
		return exitUsage
	}
	log.Info("serving", "adapter", cfg.Adapter, "addr", server.Addr(), "issuer", strings.Join(append([]string{cfg.Issuer}, cfg.MoreIssuers...), " "), "audience", cfg.Audience)
	if addr := server.MetricsAddr(); addr != "" {
		log.Info("serving /metrics", "addr", addr)
	}
	go func() {
		<-ctx.Done()
		log.Info("stopping")
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		_ = server.Shutdown(deadline) // asked again below
	}()
	err = server.Wait()
	if ctx.Err() != nil {
		err = server.Shutdown(ctx)
	}
	if err != nil {
		log.Error("stopped", "err", err)
		return exitFailed
	}
	return 0
}

func parse(args []string, stderr io.Writer) (cfg api.Config, shared string, err error) {
	fs := flag.NewFlagSet("resourceserver", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&cfg.Adapter, "adapter", "nethttp", "what to serve with: "+strings.Join(api.Adapters(), ", "))
	fs.StringVar(&cfg.Addr, "addr", "127.0.0.1:8080", "`host:port` to listen on")
	fs.StringVar(&cfg.Metrics, "metrics", "", "`host:port` to serve Prometheus /metrics on, where callers of the API do not come (default: nowhere)")
	fs.Func("issuer", "exact issuer `URL` of the tokens (required); may be given several times", func(url string) error { return addIssuer(&cfg, url) })
	fs.StringVar(&cfg.Audience, "audience", "", "this API's `name` in the tokens' aud (required)")
	fs.StringVar(&cfg.Preset, "preset", "", "`name` of the issuer's make, when its tokens are not of RFC 9068: "+strings.Join(provider.Names(), ", "))
	fs.Func("callers", "with -preset: those who may call, with commas between, where the issuer serves everybody", func(s string) error {
		cfg.Callers = strings.Split(s, ",")
		return nil
	})
	fs.DurationVar(&cfg.Refresh, "refresh", 0, "longest `time` between two fetches of the issuer's keys (default 10m)")
	fs.DurationVar(&cfg.MaxStale, "max-stale", 0, "`time` after the last good fetch at which keys are no longer used (default 24h)")
	fs.BoolVar(&cfg.GuardHealth, "guard-health", false, "with -adapter grpc: the health service needs read:orders")
	certificates := new(mtlsFlags)
	certificates.register(fs)
	bound := new(dpopFlags)
	bound.register(fs)
	asked := new(introspectFlags)
	asked.register(fs)
	fs.StringVar(&cfg.Resource, "resource", "", "`URL` that identifies this API: serves its document (RFC 9728), which challenges name")
	profile := new(profileFlag)
	profile.register(fs)
	fs.StringVar(&shared, "shared", "", "`URL` of a Redis that replicas share, redis://HOST:PORT/DB (default: each remembers for itself)")
	if err := fs.Parse(args); err != nil {
		return cfg, shared, err
	}
	wrong := func(format string, values ...any) (api.Config, string, error) {
		err := fmt.Errorf(format, values...)
		fmt.Fprintln(stderr, "resourceserver:", err)
		fs.Usage()
		return cfg, shared, err
	}
	switch {
	case fs.NArg() > 0:
		return wrong("unexpected argument %q", fs.Arg(0))
	case cfg.Issuer == "":
		return wrong("-issuer is required")
	case cfg.Audience == "":
		return wrong("-audience is required")
	case cfg.GuardHealth && cfg.Adapter != "grpc":
		return wrong("-guard-health is for -adapter grpc")
	case cfg.Refresh < 0 || cfg.MaxStale < 0:
		return wrong("-refresh and -max-stale are not negative")
	case asked.jwts && len(cfg.MoreIssuers) > 0:
		return wrong("-introspect-jwts asks the first issuer alone, and -issuer is given %d times", 1+len(cfg.MoreIssuers))
	}
	if err := certificates.apply(&cfg); err != nil {
		return wrong("%w", err)
	}
	if err := bound.apply(fs, &cfg); err != nil {
		return wrong("%w", err)
	}
	if err := asked.apply(fs, &cfg); err != nil {
		return wrong("%w", err)
	}
	if err := checkResource(cfg.Resource); err != nil {
		return wrong("%w", err)
	}
	if err := profile.apply(&cfg); err != nil {
		return wrong("%w", err)
	}
	return cfg, shared, nil
}

// addIssuer takes one more -issuer.
func addIssuer(cfg *api.Config, url string) error {
	switch {
	case url == "":
		return errors.New("-issuer is required")
	case url == cfg.Issuer || slices.Contains(cfg.MoreIssuers, url):
		return errors.New("-issuer is given twice with it")
	case cfg.Issuer == "":
		cfg.Issuer = url
	default:
		cfg.MoreIssuers = append(cfg.MoreIssuers, url)
	}
	return nil
}
