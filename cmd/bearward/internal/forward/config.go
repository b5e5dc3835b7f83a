// Package forward is `bearward forward`: the gate of adapters/forwardauth as a program, configured
// by a file.
package forward

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/provider"
)

// A Config is what the file says. Members that it does not know are errors.
type Config struct {
	Listen   string   `json:"listen"`   // an address, or unix:PATH; for gateways
	Admin    string   `json:"admin"`    // an address for operators: /metrics, /readyz, /revocations
	Revokers []string `json:"revokers"` // addresses or ranges that POST /revocations is heard from, beside this machine
	For      []string `json:"for"`      // forwardauth.Options.For
	Gateways []string `json:"gateways"` // addresses or ranges of addresses
	Form     string   `json:"form"`     // forwarded, the default, or direct
	Prefix   string   `json:"prefix"`
	Rules    string   `json:"rules"` // a file, beside this one unless its path is absolute
	DPoP     string   `json:"dpop"`  // off, the default, allow or require
	Issuers  []Issuer `json:"issuers"`
	Fields   struct {
		Subject string `json:"subject"`
		Issuer  string `json:"issuer"`
		Client  string `json:"client"`
		Scopes  string `json:"scopes"`
	} `json:"fields"`

	dir string // of the file
}

// An Issuer is one whose tokens are accepted.
type Issuer struct {
	Issuer   string   `json:"issuer"`
	Audience string   `json:"audience"`
	Preset   string   `json:"preset"` // one of provider.Names; RFC 9068 when empty
	Callers  []string `json:"callers"`
	KeySet   string   `json:"key_set_url"`

	Introspection *Introspection `json:"introspection"` // nil: its opaque tokens are refused
}

const maxFile = 4 << 20

// parseConfig reads the text of a file. The error has the line and column of what is wrong, where
// it has one.
func parseConfig(name string, data []byte) (*Config, error) {
	c := new(Config)
	if err := json.Unmarshal(data, c, json.RejectUnknownMembers(true)); err != nil {
		return nil, placed(name, data, err)
	}
	if c.Rules == "" {
		return nil, fmt.Errorf("%s: no \"rules\": the file that says who may call what", name)
	}
	c.dir = filepath.Dir(name)
	if !filepath.IsAbs(c.Rules) {
		c.Rules = filepath.Join(c.dir, c.Rules)
	}
	if c.Listen == "" {
		return nil, fmt.Errorf("%s: no \"listen\": an address, such as 127.0.0.1:9001, or unix:PATH", name)
	}
	return c, nil
}

// placed puts the line and column of a fault in front of it.
func placed(name string, data []byte, err error) error {
	at := int64(-1)
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at, err = e.ByteOffset, e.Err
	} else if e, ok := errors.AsType[*json.SemanticError](err); ok {
		at = e.ByteOffset
		text := fmt.Sprintf("%s cannot be read here", e.JSONPointer)
		if errors.Is(e.Err, json.ErrUnknownName) { // check: config-unknown
			text = fmt.Sprintf("there is no setting %s", e.JSONPointer)
		}
		err = errors.New(text)
	}
	if at < 0 || at > int64(len(data)) {
		return fmt.Errorf("%s: %w", name, err)
	}
	before := data[:at]
	// An offset may stand before the blanks and the comma in front of the value that is meant.
	before = data[:len(before)+len(data[at:])-len(bytes.TrimLeft(data[at:], " \t\r\n,:"))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1
	return fmt.Errorf("%s:%d:%d: %w", name, line, column, err)
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: more than %d MiB", name, maxFile>>20)
	}
	return os.ReadFile(name)
}

// options are forwardauth's.
func (c *Config) options() (o forwardauth.Options, err error) {
	o.For, o.Prefix, o.Fields = c.For, c.Prefix, forwardauth.Fields(c.Fields)
	switch c.Form {
	case "", "forwarded":
	case "direct":
		o.Form = forwardauth.Direct
	default:
		return o, fmt.Errorf("\"form\" is %q: forwarded or direct", c.Form)
	}
	if o.Gateways, err = ranges("gateways", c.Gateways); err != nil {
		return o, err
	}
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		o.UnixSocket = path
	}
	return o, nil
}

// revokers are who may revoke, beside this machine.
func (c *Config) revokers() ([]netip.Prefix, error) {
	all, err := ranges("revokers", c.Revokers)
	for _, p := range all {
		if p.Bits() == 0 || p.Addr().Is4In6() { // check: revokers-everybody
			return nil, fmt.Errorf("\"revokers\": %v: everybody, or nobody, could revoke", p)
		}
	}
	return all, err
}

// ranges reads a setting of addresses and ranges of addresses.
func ranges(setting string, texts []string) (all []netip.Prefix, err error) {
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fmt.Errorf("%q: %q is neither an address nor a range of addresses", setting, s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		all = append(all, p)
	}
	return all, nil
}

// guard makes the Guard of all issuers, and what is to be closed after it. Calls to an issuer are
// counted by onCall, and used proofs are kept in proofs.
func (c *Config) guard(opts *auth.GuardOptions, proofs *dpop.Memory, onCall func(introspect.Call)) (*auth.Guard, closers, error) {
	if err := c.bind(opts, proofs); err != nil {
		return nil, nil, err
	}
	if len(c.Issuers) == 0 { // check: config-issuers
		return nil, nil, errors.New("no \"issuers\": nobody's tokens would be accepted")
	}
	var presets []provider.Preset
	asked := -1
	for i, s := range c.Issuers {
		p, err := s.preset()
		if err != nil {
			return nil, nil, numbered(i, err)
		}
		presets = append(presets, p)
		if s.Introspection == nil {
			continue
		}
		if asked >= 0 { // check: config-introspection-one
			return nil, nil, numbered(i, errors.New("a second \"introspection\": an opaque token does not name its issuer"))
		}
		asked = i
	}
	if asked < 0 {
		g, err := provider.Guard(opts, presets...)
		return g, nil, err
	}
	config := introspect.Config{Logger: opts.Keys.Logger, OnCall: onCall}
	opaque, err := c.Issuers[asked].Introspection.introspector(presets[asked], c.dir, config)
	if err != nil {
		return nil, nil, numbered(asked, fmt.Errorf("\"introspection\": %w", err))
	}
	return guardWithForms(opts, presets, opaque)
}

// numbered says which of the issuers an error is about.
func numbered(i int, err error) error {
	return fmt.Errorf("\"issuers\", the %d. of them: %w", i+1, err)
}

// bind sets what the file says of bound tokens.
func (c *Config) bind(opts *auth.GuardOptions, proofs *dpop.Memory) error {
	switch c.DPoP {
	case "", "off":
		return nil
	case "allow", "require":
		binding, err := dpop.New(c.For, proofs, nil)
		opts.Bindings, opts.RequireBound = []auth.Binding{binding}, c.DPoP == "require"
		return err
	}
	return fmt.Errorf("\"dpop\" is %q: off, allow or require", c.DPoP)
}

func (s *Issuer) preset() (provider.Preset, error) {
	p := provider.Preset{Config: auth.Config{Issuer: s.Issuer, Audiences: []string{s.Audience}}}
	if s.Preset != "" {
		var err error
		if p, err = provider.Named(s.Preset, s.Issuer, s.Audience, s.Callers...); err != nil {
			return p, err
		}
	}
	if s.KeySet != "" {
		p.KeySetURL = s.KeySet
	}
	return p, p.Err()
}

// listen opens the address of gateways.
func (c *Config) listen() (net.Listener, error) {
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		return listenUnix(path)
	}
	return net.Listen("tcp", c.Listen)
}

// listenUnix opens a Unix socket. One where nobody listens is what a process left that was killed:
// it is replaced.
func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if info, statErr := os.Lstat(path); statErr != nil || info.Mode()&os.ModeSocket == 0 { // check: listen-no-socket
		return nil, err
	}
	conn, dialErr := net.Dial("unix", path)
	if dialErr == nil {
		conn.Close()
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) { // check: listen-taken
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}
