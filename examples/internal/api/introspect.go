package api

import (
	"errors"
	"io"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/provider"
)

// Introspection says how the issuer is asked about tokens (RFC 7662). The zero value asks nothing:
// only JWTs are accepted.
type Introspection struct {
	Endpoint string                // URL, or introspect.FromMetadata; "": nothing is asked
	Client   introspect.ClientAuth // who asks
	TTL      time.Duration         // how long answers are used; 0: introspect's default, negative: not at all
	JWTs     bool                  // JWTs that verified are asked about, too
	Signed   bool                  // only answers that the issuer signed count (RFC 9701)
}

// introspector asks the issuer of preset.
func (cfg Config) introspector(preset provider.Preset, keys *jwks.Cache, meter *meter) (*introspect.Introspector, error) {
	c := introspect.Config{
		MaxAge: cfg.Introspection.TTL, NegativeAge: refusalsFor(cfg.Introspection.TTL),
		Logger: cfg.Logger, OnCall: meter.onCall(), Client: cfg.Client,
	}
	if cfg.Introspection.Signed {
		c.Signed = keys
	}
	preset.IntrospectionURL = cfg.Introspection.Endpoint
	return preset.Introspector(cfg.Introspection.Client, &c)
}

// forms gives JWTs to jwts, and opaque tokens to asked.
func (i Introspection) forms(jwts auth.TokenVerifier, asked *introspect.Introspector) (auth.TokenVerifier, error) {
	if i.JWTs {
		revocable, err := introspect.Revocable(jwts, asked)
		if err != nil {
			return nil, err
		}
		jwts = revocable
	}
	return auth.NewForms(jwts, asked)
}

// longestRefusal is introspect's default.
const longestRefusal = 5 * time.Second

// refusalsFor is how long refusals are remembered: never longer than good answers.
func refusalsFor(ttl time.Duration) time.Duration {
	if 0 < ttl && ttl < longestRefusal {
		return ttl
	}
	return 0
}

// closers are closed in their order.
type closers []io.Closer

func (all closers) Close() error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
