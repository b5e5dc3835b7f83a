package authtest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// What an Issuer is called, and whom its tokens are for, unless Options say otherwise.
const (
	DefaultURL      = "https://issuer.example"
	DefaultAudience = "https://api.example"
)

// Options adjust an Issuer. The zero value, and nil, mean the defaults.
type Options struct {
	// URL is the issuer's identifier, an https URL that may have a path. Default DefaultURL. Nothing is ever resolved or dialled. Give
	// each of several issuers its own.
	URL string
	// Audience is the API that tokens are for. Default DefaultAudience.
	Audience string
	// Algorithm signs the tokens. Default RS256.
	Algorithm auth.Algorithm
	// Socket makes the issuer listen on a real loopback socket, for programs that are not given a client. Its URL is then that of the socket, and
	// Options.URL must be empty. It does not work inside a testing/synctest bubble.
	Socket bool
}

// An Issuer is an authorization server's public face inside a test: it publishes metadata and keys, and signs good and bad tokens. It is
// safe for concurrent use, and ends with the test. Inside a testing/synctest bubble, make it there.
type Issuer struct {
	// URL is the issuer's identifier, the "iss" of its tokens. Read only.
	URL string
	// Audience is the API that its tokens are for. Read only.
	Audience string

	tb     testing.TB
	keys   *keyring
	client *http.Client
	served served
	issued atomic.Int64 // tokens, for their IDs
}

// NewIssuer returns a healthy Issuer. As after a rotation it publishes two keys: the one that signs, and its predecessor. Opts may be nil.
// It fails the test when opts cannot be used.
func NewIssuer(tb testing.TB, opts *Options) *Issuer {
	tb.Helper()
	if opts == nil {
		opts = new(Options)
	}
	is := &Issuer{URL: opts.URL, Audience: opts.Audience, tb: tb}
	if is.URL == "" {
		is.URL = DefaultURL
	}
	if is.Audience == "" {
		is.Audience = DefaultAudience
	}
	alg := opts.Algorithm
	if alg == 0 {
		alg = auth.RS256
	}
	if alg > auth.EdDSA {
		tb.Fatalf("authtest: Options.Algorithm: %v is not an algorithm", alg)
	}
	is.keys = newKeyring(tb, alg)
	if opts.Socket {
		if opts.URL != "" {
			tb.Fatal("authtest: Options.URL and Options.Socket exclude each other: the socket says what the URL is")
		}
		is.listen()
		return is
	}
	u, err := url.Parse(is.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || strings.Contains(is.URL, "#") {
		tb.Fatalf("authtest: Options.URL: %q is not an https URL without query and fragment", is.URL)
	}
	is.client = &http.Client{Transport: inMemory{is, u.Host}}
	return is
}

// listen serves the issuer on a loopback socket.
func (is *Issuer) listen() {
	server := httptest.NewServer(http.HandlerFunc(is.serve))
	is.tb.Cleanup(func() {
		server.CloseClientConnections() // so that what hangs ends
		server.Close()
	})
	is.URL, is.client = server.URL, server.Client()
}

// Client returns a client that reaches the issuer, for jwks.Options.Client and for whatever else fetches keys or metadata. Without
// Options.Socket it works in memory, and reaches nothing else.
func (is *Issuer) Client() *http.Client { return is.client }

// Config returns the configuration of an API that trusts the issuer: its URL and Audience, and the defaults of the RFC 9068 profile.
func (is *Issuer) Config() auth.Config {
	return auth.Config{Issuer: is.URL, Audiences: []string{is.Audience}}
}

// Source returns a key cache that discovers the issuer and follows its rotations, and is closed when the test ends. Its Client is the
// issuer's unless opts, which may be nil, name one.
func (is *Issuer) Source(opts *jwks.Options) *jwks.Cache {
	is.tb.Helper()
	var o jwks.Options
	if opts != nil {
		o = *opts
	}
	if o.Client == nil {
		o.Client = is.client
	}
	cache, err := jwks.FromIssuer(is.URL, &o)
	if err != nil {
		is.tb.Fatalf("authtest: Source: %v", err)
	}
	is.tb.Cleanup(func() { _ = cache.Close() })
	return cache
}

// Verifier returns a Verifier of config over a Source of its own. When config names no Issuer or no Audiences, they are the issuer's: the
// zero Config will do.
func (is *Issuer) Verifier(config auth.Config) *auth.Verifier {
	is.tb.Helper()
	if config.Issuer == "" {
		config.Issuer = is.URL
	}
	if len(config.Audiences) == 0 && len(config.Clients) == 0 {
		config.Audiences = []string{is.Audience}
	}
	v, err := auth.NewVerifier(is.Source(nil), config)
	if err != nil {
		is.tb.Fatalf("authtest: Verifier: %v", err)
	}
	return v
}

// Guard returns a Guard that trusts the issuer as a real one would: over a Source of its own, with the defaults of the RFC 9068 profile.
// Opts may be nil. For another Config, give auth.NewGuard a [Issuer.Verifier].
func (is *Issuer) Guard(opts *auth.GuardOptions) *auth.Guard {
	is.tb.Helper()
	return auth.NewGuard(is.Verifier(auth.Config{}), opts)
}
