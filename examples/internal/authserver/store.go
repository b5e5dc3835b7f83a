package authserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// maxEntries bounds each kind of stored thing; the oldest one leaves first.
const maxEntries = 10_000

// store keeps everything in memory behind one lock. What it returns and what
// it is given are copies, since go-oidc changes its values while other
// requests read them. Codes, refresh tokens and client secrets are looked up
// and compared by their SHA-256.
type store struct {
	log *slog.Logger

	mu       sync.Mutex
	clients  shelf[goidc.Client]
	sessions shelf[goidc.AuthnSession]
	logouts  shelf[goidc.LogoutSession]
	grants   shelf[goidc.Grant]
	codes    shelf[string] // digest of a code: grant ID
	refresh  shelf[string] // digest of a refresh token, also of spent ones: grant ID
	opaque   shelf[goidc.Token]

	resourceServers map[string]goidc.Client // which are never forgotten
}

func newStore(log *slog.Logger, resourceServers map[string]goidc.Client) *store {
	return &store{log: log, resourceServers: resourceServers}
}

// shelf is a map that forgets its oldest entry when it is full.
type shelf[V any] struct {
	items map[string]V
	order []string
}

func (s *shelf[V]) put(key string, v V) {
	if s.items == nil {
		s.items = make(map[string]V)
	}
	if _, known := s.items[key]; !known {
		if len(s.order) == maxEntries {
			delete(s.items, s.order[0])
			s.order = s.order[1:]
		}
		s.order = append(s.order, key)
	}
	s.items[key] = v
}

func (s *shelf[V]) get(key string) (V, error) {
	v, ok := s.items[key]
	if !ok {
		return v, goidc.ErrNotFound
	}
	return v, nil
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

const digestPrefix = "sha256:"

// verifySecret compares a client secret with its stored digest. The secrets
// are random, so a plain hash is enough.
func verifySecret(_ context.Context, stored, presented string) error {
	if subtle.ConstantTimeCompare([]byte(stored), []byte(digestPrefix+digest(presented))) != 1 {
		return errors.New("client secret does not match")
	}
	return nil
}

func (s *store) SaveClient(_ context.Context, c *goidc.Client) error {
	kept := *c
	if kept.Secret != "" && !strings.HasPrefix(kept.Secret, digestPrefix) {
		kept.Secret = digestPrefix + digest(kept.Secret)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients.put(c.ID, kept)
	return nil
}

func (s *store) Client(_ context.Context, id string) (*goidc.Client, error) {
	if c, ok := s.resourceServers[id]; ok {
		return &c, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.clients.get(id)
	return &c, err
}

func (s *store) DeleteClient(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients.items, id)
	return nil
}

func (s *store) SaveSession(_ context.Context, as *goidc.AuthnSession) error {
	kept := *as
	kept.Store = maps.Clone(as.Store)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.put(as.ID, kept)
	return nil
}

func (s *store) Session(_ context.Context, id string) (*goidc.AuthnSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	as, err := s.sessions.get(id)
	as.Store = maps.Clone(as.Store)
	return &as, err
}

func (s *store) SaveLogoutSession(_ context.Context, ls *goidc.LogoutSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logouts.put(ls.ID, *ls)
	return nil
}

func (s *store) LogoutSession(_ context.Context, id string) (*goidc.LogoutSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ls, err := s.logouts.get(id)
	return &ls, err
}

// SaveGrant also remembers the grant's refresh token for good: a token that
// was replaced still leads to its family.
func (s *store) SaveGrant(_ context.Context, g *goidc.Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.AuthCode != "" {
		s.codes.put(digest(g.AuthCode), g.ID)
	}
	if g.RefreshToken != "" {
		s.refresh.put(digest(g.RefreshToken), g.ID)
	}
	kept := *g
	kept.Store = maps.Clone(g.Store)
	s.grants.put(g.ID, kept)
	return nil
}

func (s *store) Grant(_ context.Context, id string) (*goidc.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grant(id)
}

func (s *store) grant(id string) (*goidc.Grant, error) {
	g, err := s.grants.get(id)
	g.Store = maps.Clone(g.Store)
	return &g, err
}

func (s *store) GrantByAuthCode(_ context.Context, code string) (*goidc.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.codes.get(digest(code))
	if err != nil {
		return nil, err
	}
	return s.grant(id)
}

// GrantByRefreshToken returns the grant whose current refresh token this is.
// A spent token means that two parties hold the family, one of them a thief:
// the whole grant is revoked (RFC 9700 §4.14.2).
func (s *store) GrantByRefreshToken(ctx context.Context, token string) (*goidc.Grant, error) {
	if isAsking(ctx) {
		return nil, goidc.ErrNotFound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.refresh.get(digest(token))
	if err != nil {
		return nil, err
	}
	g, err := s.grant(id)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(g.RefreshToken), []byte(token)) == 1 {
		return g, nil
	}
	if g.RevokedAt == 0 {
		g.RevokedAt = int(time.Now().Unix())
		s.grants.put(id, *g)
		s.log.Warn("refresh token used twice: grant revoked", "client_id", g.ClientID)
	}
	return nil, goidc.ErrNotFound
}
