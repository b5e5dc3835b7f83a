package introspect

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// Defaults and bounds of a Config.
const (
	defaultMaxAge      = 30 * time.Second
	maxMaxAge          = 10 * time.Minute
	defaultNegativeAge = 5 * time.Second
	defaultTimeout     = 3 * time.Second
	maxTimeout         = 30 * time.Second
	defaultFlights     = 64
	defaultTokenBytes  = 16 << 10 // as of auth.Config
	defaultCacheSize   = 4096     // as of auth.Config
	maxFlights         = 4096
)

// A Config says which tokens an [Introspector] accepts, and how it asks about them. Claims.Issuer
// is required, and Claims.Audiences too unless AudienceByServer is set. The zero value of every
// other field is its default.
type Config struct {
	// Claims are checked in each answer that calls a token active; see [auth.VerifyClaims].
	// Claims.MaxTokenBytes bounds what is asked about, and Claims.CacheSize (4,096 by default)
	// how many answers are remembered; refusals have a quarter of it for themselves.
	Claims auth.Config
	// AudienceByServer accepts answers whatever their "aud": for issuers that call a token active
	// only to the API that it is for. Some call their refresh tokens active too, and name no kind.
	// Where the issuer writes "token_type" for access tokens, fix it to Bearer by
	// Claims.FixedClaims. Default false: the answer must name one of Claims.Audiences.
	AudienceByServer bool
	// Signed are the issuer's keys, for signed answers (RFC 9701): then nothing else is accepted.
	// Default nil: plain JSON over TLS.
	Signed jwks.Source
	// MaxAge is how long an answer that calls a token active is used: 30 s by default, at most 10
	// min. So long may a revoked token still be accepted. From 80 % of it on, the next
	// request has the token asked about again in the background. Negative: no answer is remembered,
	// refusals included.
	MaxAge time.Duration
	// NegativeAge is how long a refusal is remembered: 5 s by default, at most 1 min.
	NegativeAge time.Duration
	// Timeout bounds one request to the endpoint: 3 s by default, at most 30 s.
	Timeout time.Duration
	// MaxFlights bounds the requests to the endpoint at one time: 64 by default, at most 4,096. A
	// quarter of them, rounded up, is kept for tokens that the last answer called active.
	MaxFlights int
	// Accept takes a cheap look at a token before the endpoint is asked, such as at its prefix:
	// false refuses it. It must be safe for concurrent use. Default: every token is asked about.
	Accept func(token string) bool
	// Client makes the requests, for an own certificate authority or client certificates
	// (tls_client_auth). Its Transport is used as it is and is not closed. Default, also of its
	// Transport: one that uses no proxy and does not dial link-local and cloud metadata addresses.
	Client *http.Client
	// InsecureAllowHTTP allows plain http beyond loopback. Anybody on the way can then read tokens
	// and say which are good (RFC 7662 §4 asks for TLS).
	InsecureAllowHTTP bool
	// Logger is told when the endpoint refuses this API or cannot be had, and when all is well
	// again. A problem that goes on is told at most every ten minutes. Default: slog.Default().
	Logger *slog.Logger
	// OnCall is told of each request to the endpoint, for metrics, before its callers go on. It
	// must be quick and safe for concurrent use; a panic in it is contained. Default none.
	OnCall func(Call)
}

// An Outcome is what came of one request to the endpoint. The set is closed, so an outcome may
// become a metric's label.
type Outcome string

// The outcomes.
const (
	Active        Outcome = "active"        // the issuer calls the token active
	Inactive      Outcome = "inactive"      // the issuer does not
	Unavailable   Outcome = "unavailable"   // no answer that can be used
	Misconfigured Outcome = "misconfigured" // the endpoint refuses this API itself
)

// Outcomes returns every Outcome.
func Outcomes() []Outcome { return []Outcome{Active, Inactive, Unavailable, Misconfigured} }

// A Call is one request to the endpoint, for metrics: [Config].OnCall is told of it. Nothing in it
// is of the token.
type Call struct {
	Issuer     string        // Config.Claims.Issuer
	Outcome    Outcome       // what came of it
	Err        error         // of Unavailable and Misconfigured
	Elapsed    time.Duration // from the request to its answer
	Background bool          // nobody waited: a remembered answer was renewed
}

// withDefaults returns c with every default filled in, or an error that names the field.
func (c Config) withDefaults() (Config, error) {
	for _, field := range []struct {
		name           string
		value          *time.Duration
		standard, most time.Duration
		mayBeNegative  bool
	}{
		{"MaxAge", &c.MaxAge, defaultMaxAge, maxMaxAge, true},
		{"NegativeAge", &c.NegativeAge, defaultNegativeAge, time.Minute, false},
		{"Timeout", &c.Timeout, defaultTimeout, maxTimeout, false},
	} {
		if *field.value == 0 {
			*field.value = field.standard
		}
		if *field.value < 0 && !field.mayBeNegative || *field.value > field.most { // check: config-durations
			return c, fmt.Errorf("introspect: Config.%s %v is not between 0 and %v", field.name, *field.value, field.most)
		}
	}
	if c.MaxFlights < 0 || c.MaxFlights > maxFlights {
		return c, fmt.Errorf("introspect: Config.MaxFlights %d is not between 0 and %d", c.MaxFlights, maxFlights)
	}
	if c.MaxFlights == 0 {
		c.MaxFlights = defaultFlights
	}
	if c.Claims.MaxTokenBytes == 0 {
		c.Claims.MaxTokenBytes = defaultTokenBytes
	}
	if c.Claims.CacheSize == 0 {
		c.Claims.CacheSize = defaultCacheSize
	}
	if c.Signed != nil && c.Claims.Issuer == "" {
		return c, errors.New("introspect: Config.Claims.Issuer is required")
	}
	return c, nil
}

func (c Config) client() *fetch.Client {
	return fetch.New(fetch.Options{HTTP: c.Client, IdleConnections: c.MaxFlights, DialTimeout: c.Timeout})
}
