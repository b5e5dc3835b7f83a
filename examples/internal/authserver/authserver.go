// Package authserver is a small OAuth 2.0 authorization server for the examples: code flow with
// PKCE (S256 only), RFC 9068 access tokens, refresh rotation with reuse detection, tokens bound by
// DPoP (RFC 9449) and to client certificates (RFC 8705), dynamic registration (RFC 7591), opaque
// tokens with introspection (RFC 7662), revocation (RFC 7009), step-up by acr_values and max_age
// (RFC 9470), RP-initiated logout, and a key ring that publishes, promotes and retires.
//
// The protocol work is done by github.com/luikyv/go-oidc; none of its types
// shows here, so that another server can take its place. State is kept in
// memory, within bounds, and is gone when the process ends. It is for
// demonstrations and tests: run a real authorization server in production.
package authserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"
)

// Scope is a permission that an application can ask for.
type Scope struct {
	Name    string // the scope token, such as "read:orders"
	Meaning string // what the consent page says, such as "See your orders"
}

// User is somebody who can log in. The name is the "sub" of the tokens.
type User struct {
	Name, Password, FullName string
	// CodeKey is the key of the device that shows this user's codes (RFC 6238), for applications
	// that ask for ACRMultiFactor. Empty: the user has none.
	CodeKey []byte
}

// Config sets up a Server. Issuer, Audiences and Users are required.
type Config struct {
	Issuer    string   // exact "iss": https, or http on a loopback host; no trailing slash, path or query
	Audiences []string // the APIs that a token can be for (RFC 8707); the first one when the client names no resource
	Opaque    []string // of Audiences, those whose tokens only this server can read; APIs ask about them (RFC 7662)
	Scopes    []Scope  // what the APIs offer, beside openid, profile and offline_access
	Users     []User

	Algorithm       string        // RS256 (default), PS256 or ES256
	TokenLifetime   time.Duration // of access tokens; default 5 min, at least 1 s
	RefreshLifetime time.Duration // of a refresh token that is not used; default 24 h
	// RotateEvery replaces the signing key by the clock; zero: only on demand.
	// A key is published for Overlap before it signs, and for Overlap after it
	// stopped, so RotateEvery is at least twice Overlap (default: the token
	// lifetime).
	RotateEvery, Overlap time.Duration

	// ClientCertificates binds the tokens of clients that show a certificate to
	// it (RFC 8705 §3). Issuer is https then, and the http.Server asks for
	// certificates, with tls.RequestClientCert at least. Default false.
	ClientCertificates bool
	// MutualURL is where such clients find the same server when Issuer does not
	// ask for certificates: over https, on another port. Tokens that are bought
	// there are bound; the metadata names it (RFC 8705 §5). "": nowhere.
	MutualURL string

	// ResourceServers are the APIs that may ask about tokens, by HTTP Basic.
	ResourceServers []ResourceServer

	// AnyScope lets every client ask for every scope, whatever it registered: clients of MCP
	// register with the scopes of their first call, or none, and ask for more when they need it.
	AnyScope bool

	// RegistrationToken is the initial access token that registration asks
	// for (RFC 7591 §1.2). Empty: whoever reaches the server may register.
	RegistrationToken string
	Logger            *slog.Logger // nil: silent. Never receives a token, code, secret or password.
}

// standardScopes are offered by every server, in the words of the consent page.
var standardScopes = [...]Scope{
	{Name: "openid", Meaning: "Know your user name"},
	{Name: "profile", Meaning: "Know your full name"},
	{Name: "offline_access", Meaning: "Keep this access while you are away"},
}

// maxBody bounds every request body, in bytes.
const maxBody = 64 << 10

// Server is the authorization server, an http.Handler that is safe for
// concurrent use. Close stops its key rotation.
type Server struct {
	cfg      Config
	log      *slog.Logger
	keys     *keyRing
	store    *store
	sessions *loginSessions
	proofs   *proofs
	handler  http.Handler
	csrf     *http.CrossOriginProtection
	down     atomic.Bool
	lifetime atomic.Int64 // of access tokens, in seconds

	// stepMu admits one consent, token or revocation request at a time:
	// go-oidc checks and saves in two steps, so two requests that redeem the
	// same code or refresh token could both win.
	stepMu    sync.Mutex
	usedSteps map[string]int64 // by user: the step of the last code that was used

	stop    context.CancelFunc
	stopped chan struct{}
}

// New returns a running server; serve it under Config.Issuer.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	keys, err := newKeyRing(goidc.SignatureAlgorithm(cfg.Algorithm))
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:      cfg,
		log:      cfg.Logger,
		keys:     keys,
		store:    newStore(cfg.Logger, cfg.resourceClients()),
		sessions: newLoginSessions(strings.HasPrefix(cfg.Issuer, "https:")),
		proofs:   newProofs(cfg.Issuer),
		csrf:     http.NewCrossOriginProtection(),
		stopped:  make(chan struct{}),

		usedSteps: make(map[string]int64),
	}
	s.SetTokenLifetime(cfg.TokenLifetime)
	op, err := s.newProvider()
	if err != nil {
		return nil, fmt.Errorf("authserver: %w", err)
	}
	s.handler = op.Handler()

	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.stopped)
		s.rotateByClock(ctx)
	}()
	return s, nil
}

// Close stops the key rotation and waits for it. It does not close the
// listener that serves s, and may be called twice.
func (s *Server) Close() error {
	s.stop()
	<-s.stopped
	return nil
}

// SetDown takes the server down or up again. While down, every request ends
// with its connection closed and no answer, as if the process were gone.
func (s *Server) SetDown(down bool) { s.down.Store(down) }

// SetTokenLifetime changes how long the access tokens live that are issued
// from now on, in whole seconds and at least one.
func (s *Server) SetTokenLifetime(d time.Duration) {
	s.lifetime.Store(int64(max(d, time.Second) / time.Second))
}

// Down tells whether the server was taken down.
func (s *Server) Down() bool { return s.down.Load() }

func (cfg *Config) complete() error {
	if err := checkIssuer(cfg.Issuer); err != nil {
		return err
	}
	if u, err := url.Parse(cfg.MutualURL); cfg.MutualURL != "" && (err != nil || u.Scheme != "https" || cfg.MutualURL != "https://"+u.Host) {
		return fmt.Errorf("authserver: Config.MutualURL: %q is not of the form https://host[:port]", cfg.MutualURL)
	}
	if len(cfg.Audiences) == 0 || slices.Contains(cfg.Audiences, "") {
		return errors.New("authserver: Config.Audiences is required, without empty names")
	}
	if err := cfg.checkOpaque(); err != nil {
		return err
	}
	if len(cfg.Users) == 0 {
		return errors.New("authserver: Config.Users is required: nobody could log in")
	}
	for _, sc := range cfg.Scopes {
		if sc.Name == "" || strings.ContainsAny(sc.Name, " \"\\") {
			return fmt.Errorf("authserver: Config.Scopes: %q is no scope token (RFC 6749 §3.3)", sc.Name)
		}
	}
	cfg.Algorithm = defaultTo(cfg.Algorithm, "RS256")
	if !slices.Contains([]string{"RS256", "PS256", "ES256"}, cfg.Algorithm) {
		return fmt.Errorf("authserver: Config.Algorithm: %q is none of RS256, PS256, ES256", cfg.Algorithm)
	}
	cfg.TokenLifetime = defaultTo(cfg.TokenLifetime, 5*time.Minute)
	cfg.RefreshLifetime = defaultTo(cfg.RefreshLifetime, 24*time.Hour)
	if cfg.TokenLifetime < time.Second || cfg.RefreshLifetime < time.Second {
		return errors.New("authserver: Config.TokenLifetime and RefreshLifetime are at least 1 s")
	}
	if cfg.ClientCertificates && !strings.HasPrefix(cfg.Issuer, "https:") {
		return fmt.Errorf("authserver: Config.ClientCertificates: Config.Issuer %q is not https", cfg.Issuer)
	}
	cfg.Overlap = defaultTo(cfg.Overlap, cfg.TokenLifetime)
	if cfg.RotateEvery != 0 && (cfg.Overlap < 0 || cfg.RotateEvery < 2*cfg.Overlap) {
		return fmt.Errorf("authserver: Config.RotateEvery: %s is less than twice Overlap (%s)", cfg.RotateEvery, cfg.Overlap)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Scopes = append(standardScopes[:len(standardScopes):len(standardScopes)], cfg.Scopes...)
	return nil
}

func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return fmt.Errorf("authserver: Config.Issuer: %w", err)
	case u.Host == "" || issuer != u.Scheme+"://"+u.Host:
		return fmt.Errorf("authserver: Config.Issuer: %q is not of the form https://host[:port]", issuer)
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("authserver: Config.Issuer: %q needs https (http is for loopback hosts only)", issuer)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func defaultTo[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (s *Server) newProvider() (*provider.Provider, error) {
	alg := goidc.SignatureAlgorithm(s.cfg.Algorithm)
	scopes := make([]goidc.Scope, len(s.cfg.Scopes))
	for i, sc := range s.cfg.Scopes {
		scopes[i] = goidc.NewScope(sc.Name)
	}
	options := []provider.Option{
		provider.WithScopes(scopes...),
		provider.WithIDTokenSignatureAlgs(alg),
		provider.WithTokenOptions(s.tokenOptions),
		provider.WithResourceIndicators(s.cfg.Audiences[0], s.cfg.Audiences[1:]...),
		provider.WithIssuerResponseParameter(),
		provider.WithAuthCodeGrant(s.store, goidc.ResponseTypeCode),
		provider.WithPKCERequired(goidc.CodeChallengeMethodSHA256),
		provider.WithRefreshTokenGrant(s.store),
		provider.WithRefreshTokenRotation(),
		provider.WithRefreshTokenLifetime(int(s.cfg.RefreshLifetime / time.Second)),
		provider.WithRefreshTokenShouldIssue(func(_ context.Context, _ *goidc.Client, g *goidc.Grant) bool {
			return slices.Contains(strings.Fields(g.Scopes), "offline_access")
		}),
		provider.WithSecretBasicAuthn(),
		provider.WithNoneAuthn(),
		provider.WithDefaultAuthn(goidc.AuthnMethodSecretBasic),
		provider.WithClientSecretVerifier(verifySecret),
		provider.WithDCR(s.store),
		provider.WithLocalhostRedirectURIs(),
		provider.WithDCRInitialTokenValidator(s.checkRegistrationToken),
		provider.WithDCRClientHandler(s.checkRegistration),
		provider.WithHTTPClientFunc(func(context.Context) *http.Client { return &http.Client{Transport: noFetch{}} }),
		provider.WithTokenRevocation(func(context.Context, *goidc.Client) bool { return true }),
		provider.WithTokenRevocationRevokeGrantOnAccessToken(),
		provider.WithPolicies(goidc.NewPolicy("login and consent",
			func(*http.Request, *goidc.AuthnSession, *goidc.Client) bool { return true }, s.authenticate)),
		provider.WithACRs(ACRMultiFactor, ACRPassword),
		provider.WithTokenClaims(tokenClaims),
		provider.WithIDTokenClaims(s.identityClaims),
		provider.WithUserInfoClaims(s.identityClaims),
		provider.WithLogout(s.store, s.loggedOut),
		provider.WithLogoutPolicies(goidc.NewLogoutPolicy("log out",
			func(*http.Request, *goidc.LogoutSession) bool { return true }, s.logout)),
		provider.WithErrorRenderer(s.renderError),
		provider.WithErrorHandler(s.logError),
		provider.WithDPoP(proofAlgorithms[0], proofAlgorithms[1:]...),
		// Nothing but a proof has a jti here, and Server.checkProof has seen to it. go-oidc asks
		// twice for one proof when a public client refreshes.
		provider.WithJTIConsumer(func(context.Context, string) error { return nil }),
	}
	if s.cfg.ClientCertificates || s.cfg.MutualURL != "" {
		options = append(options, bindToCertificates(defaultTo(s.cfg.MutualURL, s.cfg.Issuer))...)
	}
	options = append(options, s.opaqueOptions()...)
	return provider.New(s.cfg.Issuer, s.store, s.keys.jwks, options...)
}
