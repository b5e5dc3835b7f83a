package main

import (
	"fmt"
	"log/slog"

	"github.com/redis/rueidis"

	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/examples/internal/api"
)

// share makes the replicas that are given the same URL remember used proofs together, and under a
// profile ask there which tokens are revoked. The URL is
// redis://HOST:PORT/DB, or rediss:// for TLS; "" shares nothing. The caller calls stop at the end.
func share(cfg *api.Config, url string, log *slog.Logger) (stop func() error, err error) {
	if url == "" {
		revokedBy(cfg, nil, log)
		return func() error { return nil }, nil
	}
	client, err := rueidis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("-shared: %w", err)
	}
	store, err := redisauth.New(client, &redisauth.Options{Logger: log})
	if err != nil {
		return nil, fmt.Errorf("-shared: %w", err)
	}
	cfg.DPoP.Replay = store
	revokedBy(cfg, store, log)
	return store.Close, nil
}
