package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"

	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/examples/internal/api"
	auth "github.com/bearward/bearward/middleware"
)

// profileFlag is -profile.
type profileFlag struct{ name string }

func (p *profileFlag) register(fs *flag.FlagSet) {
	fs.StringVar(&p.name, "profile", "", "`name` of rules that all of this must keep to: fapi2 is the FAPI 2.0 Security Profile; needs -dpop require or -mtls")
}

// apply sets cfg.Profile, when cfg.DPoP and cfg.MTLS can keep to it.
func (p *profileFlag) apply(cfg *api.Config) error {
	switch {
	case p.name == "":
		return nil
	case p.name != "fapi2":
		return fmt.Errorf("-profile %q is not fapi2", p.name)
	case cfg.DPoP.Allow:
		return errors.New("-profile fapi2 and -dpop allow contradict each other: allow accepts plain tokens")
	case !cfg.DPoP.Require && !cfg.MTLS.Allow && len(cfg.MTLS.Proxies) == 0:
		return errors.New("-profile fapi2 needs -dpop require or -mtls")
	}
	cfg.Profile = auth.FAPI2
	return nil
}

// revokedBy makes store, which is nil without -shared, tell which tokens are revoked. It does so
// under a profile alone: else plain tokens, which need no Redis, would need it too.
func revokedBy(cfg *api.Config, store *redisauth.Store, log *slog.Logger) {
	switch {
	case cfg.Profile == 0:
	case store == nil:
		log.Warn("revocations are kept in this process, in which nothing writes them: -shared takes them from Redis")
	default:
		cfg.Revoked = store.Revoked
	}
}
