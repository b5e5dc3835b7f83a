package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/bearward/bearward/adapters/forwardauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/revocation"
)

// Options are those of a Server that are not in its file.
type Options struct {
	File  string
	Log   *slog.Logger
	Every time.Duration // how often the files are compared; 0 means 2 s
	// MaxRevocations is how many entries there is room for; 0 means 65,536.
	MaxRevocations int
}

// A Server answers gateways until its context ends.
type Server struct {
	o             Options
	guard         *auth.Guard
	closes        closers // after the guard
	gate          *forwardauth.Handler
	metrics       *metrics
	revoked       *revocation.Memory // nil without an address for operators
	revokers      []netip.Prefix     // who may revoke, beside this machine
	listen, admin net.Listener       // admin is nil when the file names none
	rulesFile     string
	config, rules []byte // as they were read last
	changed       []byte // other rules, as they were read once; nil for none
}

// NewServer reads the files and opens the addresses. The error names what is wrong.
func NewServer(o Options) (*Server, error) {
	s, c, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if s.listen, err = c.listen(); err == nil && c.Admin != "" {
		s.admin, err = net.Listen("tcp", c.Admin)
	}
	if err != nil {
		_ = s.close()
		return nil, fmt.Errorf("%s: %w", o.File, err)
	}
	return s, nil
}

// Check reads the files as NewServer does, and opens no address.
func Check(file string) error {
	s, _, err := prepare(Options{File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return s.close()
}

// prepare makes a Server without addresses.
func prepare(o Options) (*Server, *Config, error) {
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	s := &Server{o: o, metrics: newMetrics()}
	c, err := ReadConfig(o.File)
	if err != nil {
		return nil, nil, err
	}
	if s.config, err = readFile(o.File); err != nil {
		return nil, nil, err
	}
	s.rulesFile = c.Rules
	rules, text, err := readRules(c.Rules)
	if err != nil {
		return nil, nil, err
	}
	s.rules = text
	named := func(err error) error { return fmt.Errorf("%s: %w", o.File, err) }
	options, err := c.options()
	if err != nil {
		return nil, nil, named(err)
	}
	if s.revokers, err = c.revokers(); err != nil {
		return nil, nil, named(err)
	}
	options.OnRefused = func(_ context.Context, f forwardauth.Fault) {
		s.metrics.countFault(f)
		o.Log.Warn("refused before any token was read", "fault", string(f))
	}
	opts := &auth.GuardOptions{Keys: &jwks.Options{Logger: o.Log}, OnDecision: auth.Hooks(s.metrics.countDecision, auth.LogRefusals(o.Log))}
	if c.Admin != "" {
		s.revoked = revocation.NewMemory(o.MaxRevocations)
		opts.Revoked = s.revoked.Revoked
	}
	s.guard, s.closes, err = c.guard(opts, s.metrics.countCall)
	if err != nil {
		return nil, nil, named(err)
	}
	if s.gate, err = forwardauth.New(s.guard, rules, options); err != nil {
		_ = s.close()
		return nil, nil, named(err)
	}
	return s, c, nil
}

func (s *Server) close() error {
	var errs []error
	for _, l := range []net.Listener{s.listen, s.admin} {
		if l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(append(errs, s.guard.Close(), s.closes.Close())...)
}

// Addr is where gateways are answered, and Admin where operators are; nil for nowhere.
func (s *Server) Addr() net.Addr { return s.listen.Addr() }

// Admin is described at Addr.
func (s *Server) Admin() net.Addr {
	if s.admin == nil {
		return nil
	}
	return s.admin.Addr()
}

// Serve answers until ctx ends. It then finishes the requests that are under way, for at most 10 s.
func (s *Server) Serve(ctx context.Context) error {
	gates := &http.Server{Handler: s.gate, ConnContext: auth.ConnContext, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	admins := &http.Server{ReadTimeout: 30 * time.Second, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 2)
	running := 1
	go func() { failed <- gates.Serve(s.listen) }()
	if s.admin != nil {
		running++
		admins.Handler = s.ends()
		go func() { failed <- admins.Serve(s.admin) }()
	}
	s.o.Log.Info("answering gateways", "address", s.Addr().String())
	ticker := time.NewTicker(s.o.Every)
	defer ticker.Stop()
	var err error
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case err = <-failed:
			running--
			ended = true
		case <-ticker.C:
			s.reload()
		}
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(err, gates.Shutdown(limited), admins.Shutdown(limited))
	for range running {
		<-failed
	}
	return errors.Join(err, s.close())
}

// ends is what operators are served.
func (s *Server) ends() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /readyz", s.guard.ReadyHandler())
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		s.metrics.write(w, s.guard.Ready() == nil, s.revoked.Len())
	})
	mux.HandleFunc("POST /revocations", s.revoke)
	return mux
}

// reload compares the files by content, and swaps rules that were read twice alike. Rules with a
// fault, and a changed configuration, are told once: what was read before goes on.
func (s *Server) reload() {
	if text, err := readFile(s.o.File); err == nil && !bytes.Equal(text, s.config) {
		s.config = text
		s.o.Log.Warn("the configuration changed: it is read at the next start", "file", s.o.File)
	}
	text, err := readFile(s.rulesFile)
	if err == nil && bytes.Equal(text, s.rules) {
		s.changed = nil
		return
	}
	// A file that is being written may lack the narrower rules at its end.
	if err == nil && (s.changed == nil || !bytes.Equal(text, s.changed)) { // check: rules-settled
		s.changed = text
		return
	}
	s.changed = nil
	s.rules = text // nil for a file that is not there: it is read when it is back
	if err == nil {
		var rules auth.Rules
		if rules, err = parseRules(s.rulesFile, text); err == nil {
			err = s.gate.Swap(rules)
		}
	}
	if s.metrics.countReload(err) {
		s.o.Log.Error("the rules were not read: those before stay in use", "file", s.rulesFile, "error", err)
		return
	}
	if err == nil {
		s.o.Log.Info("the rules were replaced", "file", s.rulesFile)
	}
}

func readRules(name string) (auth.Rules, []byte, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, nil, err
	}
	rules, err := parseRules(name, text)
	return rules, text, err
}

func parseRules(name string, text []byte) (auth.Rules, error) {
	rules, err := auth.ParseRules(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rules, nil
}
