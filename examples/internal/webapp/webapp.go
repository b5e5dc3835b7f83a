// Package webapp is the quickstart's web application: a confidential client
// of the code flow that keeps its tokens on the server, and shows what goes
// over the wire when it calls the orders API through each adapter.
//
// The browser holds a session cookie and nothing else: no token, no client
// secret, no code verifier. It sees tokens decoded, without their signature.
package webapp

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"google.golang.org/grpc"

	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/ui"
)

// Issuer is what the buttons of the dashboard do to the authorization server.
type Issuer interface {
	RotateNow() (kid string, err error)
	SetDown(down bool)
	Down() bool
	SetTokenLifetime(d time.Duration)
}

// API is one server of the orders API.
type API struct {
	Adapter string // "grpc" is called with gRPC, every other one with HTTP
	URL     string // such as http://127.0.0.1:9002
}

// Config sets up an App. All fields but Logger are required.
type Config struct {
	URL       string // where browsers find the application, such as http://localhost:9001
	IssuerURL string
	Issuer    Issuer
	Audience  string             // the orders API's name, sent as resource (RFC 8707)
	Scopes    []authserver.Scope // of the API, that an application can register for
	APIs      []API
	Mutual    Mutual
	Opaque    Opaque
	Tools     Tools
	Key       []byte // 32 bytes; encrypts tokens and secrets at rest (AES-256-GCM)

	TokenLifetime time.Duration     // what to give back to the issuer after a short token
	Cooldown      time.Duration     // of the APIs: how often an unknown key makes them fetch
	Transport     http.RoundTripper // to the issuer and the APIs
	Dial          []grpc.DialOption // to the API behind gRPC; the credentials are among them
	Logger        *slog.Logger      // nil: silent
}

// App is the web application, an http.Handler. Close ends what it holds.
type App struct {
	cfg      Config
	log      *slog.Logger
	vault    *vault
	sessions *scs.SessionManager
	handler  http.Handler
	hc       *http.Client
	conns    map[string]*grpc.ClientConn // by URL

	mu         sync.Mutex
	registered []*registration // new logins use the last one
	logins     map[string]*login
	met        map[string]bool // the keys that every API has met
	closed     bool

	toolCalls map[*toolCall]bool // that are not over
	toolsDone sync.WaitGroup
}

// maxLogins bounds how many people are logged in at a time.
const maxLogins = 1_000

// New returns an App. It does no I/O.
func New(cfg Config) (*App, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || cfg.URL != u.Scheme+"://"+u.Host {
		return nil, fmt.Errorf("webapp: Config.URL: %q is not of the form http://host:port", cfg.URL)
	}
	v, err := newVault(cfg.Key)
	if err != nil {
		return nil, err
	}
	cfg.Tools.Patience = cmp.Or(cfg.Tools.Patience, 10*time.Minute)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &App{
		cfg: cfg, log: cfg.Logger, vault: v,
		sessions: newSessions(u.Scheme == "https"),
		hc:       &http.Client{Transport: wire{cfg.Transport}, Timeout: callTimeout},
		conns:    make(map[string]*grpc.ClientConn),
		logins:   make(map[string]*login),
		met:      make(map[string]bool),

		toolCalls: make(map[*toolCall]bool),
	}
	for _, api := range slices.Concat(cfg.APIs, cfg.Opaque.APIs) {
		if api.Adapter != "grpc" {
			continue
		}
		_, addr, _ := strings.Cut(api.URL, "://")
		conn, err := grpc.NewClient(addr, cfg.Dial...)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("webapp: Config.APIs: %w", err), a.Close())
		}
		a.conns[api.URL] = conn
	}
	a.handler = a.routes()
	return a, nil
}

// Close ends calls of tools that are not over, and the connections to the APIs. It does not close
// the listener that serves a.
func (a *App) Close() error {
	a.stopTools()
	var errs []error
	for _, conn := range a.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

func (a *App) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /register", a.registerForm)
	mux.HandleFunc("POST /register", a.register)
	mux.HandleFunc("POST /login", a.startLogin)
	mux.HandleFunc("GET /callback", a.callback)
	for _, l := range lessons(situation{}) {
		mux.HandleFunc("GET "+l.Path, a.dashboard)
	}
	mux.HandleFunc("POST /do/{action}", a.do)
	mux.HandleFunc("POST /logout", a.logout)
	mux.HandleFunc("GET /bye", a.bye)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		a.failed(w, http.StatusNotFound, failedPage{Title: "No such page", Text: "There is nothing at this address."})
	})
	return secureHeaders(a.oneHost(http.NewCrossOriginProtection().Handler(a.sessions.LoadAndSave(mux))))
}

// ServeHTTP serves the pages. What they are drawn with needs no session.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !ui.Serve(w, r) {
		a.handler.ServeHTTP(w, r)
	}
}

// oneHost sends browsers to the host of Config.URL: the session's cookie is that host's, and a
// login that began on 127.0.0.1 could not end on localhost.
func (a *App) oneHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, host, _ := strings.Cut(a.cfg.URL, "://")
		switch {
		case r.Host == host:
			next.ServeHTTP(w, r)
		case r.Method == http.MethodGet:
			http.Redirect(w, r, a.cfg.URL+r.URL.RequestURI(), http.StatusSeeOther)
		default:
			http.Error(w, "the application is at "+a.cfg.URL, http.StatusMisdirectedRequest)
		}
	})
}

// maxForm bounds a form, in bytes.
const maxForm = 16 << 10

// secureHeaders lets pages load what package ui serves and nothing else. form-action is not set:
// the login form's answer redirects to the issuer, and the issuer's to here, which browsers count
// as form targets.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		h := w.Header()
		h.Set("Content-Security-Policy", ui.Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (a *App) callbackURL() string { return a.cfg.URL + "/callback" }
func (a *App) logoutURL() string   { return a.cfg.URL + "/bye" }

// maxMet bounds the keys that are remembered.
const maxMet = 1_000

// hasMet tells whether every API has met a key.
func (a *App) hasMet(kid string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.met[kid]
}

func (a *App) meet(kid string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.met) >= maxMet {
		clear(a.met)
	}
	a.met[kid] = true
}
