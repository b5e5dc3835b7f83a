package introspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/internal/tokencache"
	auth "github.com/bearward/bearward/middleware"
)

// An Introspector is an [auth.TokenVerifier] that asks the issuer about each token. Give it to
// auth.NewGuard, or to [Revocable] or auth.NewForms beside JWTs. It is safe for concurrent use.
// Close it yourself after the server has stopped: [auth.Guard.Close] does not.
type Introspector struct {
	endpoint string
	found    *discovery // of the endpoint; nil when it is known
	client   ClientAuth
	config   Config
	verify   func(claims []byte) (*auth.Principal, error)
	requests *fetch.Client
	signed   *signedAnswers // nil for plain JSON
	log      problemLog

	active   *tokencache.Cache[*answer] // of tokens that were called active
	refused  *tokencache.Cache[*answer] // of the others, and of those that could not be asked about
	answered atomic.Bool                // a good answer was had: the endpoint knows this API

	life  context.Context
	close context.CancelFunc
	wait  sync.WaitGroup // of calls

	mu     sync.Mutex
	closed bool
	calls  map[tokencache.Tag]*call
	outage outage
}

// An answer is what came of one question about a token. It is immutable but for renewed.
type answer struct {
	principal *auth.Principal // of a good token, otherwise nil
	refusal   *auth.Error     // of another
	asked     time.Time
	renewed   atomic.Int64 // when its renewal was tried last
}

// New returns an Introspector that asks endpoint, as client, about tokens. The endpoint must be
// https, or http on a loopback address; [FromMetadata] has the issuer's metadata name it. New does
// no I/O. The error names the field at fault.
func New(endpoint string, client ClientAuth, config Config) (*Introspector, error) {
	if _, err := fetch.ParseURL(endpoint, config.InsecureAllowHTTP); err != nil && endpoint != FromMetadata { // check: endpoint-url
		return nil, fmt.Errorf("introspect: the endpoint's URL %w", err)
	}
	if client.err != nil {
		return nil, client.err
	}
	if client.add == nil { // check: client-auth
		return nil, errors.New("introspect: New needs a ClientAuth: Basic, Post, PrivateKeyJWT or NoClientAuth")
	}
	verify, err := auth.VerifyClaims(config.Claims, config.AudienceByServer)
	if err != nil {
		return nil, err
	}
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	i := &Introspector{endpoint: endpoint, client: client, config: c, verify: verify, requests: c.client(), calls: map[tokencache.Tag]*call{}}
	if endpoint == FromMetadata {
		if i.found, err = newDiscovery(c, i.requests); err != nil {
			return nil, err
		}
	}
	i.log.logger = c.Logger
	i.log.issuer = c.Claims.Issuer
	if c.Signed != nil {
		if i.signed, err = newSignedAnswers(c, client.clientID); err != nil {
			return nil, err
		}
	}
	size := max(c.Claims.CacheSize, 1)
	i.active = tokencache.New[*answer](size)
	i.refused = tokencache.New[*answer](max(size/4, 1))
	i.life, i.close = context.WithCancel(context.Background())
	return i, nil
}

// Issuer returns Config.Claims.Issuer.
func (i *Introspector) Issuer() string { return i.config.Claims.Issuer }

// ChecksRevocation returns true, for auth.GuardOptions.Profile: a revoked token is not active. For
// how long an answer is used, Config.MaxAge says.
func (i *Introspector) ChecksRevocation() bool { return true }

// Algorithms returns those of signed answers and of this API's assertions, for
// auth.GuardOptions.Profile. It returns none where the endpoint is asked by a secret and answers
// in plain JSON.
func (i *Introspector) Algorithms() []auth.Algorithm {
	var all []auth.Algorithm
	if i.client.algorithm != 0 {
		all = append(all, i.client.algorithm)
	}
	if i.signed != nil {
		for _, a := range i.signed.algorithms {
			all = append(all, auth.Algorithm(a))
		}
	}
	return all
}

// Close ends the requests under way and waits for them. Tokens that are not remembered are not
// judged afterwards. Stop the server first. It is safe to call twice.
func (i *Introspector) Close() error {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.close()
	i.wait.Wait()
	i.requests.Close()
	return nil
}

// Ready returns nil unless the endpoint is known to refuse this API, or not to answer. It does no
// I/O.
func (i *Introspector) Ready() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.outage.err
}

// Status tells how the issuer fares; see [auth.Guard.Status].
func (i *Introspector) Status() []auth.IssuerStatus {
	return []auth.IssuerStatus{{Issuer: i.Issuer(), Audiences: slices.Clone(i.config.Claims.Audiences), Err: i.Ready()}}
}

// VerifyToken finds out about one token, by an answer that is remembered or by asking. The error is
// a *[auth.Error]. It does not check "cnf": that is the Guard's, as for a JWT.
func (i *Introspector) VerifyToken(ctx context.Context, raw string) (*auth.Principal, error) {
	if len(raw) > i.config.Claims.MaxTokenBytes { // check: token-size
		return nil, errTooLarge
	}
	tag := i.active.Tag(raw)
	now := time.Now()
	known := i.cached(tag, now)
	if known != nil && i.stands(known, now) {
		if known.principal == nil {
			return nil, known.refusal
		}
		if end := known.principal.ValidUntil(); !end.IsZero() && !now.Before(end) { // check: remembered-expired
			return nil, errExpired
		}
		if now.Sub(known.asked) >= i.config.MaxAge/10*8 {
			i.renew(raw, tag, known, now)
		}
		return known.principal, nil
	}
	if known == nil && i.config.Accept != nil && !i.config.Accept(raw) { // check: accept
		return nil, errNotAccepted
	}
	f, err := i.ask(raw, tag, known != nil, now)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, &auth.Error{Reason: auth.ReasonUnavailable, Err: fmt.Errorf("introspect: %w", ctx.Err())}
	}
	if f.answer.principal == nil {
		return nil, f.answer.refusal
	}
	return f.answer.principal, nil
}

// Refusals that need no answer.
var (
	errTooLarge    = &auth.Error{Reason: auth.ReasonTokenTooLarge, Err: note("longer than Config.Claims.MaxTokenBytes")}
	errExpired     = &auth.Error{Reason: auth.ReasonTokenExpired}
	errNotAccepted = &auth.Error{Reason: auth.ReasonTokenMalformed, Err: note("Config.Accept said no")}
)

// cached returns what is known of a token, or nil: a refusal that still stands, or how it was
// accepted, however long ago.
func (i *Introspector) cached(tag tokencache.Tag, now time.Time) *answer {
	if i.config.MaxAge < 0 {
		return nil
	}
	if e := i.refused.Find(tag); e != nil && now.Before(e.Until) { // check: refusal-age
		return e.Value
	}
	if e := i.active.Find(tag); e != nil && e.Value.principal != nil {
		return e.Value
	}
	return nil
}

// stands reports whether what cached found is young enough to be given again.
func (i *Introspector) stands(a *answer, now time.Time) bool {
	return a.principal == nil || now.Sub(a.asked) < i.config.MaxAge // check: max-age
}

// faultAge is how long the endpoint is not asked again about a token that it failed on.
const faultAge = time.Second

// negativeAge is how long a refusal is remembered.
func (i *Introspector) negativeAge(a *answer) time.Duration {
	if a.refusal.Status() == http.StatusUnauthorized {
		return i.config.NegativeAge
	}
	return faultAge
}

// rememberFor bounds how long an active token without a known end counts as one that was active.
const rememberFor = time.Hour

// store keeps the answer of a call. What is the endpoint's fault says nothing of the token,
// and a renewal that failed leaves the answer that it should have renewed.
func (i *Introspector) store(f *call, r result) {
	a := f.answer
	switch {
	case i.config.MaxAge < 0, i.config.Claims.CacheSize < 0, r.endpointFault():
	case a.principal != nil:
		until := a.principal.ValidUntil()
		if until.IsZero() {
			until = a.asked.Add(rememberFor)
		}
		i.active.Add(f.tag, a, until, a.asked)
	case r.outcome == Unavailable && f.background:
	default:
		if e := i.active.Find(f.tag); e != nil && a.refusal.Status() == http.StatusUnauthorized {
			i.active.Add(f.tag, a, a.asked, a.asked) // check: forget-active
		}
		i.refused.Add(f.tag, a, a.asked.Add(i.negativeAge(a)), a.asked)
	}
}
