package api

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

// A trusted is an issuer whose tokens the API accepts, with its keys.
type trusted struct {
	preset provider.Preset
	keys   *jwks.Cache
}

// allTrusted are the trusted issuers, in the order of their names in cfg.
type allTrusted []trusted

// presets are those of cfg.Issuer and cfg.MoreIssuers.
func (cfg Config) presets() (all []provider.Preset, err error) {
	for _, issuer := range append([]string{cfg.Issuer}, cfg.MoreIssuers...) {
		preset := provider.Preset{Config: auth.Config{Issuer: issuer, Audiences: []string{cfg.Audience}}}
		if cfg.Preset != "" {
			if preset, err = provider.Named(cfg.Preset, issuer, cfg.Audience, cfg.Callers...); err != nil {
				return nil, err
			}
		}
		preset.Config.Leeway = cfg.Leeway
		if cfg.Profile == auth.FAPI2 && len(preset.Config.Algorithms) == 0 {
			preset.Config.Algorithms = strong()
		}
		all = append(all, preset)
	}
	return all, nil
}

// trust has the keys of every issuer fetched. With an error nothing is left running.
func (cfg Config) trust(meter *meter) (all allTrusted, err error) {
	presets, err := cfg.presets()
	if err != nil {
		return nil, err
	}
	for i, preset := range presets {
		keys, err := preset.Source(&jwks.Options{
			RefreshEvery: cfg.Refresh,
			MaxStale:     cfg.MaxStale,
			Cooldown:     cfg.Cooldown,
			Client:       cfg.Client,
			Logger:       slog.New(slog.DiscardHandler), // the hook logs the same, and more
			OnRefresh:    meter.onRefresh(i, jwks.LogRefreshes(cfg.Logger)),
		})
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, trusted{preset, keys})
		if err := meter.watch(i, keys); err != nil {
			return nil, errors.Join(err, all.Close())
		}
	}
	return all, nil
}

// Close closes the keys.
func (all allTrusted) Close() error {
	var errs []error
	for _, t := range all {
		errs = append(errs, t.keys.Close())
	}
	return errors.Join(errs...)
}

// verifier verifies JWTs of all of them.
func (all allTrusted) verifier() (auth.TokenVerifier, error) {
	var vs []*auth.Verifier
	for _, t := range all {
		v, err := t.preset.Verifier(t.keys)
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	if len(vs) == 1 {
		return vs[0], nil
	}
	return auth.NewIssuers(vs...)
}

// guardOf returns the Guard over what is trusted, and what is closed when it is no longer used.
// With an error, what is trusted stays the caller's.
func (cfg Config) guardOf(all allTrusted, options *auth.GuardOptions, meter *meter) (*auth.Guard, io.Closer, error) {
	tokens, err := all.verifier()
	if err != nil {
		return nil, nil, err
	}
	closes := closers{all}
	if cfg.Introspection.Endpoint != "" {
		if cfg.Introspection.JWTs && len(all) > 1 {
			return nil, nil, fmt.Errorf("api: Config.Introspection.JWTs: only the first of %d issuers is asked", len(all))
		}
		asked, err := cfg.introspector(all[0].preset, all[0].keys, meter)
		if err != nil {
			return nil, nil, err
		}
		closes = closers{asked, all}
		if tokens, err = cfg.Introspection.forms(tokens, asked); err != nil {
			return nil, nil, errors.Join(err, asked.Close())
		}
	}
	guard, err := auth.NewGuard(tokens, options)
	if err != nil {
		if len(closes) > 1 {
			err = errors.Join(err, closes[0].Close())
		}
		return nil, nil, err
	}
	return guard, closes, nil
}
