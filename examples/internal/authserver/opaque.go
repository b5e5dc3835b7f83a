package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"
)

// ResourceServer is an API that may ask about tokens (RFC 7662 §2.1). ID and Secret have no
// character that is encoded in a form: go-oidc does not decode what comes by HTTP Basic (RFC 6749
// §2.3.1).
type ResourceServer struct{ ID, Secret string }

// opaqueOptions are go-oidc's for tokens that only this server can read.
func (s *Server) opaqueOptions() []provider.Option {
	if len(s.cfg.Opaque) == 0 {
		return nil
	}
	return []provider.Option{
		provider.WithOpaqueTokens(s.store),
		provider.WithOpaqueTokenFunc(func(context.Context, *goidc.Grant) string { return rand.Text() }),
		provider.WithTokenIntrospection(func(_ context.Context, c *goidc.Client, _ goidc.TokenInfo) bool {
			return slices.ContainsFunc(s.cfg.ResourceServers, func(rs ResourceServer) bool { return rs.ID == c.ID })
		}),
	}
}

// tokenOptions say what form a token of the grant has: it is the API's that the grant is for.
func (s *Server) tokenOptions(_ context.Context, g *goidc.Grant, _ *goidc.Client) goidc.TokenOptions {
	lifetime := int(s.lifetime.Load())
	if len(g.Resources) > 0 && !slices.ContainsFunc(g.Resources, func(api string) bool { return !slices.Contains(s.cfg.Opaque, api) }) {
		return goidc.NewOpaqueTokenOptions(lifetime)
	}
	return goidc.NewJWTTokenOptions(goidc.SignatureAlgorithm(s.cfg.Algorithm), lifetime)
}

func (cfg *Config) checkOpaque() error {
	for _, api := range cfg.Opaque {
		if !slices.Contains(cfg.Audiences, api) {
			return errors.New("authserver: Config.Opaque: " + api + " is none of Audiences")
		}
	}
	if len(cfg.Opaque) > 0 && len(cfg.ResourceServers) == 0 {
		return errors.New("authserver: Config.Opaque needs ResourceServers: nobody could ask about such tokens")
	}
	for _, rs := range cfg.ResourceServers {
		if rs.ID == "" || rs.Secret == "" || url.QueryEscape(rs.ID+rs.Secret) != rs.ID+rs.Secret {
			return errors.New("authserver: Config.ResourceServers: each has an ID and a Secret, of letters and digits")
		}
	}
	return nil
}

// resourceClients are the resource servers as clients that can do nothing but ask.
func (cfg *Config) resourceClients() map[string]goidc.Client {
	all := make(map[string]goidc.Client)
	for _, rs := range cfg.ResourceServers {
		all[rs.ID] = goidc.Client{
			ID: rs.ID, Secret: digestPrefix + digest(rs.Secret),
			ClientMeta: goidc.ClientMeta{Name: rs.ID, TokenAuthnMethod: goidc.AuthnMethodSecretBasic},
		}
	}
	return all
}

// askingKey is where the context of a request says that it asks about a token.
type askingKey struct{}

// asking marks a request to the introspection endpoint.
func asking(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), askingKey{}, true))
}

// isAsking tells whether the store is asked for what an API wants to know. Then a refresh token is
// no token: go-oidc would call it active for the same audience (RFC 7662 §2.2 leaves that to the
// server), and a spent one would end its family.
func isAsking(ctx context.Context) bool {
	is, _ := ctx.Value(askingKey{}).(bool)
	return is
}

// SaveToken keeps an opaque token by its digest.
func (s *store) SaveToken(_ context.Context, t *goidc.Token) error {
	kept := *t
	kept.ID = ""
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opaque.put(digest(t.ID), kept)
	return nil
}

// Token returns what is known of an opaque token.
func (s *store) Token(_ context.Context, id string) (*goidc.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.opaque.get(digest(id))
	t.ID = id
	return &t, err
}
