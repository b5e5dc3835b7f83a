package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/revocation"
)

// Options are those of a Server that are not in its file.
type Options struct {
	File  string
	Log   *slog.Logger
	Every time.Duration // how often the files are compared; 0 means 2 s
	// Reload has the files compared at once, and faults told again. Default none.
	Reload <-chan os.Signal
	// ReadyTimeout is how long a changed configuration may take to have the keys of its issuers; 0
	// means 10 s.
	ReadyTimeout time.Duration
	// MaxRevocations is how many entries there is room for; 0 means 65,536.
	MaxRevocations int
}

// A Server answers gateways until its context ends.
type Server struct {
	o             Options
	metrics       *metrics
	proofs        *dpop.Memory       // of all generations: a proof that was used stays so
	revoked       *revocation.Memory // likewise
	listen, admin net.Listener       // admin is nil when the file names none

	mu      sync.RWMutex
	current *generation
	closing sync.WaitGroup // of those before

	// What the files were at the last look, when it was not what is in use.
	changedConfig, changedRules []byte
}

// NewServer reads the files and opens the addresses. The error names what is wrong.
func NewServer(o Options) (*Server, error) {
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	c := s.current.settings
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
	s, err := prepare(Options{File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return s.close()
}

// prepare makes a Server without addresses.
func prepare(o Options) (*Server, error) {
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = 10 * time.Second
	}
	s := &Server{o: o, metrics: newMetrics(), proofs: dpop.NewMemory(0), revoked: revocation.NewMemory(o.MaxRevocations)}
	text, err := readFile(o.File)
	if err != nil {
		return nil, err
	}
	c, rules, err := s.read(text)
	if err != nil {
		return nil, err
	}
	s.current, err = s.generation(c, text, rules)
	return s, err
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
	s.closing.Wait()
	return errors.Join(append(errs, s.current.close())...)
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
	gates := &http.Server{Handler: http.HandlerFunc(s.answer), ConnContext: auth.ConnContext, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
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
			s.reload(ctx, false)
		case <-s.o.Reload:
			s.o.Log.Info("asked to read the files again", "file", s.o.File)
			s.metrics.forget()
			s.current.rules = nil // to be read in any case
			s.reload(ctx, true)
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
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { s.now().guard.ReadyHandler().ServeHTTP(w, r) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		s.metrics.write(w, s.now().guard.Ready() == nil, s.revoked.Len())
	})
	mux.HandleFunc("POST /revocations", s.revoke)
	return mux
}

// read parses the text of the configuration, and reads the rules that it names. With a fault in it,
// it reads those that are in use, and tells their faults, too.
func (s *Server) read(text []byte) (c *Config, rules []byte, err error) {
	if c, err = parseConfig(s.o.File, text); err == nil {
		rules, err = readFile(c.Rules)
		return c, rules, err
	}
	if s.current == nil {
		return nil, nil, err
	}
	name := s.current.settings.Rules
	rules, fault := readFile(name)
	if fault == nil {
		_, fault = parseRules(name, rules)
	}
	return nil, rules, errors.Join(err, fault)
}

// reload compares the files by content, and takes what was read twice alike, or what is whole. A
// changed configuration makes a generation of its own, with its rules; changed rules alone are
// swapped. What has a fault is told once, and tried again at the next look: what was read before
// goes on. Rules beside a configuration with a fault wait for it: they may be open for all but
// those whom it was to keep out.
func (s *Server) reload(ctx context.Context, whole bool) {
	text, err := readFile(s.o.File)
	if err == nil && bytes.Equal(text, s.current.config) {
		s.changedConfig = nil
		s.metrics.settle(&s.metrics.config)
		s.reloadRules(whole)
		return
	}
	s.changedRules = nil // they are looked at with the configuration
	if err == nil {
		var c *Config
		var rules []byte
		c, rules, err = s.read(text)
		seen := slices.Concat(text, []byte{0}, rules)
		settled := whole || bytes.Equal(seen, s.changedConfig)
		if !bytes.Equal(seen, s.changedConfig) {
			s.changedConfig = seen
			s.metrics.renew(&s.metrics.config)
		}
		if !settled { // check: config-settled
			return
		}
		if err == nil {
			err = s.reloadAll(ctx, c, text, rules)
		}
	}
	if ctx.Err() != nil {
		return
	}
	if s.metrics.countReload(&s.metrics.config, err) {
		s.o.Log.Error("the configuration was not read: the one before stays in use, and its rules", "file", s.o.File, "error", err)
	}
	if err != nil {
		return
	}
	s.changedConfig = nil
	s.metrics.settle(&s.metrics.rules)
	s.o.Log.Info("the configuration was replaced", "file", s.o.File)
}

// reloadAll replaces everything that the files say, or nothing.
func (s *Server) reloadAll(ctx context.Context, c *Config, text, rules []byte) error {
	g, err := s.generation(c, text, rules)
	if err != nil {
		return err
	}
	if err := g.waitReady(ctx, s.current, s.o.ReadyTimeout); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.o.File, err), g.close())
	}
	s.replace(g)
	return nil
}

func (s *Server) reloadRules(whole bool) {
	g := s.current
	text, err := readFile(g.settings.Rules)
	if err == nil && g.rules != nil && bytes.Equal(text, g.rules) {
		s.changedRules = nil
		return
	}
	// A file that is being written may lack the narrower rules at its end.
	if err == nil && !whole && (s.changedRules == nil || !bytes.Equal(text, s.changedRules)) { // check: rules-settled
		s.changedRules = text
		return
	}
	s.changedRules = nil
	g.rules = text // nil for a file that is not there: it is read when it is back, even if it is empty
	if err == nil {
		var rules auth.Rules
		if rules, err = parseRules(g.settings.Rules, text); err == nil {
			err = g.gate.Swap(rules)
		}
	}
	if s.metrics.countReload(&s.metrics.rules, err) {
		s.o.Log.Error("the rules were not read: those before stay in use", "file", g.settings.Rules, "error", err)
		return
	}
	if err == nil {
		s.o.Log.Info("the rules were replaced", "file", g.settings.Rules)
	}
}

func parseRules(name string, text []byte) (auth.Rules, error) {
	rules, err := auth.ParseRules(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rules, nil
}
