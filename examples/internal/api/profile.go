package api

import (
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/revocation"
)

// strong are the algorithms of FAPI 2.0 (§5.4.1), for proofs, and for tokens of an issuer whose
// preset names none.
func strong() []auth.Algorithm { return []auth.Algorithm{auth.PS256, auth.ES256, auth.EdDSA} }

// keepProfile adds what cfg.Profile and cfg.Revoked say to the options of a guard.
func (cfg Config) keepProfile(options *auth.GuardOptions) {
	options.Revoked, options.Profile = cfg.Revoked, cfg.Profile
	if cfg.Profile != auth.FAPI2 {
		return
	}
	options.RequireBound = true // every rule but the public ones
	if options.Revoked == nil {
		options.Revoked = revocation.NewMemory(0).Revoked
	}
}
