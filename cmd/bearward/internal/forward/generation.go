package forward

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/bearward/bearward/adapters/forwardauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A generation answers as one reading of the files says.
type generation struct {
	settings      *Config
	config, rules []byte // as they were read
	guard         *auth.Guard
	closes        closers // after the guard
	gate          *forwardauth.Handler
	revokers      []netip.Prefix // who may revoke, beside this machine
	inFlight      sync.WaitGroup
}

// generation makes one of a configuration and its rules. With an error, nothing is left running.
func (s *Server) generation(c *Config, text, rulesText []byte) (*generation, error) {
	g := &generation{settings: c, config: text, rules: rulesText}
	rules, err := parseRules(c.Rules, rulesText)
	if err != nil {
		return nil, err
	}
	named := func(err error) error { return fmt.Errorf("%s: %w", s.o.File, err) }
	if last := s.now(); last != nil && (c.Listen != last.settings.Listen || c.Admin != last.settings.Admin) { // check: reload-addresses
		return nil, named(errors.New("\"listen\" and \"admin\" are read at the start: others need another"))
	}
	options, err := c.options()
	if err != nil {
		return nil, named(err)
	}
	if g.revokers, err = c.revokers(); err != nil {
		return nil, named(err)
	}
	options.OnRefused = func(_ context.Context, f forwardauth.Fault) {
		s.metrics.countFault(f)
		s.o.Log.Warn("refused before any token was read", "fault", string(f))
	}
	opts := &auth.GuardOptions{Keys: &jwks.Options{Logger: s.o.Log}, OnDecision: auth.Hooks(s.metrics.countDecision, auth.LogRefusals(s.o.Log))}
	if c.Admin != "" {
		opts.Revoked = s.revoked.Revoked
	}
	g.guard, g.closes, err = c.guard(opts, s.proofs, s.metrics.countCall)
	if err != nil {
		return nil, named(err)
	}
	if g.gate, err = forwardauth.New(g.guard, rules, options); err != nil {
		return nil, errors.Join(named(err), g.close())
	}
	return g, nil
}

func (g *generation) close() error { return errors.Join(g.guard.Close(), g.closes.Close()) }

// waitReady waits until g can verify the tokens of every issuer, but for those that last cannot
// either.
func (g *generation) waitReady(ctx context.Context, last *generation, limit time.Duration) error {
	lacking := map[string]bool{}
	for _, one := range last.guard.Status() {
		lacking[one.Issuer] = one.Err != nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		missing := ""
		for _, one := range g.guard.Status() {
			if one.Err != nil && !lacking[one.Issuer] { // check: reload-ready
				missing = one.Issuer
				break
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no keys of the issuer %s after %v", missing, limit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// now returns the generation that answers, nil before there is one.
func (s *Server) now() *generation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current
}

// answer answers a gateway. The generation that it began with is not closed before it is done.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	g := s.current
	g.inFlight.Add(1)
	s.mu.RUnlock()
	defer g.inFlight.Done()
	g.gate.ServeHTTP(w, r)
}

// replace has g answer from now on, and closes the generation before when its requests are done.
func (s *Server) replace(g *generation) {
	s.mu.Lock()
	last := s.current
	s.current = g
	s.mu.Unlock()
	s.closing.Go(func() {
		last.inFlight.Wait() // check: reload-in-flight
		if err := last.close(); err != nil {
			s.o.Log.Warn("what was read before was not closed well", "error", err)
		}
	})
}
