package api

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
)

// DPoP says what the API does with tokens that are bound to a key of their sender (RFC 9449). The
// zero DPoP refuses them.
type DPoP struct {
	Allow   bool   // bound tokens need a proof, and plain ones are accepted
	Require bool   // only bound tokens with a proof are accepted
	Origin  string // what clients call the API; "": the scheme and address that it listens on

	Nonces        bool          // every proof needs a nonce of this API
	NonceKeys     [][]byte      // the first makes the nonces, all are accepted; nil: random. Replicas share them.
	NonceLifetime time.Duration // 0: dpop.NewNonces' default

	Replay dpop.ReplayStore // of used proofs; nil: in the process
}

// bind adds what cfg.DPoP says to the options of a guard whose API listens on addr.
func (cfg Config) bind(options *auth.GuardOptions, addr net.Addr) error {
	d := cfg.DPoP
	if !d.Allow && !d.Require {
		return nil
	}
	origin, err := cfg.origin(addr)
	if err != nil {
		return err
	}
	var o dpop.Options
	if cfg.Profile == auth.FAPI2 {
		o.Algorithms = strong()
	}
	if d.Nonces {
		if o.Nonces, err = dpop.NewNonces(d.NonceLifetime, d.NonceKeys...); err != nil {
			return fmt.Errorf("api: Config.DPoP: %w", err)
		}
	}
	store := d.Replay
	if store == nil {
		store = dpop.NewMemory(0)
	}
	binding, err := dpop.New([]string{origin}, store, &o)
	if err != nil {
		return fmt.Errorf("api: Config.DPoP: %w", err)
	}
	options.Bindings = append(options.Bindings, binding)
	options.RequireBound = d.Require
	return nil
}

// origin is what clients call the API. A port of 0 in cfg.Addr is the one that addr has.
func (cfg Config) origin(addr net.Addr) (string, error) {
	if cfg.DPoP.Origin != "" {
		return cfg.DPoP.Origin, nil
	}
	scheme := "http"
	if cfg.TLS != nil {
		scheme = "https"
	}
	host, _, err := net.SplitHostPort(cfg.Addr)
	_, port, err2 := net.SplitHostPort(addr.String())
	if err := cmp.Or(err, err2); err != nil {
		return "", err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return "", errors.New("api: Config.DPoP.Origin is needed: Config.Addr has no host that clients call")
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}
