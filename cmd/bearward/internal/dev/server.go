// Package dev is what `bearward dev` runs: an issuer on this machine, for development, that gives a
// token to every program that asks.
package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

// Options say what a Server is.
type Options struct {
	Addr     string // a loopback address and a port; 0 takes a free one
	Audience string // the API's name in the tokens
	Preset   string // of package provider, whose form the tokens get; "": RFC 9068
	KeyFile  string // keeps the key that signs; "": it is in memory alone
	Token    Token  // what tokens have where the one who asks does not say
	Rotate   time.Duration
	// Rotated is told of each key that Rotate has made, by the goroutine of Serve.
	Rotated func(keyID string)
}

// keptKeys is how many keys stay published: the one that signs, and those before it.
const keptKeys = 5

// A Server is an issuer with its listener. It is safe for concurrent use.
type Server struct {
	opts     Options
	issuer   *issuer.Issuer
	listener net.Listener
}

// New listens, and makes the keys. The error names the option at fault. After New, Serve must be
// called.
func New(ctx context.Context, opts Options) (*Server, error) {
	if opts.Audience == "" {
		return nil, errors.New("-aud is empty: an API must have a name")
	}
	if opts.Rotate != 0 && opts.Rotate < time.Second {
		return nil, fmt.Errorf("-rotate %v is below 1s", opts.Rotate)
	}
	listener, err := listen(ctx, opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("-addr %s: %w", opts.Addr, err)
	}
	s := &Server{opts: opts, listener: listener}
	if err := s.makeIssuer(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if _, err := s.Issue(Token{}); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return s, nil
}

func (s *Server) makeIssuer() error {
	base := "http://" + s.listener.Addr().String()
	o := issuer.Options{URL: base, Audience: s.opts.Audience, Algorithm: auth.ES256, ThumbprintIDs: true}
	if s.opts.Preset != "" {
		preset, ok := presetAt(base, s.opts.Preset, s.opts.Audience)
		if !ok {
			return fmt.Errorf("-preset %q: an issuer on this machine can be one of %s", s.opts.Preset, strings.Join(Presets(), ", "))
		}
		o = issuer.Options{Form: &preset.Config, KeySetURL: preset.KeySetURL, Claims: preset.Example, ThumbprintIDs: true}
	}
	keys := keyFile{name: s.opts.KeyFile}
	o.NewKey = keys.next
	var err error
	if s.issuer, err = issuer.New(o); err != nil && s.opts.KeyFile != "" {
		return fmt.Errorf("-keys %s: %w", s.opts.KeyFile, err)
	}
	return err
}

// paths are what stands behind the host in the issuers of presets.
var paths = []string{"", "/realms/dev"}

// presetAt returns a preset for an issuer at base, and false where the issuer of a preset is at a
// host of the provider's.
func presetAt(base, name, audience string) (provider.Preset, bool) {
	for _, path := range paths {
		preset, err := provider.Named(name, base+path, audience)
		if err == nil && (preset.KeySetURL == "" || strings.HasPrefix(preset.KeySetURL, base+"/")) {
			return preset, true
		}
	}
	return provider.Preset{}, false
}

// Presets are the names that Options.Preset takes.
func Presets() (names []string) {
	for _, name := range provider.Names() {
		if _, ok := presetAt("http://127.0.0.1:9000", name, "api"); ok {
			names = append(names, name)
		}
	}
	return names
}

// URL returns the issuer's identifier.
func (s *Server) URL() string { return s.issuer.URL() }

// Base returns the address of the server, which the issuer's identifier begins with.
func (s *Server) Base() string { return "http://" + s.listener.Addr().String() }

// rotate makes a new key that signs from now on, and returns its ID. Those before it stay
// published, but for the oldest.
func (s *Server) rotate() (string, error) {
	id, err := s.issuer.Rotate()
	if err != nil {
		return "", err
	}
	if ids := s.issuer.KeyIDs(); len(ids) > keptKeys {
		err = s.issuer.Withdraw(ids[:len(ids)-keptKeys]...)
	}
	return id, err
}

// Serve answers until ctx is done or the listener fails, and then waits for requests under way, two
// seconds at most. It closes the listener.
func (s *Server) Serve(ctx context.Context) error {
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.listener) }()
	var ticks <-chan time.Time
	if s.opts.Rotate > 0 {
		ticker := time.NewTicker(s.opts.Rotate)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case <-ticks:
			if id, err := s.rotate(); err == nil && s.opts.Rotated != nil {
				s.opts.Rotated(id)
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if server.Shutdown(grace) != nil {
				_ = server.Close()
			}
			<-ended
			return nil
		}
	}
}
