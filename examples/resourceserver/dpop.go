package main

import (
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/examples/internal/api"
)

// dpopFlags are those of DPoP (RFC 9449).
type dpopFlags struct {
	mode, nonce     string
	keyFile, origin string
	lifetime        time.Duration
}

func (d *dpopFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&d.mode, "dpop", "off", "`mode`: off refuses tokens that are bound to a key, allow takes them with a proof, require takes no others")
	fs.StringVar(&d.nonce, "dpop-nonce", "off", "`mode`: off, or require to make every proof carry a nonce of this API")
	fs.StringVar(&d.keyFile, "dpop-nonce-key", "", "`file` with 32 bytes in base64url, which make the nonces; replicas that share it take each other's (default: random). More lines, up to 4, are keys that are accepted too")
	fs.DurationVar(&d.lifetime, "dpop-nonce-lifetime", 0, "`time` for which a nonce can be used, 1s to 1h (default 3m)")
	fs.StringVar(&d.origin, "dpop-origin", "", "`URL` that clients call the API by (default: what it listens on; required where -addr has no host)")
}

// apply sets cfg.DPoP. Flags that would have no effect are an error.
func (d *dpopFlags) apply(fs *flag.FlagSet, cfg *api.Config) error {
	for name, value := range map[string]string{"dpop": d.mode, "dpop-nonce": d.nonce} {
		modes := []string{"off", "require"}
		if name == "dpop" {
			modes = []string{"off", "allow", "require"}
		}
		if !slices.Contains(modes, value) {
			return fmt.Errorf("-%s %q is none of %s", name, value, strings.Join(modes, ", "))
		}
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, name := range []string{"dpop-nonce-key", "dpop-nonce-lifetime"} {
		if given[name] && d.nonce == "off" {
			return fmt.Errorf("-%s needs -dpop-nonce require", name)
		}
	}
	if d.mode == "off" {
		if given["dpop-origin"] || d.nonce != "off" {
			return fmt.Errorf("-dpop-origin and -dpop-nonce need -dpop allow or -dpop require")
		}
		return nil
	}
	if host, _, err := net.SplitHostPort(cfg.Addr); d.origin == "" && err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		return fmt.Errorf("-dpop-origin is required: -addr %s has no host that clients call", cfg.Addr)
	}
	cfg.DPoP = api.DPoP{Allow: d.mode == "allow", Require: d.mode == "require", Origin: d.origin, Nonces: d.nonce == "require", NonceLifetime: d.lifetime}
	if given["dpop-nonce-lifetime"] && (d.lifetime < time.Second || d.lifetime > time.Hour) {
		return fmt.Errorf("-dpop-nonce-lifetime %v: want 1s to 1h", d.lifetime)
	}
	if d.keyFile != "" {
		keys, err := readKeys(d.keyFile)
		if err != nil {
			return fmt.Errorf("-dpop-nonce-key: %w", err)
		}
		cfg.DPoP.NonceKeys = keys
	}
	return nil
}

const (
	nonceKeyBytes = 32 // is the length of a nonce key
	maxNonceKeys  = 4  // of a file; two are needed while a key is replaced
)

// readKeys reads the keys of nonces, a line each. Its errors do not show what the file holds.
func readKeys(file string) (keys [][]byte, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := strings.Fields(string(text))
	if len(lines) == 0 || len(lines) > maxNonceKeys {
		return nil, fmt.Errorf("%s has %d lines: want 1 to %d, of %d bytes in base64url", file, len(lines), maxNonceKeys, nonceKeyBytes)
	}
	for i, line := range lines {
		key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(line, "="))
		if err != nil || len(key) != nonceKeyBytes {
			return nil, fmt.Errorf("line %d of %s does not hold %d bytes in base64url", i+1, file, nonceKeyBytes)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
