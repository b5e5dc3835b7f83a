package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/client"
)

// ports are the fixed ports of a quickstart that stays up: the authorization
// server, the web application, and the API behind each adapter.
type ports struct{ first int }

const defaultPort = 9000

// lastPort is how far the last port is from the first.
const lastPort = 5

// The issuer is on 127.0.0.1 and the application on localhost: cookies ignore
// ports, and on one host each would see the other's.
func (p ports) issuer() string   { return fmt.Sprintf("127.0.0.1:%d", p.first) }
func (p ports) app() string      { return fmt.Sprintf("localhost:%d", p.first+1) }
func (p ports) api(i int) string { return fmt.Sprintf("127.0.0.1:%d", p.first+2+i) }

// tokenLifetime of access tokens while the quickstart stays up.
const tokenLifetime = 5 * time.Minute

// stay serves until ctx ends.
func stay(ctx context.Context, stdout, stderr io.Writer, p ports, l link, caFile string) error {
	key, err := vaultKey()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	st, err := startStack(p, stackConfig{link: l, key: key, log: log})
	if err != nil {
		return err
	}
	// Only now: another quickstart on these ports has a file of its own.
	err = l.publish(caFile)
	if err == nil {
		printHints(stdout, p, st.issuer.url, caFile)
		<-ctx.Done()
		fmt.Fprintln(stdout, "stopping")
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(err, st.shutdown(stop))
}

// stack is everything that a quickstart which stays up serves.
type stack struct {
	issuer *issuer
	fleet  fleet
	mutual fleet // for clients with certificates
	opaque fleet // for tokens that only the issuer can read
	tools  *toolServer
	app    *app
}

type stackConfig struct {
	link link
	key  []byte // encrypts what the application keeps
	// watch is put around the application's transports to the issuer and the APIs; nil: nothing is.
	watch func(http.RoundTripper) http.RoundTripper
	dial  []grpc.DialOption // from the application to the API behind gRPC, beside the credentials
	log   *slog.Logger
	// age is how long the APIs use what the issuer told them; 0: as long as the pages say.
	age time.Duration
	// patience is how long a call of a tool waits for a person; 0: the application's default.
	patience time.Duration
}

func (cfg stackConfig) watched(t http.RoundTripper) http.RoundTripper {
	if cfg.watch == nil {
		return t
	}
	return cfg.watch(t)
}

// startStack starts the issuer, the APIs and the application.
func startStack(p ports, cfg stackConfig) (_ *stack, err error) {
	st := new(stack)
	defer func() {
		if err != nil {
			err = errors.Join(err, st.shutdown(context.Background()))
		}
	}()
	m, err := cfg.link.mutual()
	if err != nil {
		return nil, err
	}
	if st.tools, err = listenTools(cfg.link); err != nil {
		return nil, err
	}
	if st.issuer, err = startIssuer(p.issuer(), tokenLifetime, cfg.link, m, cfg.log.With("server", "issuer"), st.tools.url); err != nil {
		return nil, err
	}
	if err = st.tools.start(st.issuer.url, cfg.log.With("server", "mcp")); err != nil {
		return nil, err
	}
	config := api.Config{
		Issuer: st.issuer.url, Audience: audience, Logger: cfg.log.With("server", "api"), TLS: cfg.link.server,
		Cooldown: cooldown, DPoP: api.DPoP{Allow: true}, Leeway: -1, // one machine, one clock
	}
	if cfg.link.client != nil {
		config.Client = &http.Client{Transport: cfg.link.transport()}
	}
	if st.fleet, err = startFleet(p.api, config); err != nil {
		return nil, err
	}
	if st.mutual, err = startMutualFleet(m, config); err != nil {
		return nil, err
	}
	if st.opaque, err = startOpaqueFleet(st.issuer, cmp.Or(cfg.age, answerAge), config); err != nil {
		return nil, err
	}
	st.app, err = startApp(p, st, m, cfg)
	return st, err
}

// shutdown stops what was started, callers before those whom they call.
func (st *stack) shutdown(ctx context.Context) error {
	var errs []error
	if st.app != nil {
		errs = append(errs, st.app.shutdown(ctx))
	}
	errs = append(errs, st.fleet.shutdown(ctx), st.mutual.shutdown(ctx), st.opaque.shutdown(ctx))
	if st.tools != nil {
		errs = append(errs, st.tools.shutdown(ctx))
	}
	if st.issuer != nil {
		errs = append(errs, st.issuer.shutdown(ctx))
	}
	return errors.Join(errs...)
}

func printHints(out io.Writer, p ports, issuer string, caFile string) {
	scheme, _, _ := strings.Cut(issuer, "://")
	curl, grpcurl, again := "curl -i", "grpcurl -plaintext", "go run -C examples ./quickstart"
	if p.first != defaultPort {
		again += fmt.Sprintf(" -port %d", p.first)
	}
	if scheme == "https" {
		curl, grpcurl = "curl -i --cacert "+caFile, "grpcurl -cacert "+caFile
		again += " -tls -ca-file " + caFile
	}
	fmt.Fprintf(out, "Open %s://%s in a browser.\n\nAuthorization server  %s/.well-known/openid-configuration\n", scheme, p.app(), issuer)
	for i, adapter := range api.Adapters() {
		fmt.Fprintf(out, "API behind %-10s %s\n", adapter, p.api(i))
	}
	at := func(i int) string { return scheme + "://" + p.api(i) }
	bearer := `uthorization: Bearer $TOKEN"`
	fmt.Fprintf(out, "\nOr, in another shell:\n\n")
	for _, line := range []string{
		`TOKEN=$(` + again + ` -token "read:orders")`,
		curl + " " + at(0) + "/orders",
		curl + " " + at(0) + `/orders -H "A` + bearer,
		curl + " " + at(1) + `/orders -X POST -H "A` + bearer,
		curl + " " + at(2) + "/optional",
		grpcurl + " " + p.api(3) + " bearward.orders.v1.Orders/ListOrders",
		grpcurl + ` -H "a` + bearer + " " + p.api(3) + " bearward.orders.v1.Orders/ListOrders",
	} {
		fmt.Fprintf(out, "  %s\n", line)
	}
	fmt.Fprintf(out, "\nThey answer 401 (no token), 200, 403 (needs write:orders), 200 (anonymous), Unauthenticated, OK.\nStop with Ctrl-C.\n")
}

// printToken registers an application at the quickstart that is up, logs
// alice in, and prints the access token.
func printToken(ctx context.Context, out io.Writer, p ports, l link, scopes string) error {
	hc := &http.Client{Transport: l.transport(), Timeout: callTimeout}
	md, err := client.Discover(ctx, hc, l.scheme()+p.issuer())
	if err != nil {
		return fmt.Errorf("is the quickstart up? %w", err)
	}
	app, err := client.Register(ctx, hc, md, client.Registration{
		Name: "Shell", RedirectURIs: []string{"http://localhost:9/callback"}, Scope: scopes,
	}, audience)
	if err != nil {
		return err
	}
	tok, err := app.LogIn(ctx, alice, strings.Fields(scopes)...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, tok.AccessToken)
	return err
}
