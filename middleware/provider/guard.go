package provider

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// Guard returns a Guard for the issuers of one or several presets, with a key cache of its own for
// each. [auth.Guard.Close] stops them all, and Ready and Status tell of each. A token is verified
// by the preset of the issuer that it names, and by no other. An issuer of RFC 9068 tokens needs no
// function of this package: it is a Preset whose Config has an Issuer and Audiences.
//
// Opts may be nil. Its Keys adjust every cache, so they must not name a SnapshotFile for several.
// Where it has no Header, the presets' Preset.Header counts, which must be the same for all. Guard
// does no I/O. The error says which preset cannot be used, or that two are of one issuer.
func Guard(opts *auth.GuardOptions, presets ...Preset) (*auth.Guard, error) {
	if len(presets) == 0 {
		return nil, errors.New("provider: Guard needs a Preset")
	}
	var o auth.GuardOptions
	if opts != nil {
		o = *opts
	}
	var keys jwks.Options
	if o.Keys != nil {
		keys = *o.Keys
	}
	if keys.SnapshotFile != "" && len(presets) > 1 { // check: snapshot-shared
		return nil, fmt.Errorf("provider: GuardOptions.Keys.SnapshotFile is one file for %d issuers", len(presets))
	}
	o.Keys = nil
	if o.Header == "" {
		var err error
		if o.Header, err = headerOf(presets); err != nil {
			return nil, err
		}
	}
	return guard(&o, &keys, presets)
}

// headerOf returns the header field that the tokens of all presets come in.
func headerOf(presets []Preset) (string, error) {
	for _, p := range presets[1:] {
		if p.Header != presets[0].Header { // check: header-differs
			return "", fmt.Errorf("provider: tokens of %s come in %s, and those of %s in %s: make a Guard for each, or set GuardOptions.Header",
				presets[0].Config.Issuer, cmp.Or(presets[0].Header, "Authorization"), p.Config.Issuer, cmp.Or(p.Header, "Authorization"))
		}
	}
	return presets[0].Header, nil
}

// guard makes what Guard returns. With an error, nothing that it made is left running.
func guard(opts *auth.GuardOptions, keys *jwks.Options, presets []Preset) (g *auth.Guard, err error) {
	var caches []*jwks.Cache
	defer func() {
		if err != nil {
			for _, c := range caches {
				err = errors.Join(err, c.Close()) // check: closed-on-error
			}
		}
	}()
	var verifiers []*auth.Verifier
	for _, p := range presets {
		cache, err := p.Source(keys)
		if err != nil {
			return nil, err
		}
		caches = append(caches, cache)
		if opts.Profile == auth.FAPI2 && len(p.Config.Algorithms) == 0 {
			p.Config.Algorithms = []auth.Algorithm{auth.PS256, auth.ES256, auth.EdDSA}
		}
		v, err := p.Verifier(cache)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, v)
	}
	return auth.NewWithVerifiers(opts, verifiers...)
}

// Guard returns a Guard with a key cache of its own, which its Close stops. Opts may be nil, and
// its Keys adjust the cache. It does no I/O.
func (p Preset) Guard(opts *auth.GuardOptions) (*auth.Guard, error) { return Guard(opts, p) }
