package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"

	"google.golang.org/grpc"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/clientcert"
	"github.com/bearward/bearward/examples/internal/webapp"
)

// keyVariable names the environment variable with the key that encrypts the
// application's tokens: 32 bytes in base64.
const keyVariable = "QUICKSTART_KEY"

// vaultKey returns the key of the environment, or a random one for this run.
func vaultKey() ([]byte, error) {
	text, set := os.LookupEnv(keyVariable)
	if !set {
		return webapp.NewKey(), nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		return nil, usageError(keyVariable + " is not 32 bytes in base64 (openssl rand -base64 32 makes one)")
	}
	return key, nil
}

// app is the web application on its listener.
type app struct {
	*webapp.App
	http *http.Server
}

func startApp(p ports, st *stack, m link, cfg stackConfig) (*app, error) {
	listener, err := listen(p.app())
	if err != nil {
		return nil, err
	}
	log := cfg.log.With("server", "app")
	scheme := cfg.link.scheme()
	config := webapp.Config{
		URL: scheme + p.app(), IssuerURL: st.issuer.url, Issuer: st.issuer.Server, Audience: audience,
		Scopes: scopes(), Key: cfg.key, TokenLifetime: tokenLifetime,
		Cooldown: cooldown, Transport: cfg.watched(cfg.link.transport()), Logger: log,
		Dial: append(cfg.dial[:len(cfg.dial):len(cfg.dial)], grpc.WithTransportCredentials(cfg.link.credentials())),
		Mutual: webapp.Mutual{
			Transport: func(c *clientcert.Certificate) http.RoundTripper { return cfg.watched(m.transportWith(c)) },
			Dial: func(c *clientcert.Certificate) []grpc.DialOption {
				return append(cfg.dial[:len(cfg.dial):len(cfg.dial)], grpc.WithTransportCredentials(m.credentialsWith(c)))
			},
		},
	}
	config.Opaque = webapp.Opaque{Audience: opaqueAPI, MaxAge: answerAge}
	config.Tools = webapp.Tools{URL: st.tools.url, EntryScope: "read:orders", Patience: cfg.patience}
	for i, adapter := range api.Adapters() {
		config.Opaque.APIs = append(config.Opaque.APIs, webapp.API{Adapter: adapter, URL: scheme + st.opaque[i].Addr()})
		config.APIs = append(config.APIs, webapp.API{Adapter: adapter, URL: scheme + st.fleet[i].Addr()})
		config.Mutual.APIs = append(config.Mutual.APIs, webapp.API{Adapter: adapter, URL: m.scheme() + st.mutual[i].Addr()})
	}
	web, err := webapp.New(config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("web application: %w", err), listener.Close())
	}
	a := &app{App: web, http: httpServer(web, log)}
	go func() { _ = a.http.Serve(cfg.link.wrap(listener)) }() // ends with Shutdown
	return a, nil
}

func (a *app) shutdown(ctx context.Context) error {
	err := a.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, a.http.Close())
	}
	return errors.Join(err, a.Close())
}
