package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"

	"github.com/bearward/bearward/bench/tokens"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A stand is a key, a token that it signed, the server that publishes the key, and Bearward's key
// cache over it.
type stand struct {
	key    *tokens.Key
	token  string
	server *httptest.Server
	keys   *jwks.Cache
}

func newStand(ctx context.Context, alg string, more ...*tokens.Key) (*stand, error) {
	key, err := tokens.NewKey(alg, tokens.KeyID)
	if err != nil {
		return nil, err
	}
	s := &stand{key: key, server: tokens.Serve(append([]*tokens.Key{key}, more...)...)}
	if s.token, err = key.Sign(tokens.Claims()); err == nil {
		if s.keys, err = jwks.New(s.server.URL, nil); err == nil {
			if err = s.keys.Refresh(ctx); err == nil {
				return s, nil
			}
		}
	}
	s.close()
	return nil, err
}

func (s *stand) close() {
	if s.keys != nil {
		_ = s.keys.Close()
	}
	s.server.Close()
}

// off is a CacheSize without a token cache.
const off = -1

// verifier returns Bearward's verifier; cache is Config.CacheSize.
func (s *stand) verifier(cache int) (*auth.Verifier, error) {
	return auth.NewVerifier(s.keys, auth.Config{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience}, CacheSize: cache})
}

// accept is the verification of one token that must be good.
func accept(ctx context.Context, v auth.TokenVerifier, token string) func() error {
	return func() error {
		_, err := v.VerifyToken(ctx, token)
		return err
	}
}

// refuse is the verification of one token that must be refused for one of reasons.
func refuse(ctx context.Context, v auth.TokenVerifier, token string, reasons ...auth.Reason) func() error {
	return func() error {
		_, err := v.VerifyToken(ctx, token)
		if e, ok := err.(*auth.Error); !ok || !slices.Contains(reasons, e.Reason) {
			return fmt.Errorf("got %v, want a refusal for %v", err, reasons)
		}
		return nil
	}
}
