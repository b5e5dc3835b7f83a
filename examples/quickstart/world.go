package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/client"
)

// audience is the name of the orders API in the tokens' "aud". The issuer
// serves another API too, whose tokens are worth nothing here.
const (
	audience = "https://orders.example"
	otherAPI = "https://stock.example"
)

// People who can log in, as the script and the login page know them.
var (
	alice = client.Person{Name: "alice", Password: "wonderland"}
	bob   = client.Person{Name: "bob", Password: "builder"}
)

func people() []authserver.User {
	return []authserver.User{
		{Name: alice.Name, Password: alice.Password, FullName: "Alice Liddell"},
		{Name: bob.Name, Password: bob.Password, FullName: "Bob Baumeister"},
	}
}

func scopes() []authserver.Scope {
	return []authserver.Scope{
		{Name: "read:orders", Meaning: "See the orders"},
		{Name: "write:orders", Meaning: "Place orders"},
		{Name: "admin:all", Meaning: "See the figures of the whole shop"},
	}
}

// scopeNames are the scopes that the issuer knows.
func scopeNames() []string {
	names := []string{"openid", "profile", "offline_access"}
	for _, s := range scopes() {
		names = append(names, s.Name)
	}
	return names
}

// unknownScope returns the first of the wanted scopes that the issuer does not know, or "".
func unknownScope(wanted string) string {
	for _, name := range strings.Fields(wanted) {
		if !slices.Contains(scopeNames(), name) {
			return name
		}
	}
	return ""
}

// issuer is the embedded authorization server on its listener.
type issuer struct {
	*authserver.Server
	url   string
	asker authserver.ResourceServer // who the APIs are when they ask about tokens
	http  *http.Server
}

// startIssuer serves an authorization server on addr; port 0 takes a free one. Clients with
// certificates find it on a port of its own, by m; the zero m is nowhere. It issues tokens for the
// orders API, and for more.
func startIssuer(addr string, lifetime time.Duration, l, m link, log *slog.Logger, more ...string) (*issuer, error) {
	listener, err := listen(addr)
	if err != nil {
		return nil, err
	}
	forCertificates, mutualURL, err := listenMutual(m)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	url := l.scheme() + listener.Addr().String()
	asker := newAsker()
	server, err := authserver.New(authserver.Config{
		Issuer: url, Audiences: append([]string{audience, otherAPI, opaqueAPI}, more...), Scopes: scopes(), Users: people(),
		Opaque: []string{opaqueAPI}, ResourceServers: []authserver.ResourceServer{asker}, MutualURL: mutualURL, TokenLifetime: lifetime, Logger: log,
	})
	if err != nil {
		err = errors.Join(err, listener.Close())
		if forCertificates != nil {
			err = errors.Join(err, forCertificates.Close())
		}
		return nil, err
	}
	is := &issuer{Server: server, url: url, asker: asker, http: httpServer(server, log)}
	go func() { _ = is.http.Serve(l.wrap(listener)) }() // ends with Shutdown
	if forCertificates != nil {
		go func() { _ = is.http.Serve(m.wrap(forCertificates)) }()
	}
	return is, nil
}

// grace is how long running requests may take to end. It is longer than the
// five seconds that net/http gives a connection which has sent nothing yet.
const grace = 8 * time.Second

func httpServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

func (is *issuer) shutdown(ctx context.Context) error {
	err := is.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, is.http.Close())
	}
	return errors.Join(err, is.Close())
}

func listen(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken by another program; choose other ports with -port", addr)
	}
	return listener, err
}

// fleet is the orders API behind each adapter, in the order of api.Adapters.
type fleet []*api.Server

// startFleet starts the API once per adapter; addr tells where.
func startFleet(addr func(i int) string, config api.Config) (fleet, error) {
	var f fleet
	for i, adapter := range api.Adapters() {
		one := config
		one.Adapter, one.Addr = adapter, addr(i)
		if one.Logger != nil {
			one.Logger = one.Logger.With("adapter", adapter)
		}
		server, err := api.Start(one)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", adapter, err), f.shutdown(context.Background()))
		}
		f = append(f, server)
	}
	return f, nil
}

func (f fleet) shutdown(ctx context.Context) error {
	var errs []error
	for _, server := range f {
		errs = append(errs, server.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// waitReady waits until every server holds the issuer's keys.
func (f fleet) waitReady(ctx context.Context) error {
	for _, server := range f {
		if err := until(ctx, func() error { return server.Ready() }); err != nil {
			return fmt.Errorf("wait for the keys: %w", err)
		}
	}
	return nil
}

// patience bounds every wait for something that happens by itself.
const patience = 20 * time.Second

// until asks again and again until ask returns nil, and gives up with its last
// error after patience.
func until(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}
