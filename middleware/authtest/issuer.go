package authtest

import (
	"cmp"
	"crypto"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/issuer"
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
	// URL is the issuer's identifier, an https URL that may have a path. Default DefaultURL.
	// Nothing is ever resolved or dialled. Give each of several issuers its own.
	URL string
	// Audience is the API that tokens are for. Default DefaultAudience.
	Audience string
	// Algorithm signs the tokens. Default RS256, or the first that Config names.
	Algorithm auth.Algorithm
	// Config gives the tokens the form that a verifier with this configuration expects. It sets
	// "iss", "aud", "typ", the claims for scopes and client, and fixed and required claims. It is
	// for presets: &provider.Okta("dev-1.okta.com", "default", "api://default").Config. Where it
	// lets a token choose, the first name counts. URL and Audience must be empty then. Default nil:
	// the form of RFC 9068.
	Config *auth.Config
	// Claims are put into every good token, in place of what stands there: for presets whose checks
	// ask for them (Preset.Example). Default none.
	Claims Claims
	// KeySetURL is where the key set is, an https URL, for presets that know it (Preset.KeySetURL).
	// Sources are given it then, and find no metadata. Default "": below URL, and found by
	// metadata.
	KeySetURL string
	// Socket makes the issuer listen on a real loopback socket, for programs that are not given a
	// client. Its URL is then that of the socket, and Options.URL must be empty. It does not work
	// inside a testing/synctest bubble.
	Socket bool
}

// An Issuer is an authorization server inside a test: it publishes metadata and keys,
// and signs good and bad tokens. It is safe for concurrent use, and ends with the test. Inside a
// testing/synctest bubble, make it there.
type Issuer struct {
	// URL is the issuer's identifier, the "iss" of its tokens. Read only.
	URL string
	// Audience is the API that its tokens are for. Read only.
	Audience string

	tb     testing.TB
	core   *issuer.Issuer
	formed bool // Options.Config gives the tokens their form
	client *http.Client
}

// NewIssuer returns a healthy Issuer. As after a rotation it publishes two keys: the one that
// signs, and its predecessor. Opts may be nil. It fails the test when opts cannot be used.
func NewIssuer(tb testing.TB, opts *Options) *Issuer {
	tb.Helper()
	if opts == nil {
		opts = new(Options)
	}
	core := issuer.Options{
		URL: opts.URL, Audience: opts.Audience, KeySetURL: opts.KeySetURL, Algorithm: opts.Algorithm, Form: opts.Config, Claims: opts.Claims,
		NewKey: func(alg auth.Algorithm) (crypto.Signer, error) {
			key, err := keyPool.acquire(alg)
			if err == nil {
				tb.Cleanup(func() { keyPool.release(alg, key) })
			}
			return key, err
		},
	}
	checkOptions(tb, opts)
	if opts.Config == nil {
		core.URL, core.Audience = cmp.Or(opts.URL, DefaultURL), cmp.Or(opts.Audience, DefaultAudience)
	}
	var server *httptest.Server
	if opts.Socket {
		server = httptest.NewUnstartedServer(nil)
		tb.Cleanup(func() {
			server.CloseClientConnections() // so that what hangs ends
			server.Close()
		})
		core.URL = "http://" + server.Listener.Addr().String()
	}
	made, err := issuer.New(core)
	if err != nil {
		tb.Fatalf("authtest: %v", err)
	}
	is := &Issuer{URL: made.URL(), Audience: made.Audience(), tb: tb, core: made, formed: opts.Config != nil}
	if server == nil {
		is.client = &http.Client{Transport: inMemory{made}}
		return is
	}
	server.Config.Handler = made
	server.Start()
	is.client = server.Client()
	return is
}

// checkOptions ends the test over options that the core would take.
func checkOptions(tb testing.TB, opts *Options) {
	tb.Helper()
	identifier := opts.URL
	if opts.Config != nil {
		if opts.URL != "" || opts.Audience != "" {
			tb.Fatal("authtest: Options.URL and Options.Audience exclude Options.Config, which says what they are")
		}
		if _, err := auth.NewVerifier(jwks.Static{}, *opts.Config); err != nil {
			tb.Fatalf("authtest: Options.Config: %v", err)
		}
		identifier = opts.Config.Issuer
	}
	switch {
	case opts.Socket && opts.URL != "":
		tb.Fatal("authtest: Options.URL and Options.Socket exclude each other: the socket says what the URL is")
	case opts.Socket && opts.KeySetURL != "":
		tb.Fatal("authtest: Options.KeySetURL and Options.Socket exclude each other: the socket says what the URL is")
	case !opts.Socket && opts.KeySetURL == "" && identifier != "" && !isHTTPS(identifier):
		tb.Fatalf("authtest: Options.URL: %q is not an https URL without query and fragment", identifier)
	case opts.KeySetURL != "" && !isHTTPS(opts.KeySetURL):
		tb.Fatalf("authtest: Options.KeySetURL: %q is not an https URL without query and fragment", opts.KeySetURL)
	}
}

func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.RawQuery == "" && !strings.Contains(s, "#")
}

// Client returns a client that reaches the issuer, for jwks.Options.Client and for whatever else
// fetches keys or metadata. Without Options.Socket it works in memory, and reaches nothing else.
func (is *Issuer) Client() *http.Client { return is.client }

// Config returns the configuration of an API that trusts the issuer: Options.Config, or else its
// URL and Audience with the defaults of RFC 9068.
func (is *Issuer) Config() auth.Config { return is.core.Config() }

// Source returns a key cache that discovers the issuer and follows its rotations, and is closed
// when the test ends. opts may be nil. Where it names no Client, that is the issuer's; where it
// names no Logger, that is the test's log, or none in a fuzz test.
func (is *Issuer) Source(opts *jwks.Options) *jwks.Cache {
	is.tb.Helper()
	var o jwks.Options
	if opts != nil {
		o = *opts
	}
	if o.Client == nil {
		o.Client = is.client
	}
	if o.Logger == nil {
		o.Logger = is.logger()
	}
	cache, err := is.source(&o)
	if err != nil {
		is.tb.Fatalf("authtest: Source: %v", err)
	}
	is.tb.Cleanup(func() { _ = cache.Close() })
	return cache
}

// logger returns the log of the test. A fuzz test's is silent: while its target runs, nothing else
// may log to it.
func (is *Issuer) logger() *slog.Logger {
	if _, ok := is.tb.(*testing.F); ok {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(testLog{is.tb}, nil))
}

// testLog writes to the log of a test.
type testLog struct{ tb testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.tb.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

func (is *Issuer) source(opts *jwks.Options) (*jwks.Cache, error) {
	if !is.core.HasMetadata() {
		return jwks.New(is.KeySetURL(), opts)
	}
	return jwks.FromIssuer(is.URL, opts)
}

// Verifier returns a Verifier of config over a Source of its own. When config names no Issuer or no
// Audiences, they are the issuer's: the zero Config will do. For an issuer with Options.Config,
// give that of [Issuer.Config].
func (is *Issuer) Verifier(config auth.Config) *auth.Verifier {
	is.tb.Helper()
	if config.Issuer == "" {
		config.Issuer = is.URL
	}
	if len(config.Audiences) == 0 && len(config.Clients) == 0 {
		config.Audiences = []string{is.Audience}
	}
	return is.verifier(config, nil)
}

func (is *Issuer) verifier(config auth.Config, keys *jwks.Options) *auth.Verifier {
	is.tb.Helper()
	v, err := auth.NewVerifier(is.Source(keys), config)
	if err != nil {
		is.tb.Fatalf("authtest: Verifier: %v", err)
	}
	return v
}

// Guard returns a Guard that trusts the issuer as a real one would: over a Source of its own, which
// GuardOptions.Keys adjust, with the [Issuer.Config]. A GuardOptions.Profile adjusts it, as
// auth.New does. Opts may be nil. For another Config, give auth.NewGuard a [Issuer.Verifier].
func (is *Issuer) Guard(opts *auth.GuardOptions) *auth.Guard {
	is.tb.Helper()
	var own auth.GuardOptions
	if opts != nil {
		own = *opts
	}
	keys := own.Keys
	own.Keys = nil
	config := is.Config()
	if own.Profile == auth.FAPI2 && len(config.Algorithms) == 0 {
		config.Algorithms = []auth.Algorithm{auth.PS256, auth.ES256, auth.EdDSA}
	}
	g, err := auth.NewGuard(is.verifier(config, keys), &own)
	if err != nil {
		is.tb.Fatalf("authtest: Guard: %v", err)
	}
	return g
}
