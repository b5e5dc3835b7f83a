// Package dpop checks DPoP proofs (RFC 9449). By such a signed statement the sender of a request
// shows that it holds the key that its access token is bound to. A stolen token is worth nothing
// without the key, and a stolen proof nothing for another request, or a second time.
//
//	binding, err := dpop.New([]string{"https://api.example.com"}, dpop.NewMemory(0), nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	guard, err := auth.New("https://issuer.example", "https://api.example.com", &auth.GuardOptions{Bindings: []auth.Binding{binding}})
//
// Tokens that are bound by "cnf.jkt" are then accepted under the scheme DPoP, with a proof. Plain
// ones are accepted under Bearer as before; auth.Bound and GuardOptions.RequireBound ask for more.
//
// The order of checks: the proof's size; one field; its header (typ, alg, crit) and public key.
// Then the key's thumbprint is the token's; htm and htu are the request's; iat, or the nonce; ath
// is the token's hash. Then the signature; and last, that the proof was not used before.
//
// All proofs of a client have the same header. A Binding remembers what the headers of good proofs
// say, 4,096 of them, and so reads each once; all else is checked for every proof.
package dpop

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/internal/tokencache"
	auth "github.com/bearward/bearward/middleware"
)

const (
	defaultMaxAge        = time.Minute
	defaultLeeway        = 30 * time.Second
	defaultReplayTimeout = 250 * time.Millisecond
	maxWindow            = 5 * time.Minute // of MaxAge, and of Leeway
	clockMargin          = 5 * time.Second // how much longer a proof is remembered than it is good
)

const (
	proofField = "Dpop" // as http.Header spells it
	nonceField = "Dpop-Nonce"
)

// Options adjust a Binding. The zero value, and nil, mean the defaults.
type Options struct {
	// Algorithms are those of accepted proofs. Default: ES256, EdDSA, PS256 and RS256.
	Algorithms []auth.Algorithm
	// MaxAge is how old a proof's "iat" may be: 60 s by default, at most 5 min. It is not asked
	// when Nonces is set.
	MaxAge time.Duration
	// Leeway is how far the client's clock may be from this one, in both directions. 0 means 30 s;
	// at most 5 min; negative for none. It is not asked when Nonces is set.
	Leeway time.Duration
	// Nonces makes every proof carry a nonce of this API (RFC 9449 §9), in place of checking "iat".
	// It helps clients whose clocks are wrong, and stops proofs made in advance. Default none.
	Nonces *Nonces
	// ReplayTimeout bounds one question to the ReplayStore: 250 ms by default. A store that is
	// slower counts as one that cannot tell: the request is not judged (503).
	ReplayTimeout time.Duration
}

// A Binding checks that the sender of a request holds the key that "cnf.jkt" names (RFC 9449 §6.1).
// It is an auth.SchemeBinding, for GuardOptions.Bindings, and safe for concurrent use.
type Binding struct {
	origins       []origin
	store         ReplayStore
	algorithms    []auth.Algorithm
	allowed       [jose.Algorithms]bool
	signatures    *jose.Signatures
	maxAge        time.Duration
	leeway        time.Duration
	nonces        *Nonces
	replayTimeout time.Duration
	errOrigin     *auth.Error
	errAlgorithm  *auth.Error
	parsers       sync.Pool
	proven        *tokencache.Cache[provenKey] // by header of a proof
}

var _ auth.SchemeBinding = (*Binding)(nil)

// New returns a Binding for an API that clients call by one of origins, such as
// "https://api.example.com" or "https://example.com/orders". What a proxy takes from the front of
// the path belongs to the origin. A proof's "htu" is compared with these alone, never with what a
// request says of itself (Host, Forwarded). store remembers used proofs: [NewMemory] for one
// replica, a shared one for several. opts may be nil.
func New(origins []string, store ReplayStore, opts *Options) (*Binding, error) {
	if opts == nil {
		opts = new(Options)
	}
	if len(origins) == 0 {
		return nil, errors.New("dpop: New needs an origin, such as https://api.example.com")
	}
	if isNil(store) {
		return nil, errors.New("dpop: New needs a ReplayStore; dpop.NewMemory(0) serves one replica")
	}
	b := &Binding{store: store, nonces: opts.Nonces, algorithms: slices.Clone(opts.Algorithms)}
	for _, s := range origins {
		o, err := parseOrigin(s)
		if err != nil {
			return nil, err
		}
		b.origins = append(b.origins, o)
	}
	var err error
	if b.maxAge, err = checkDuration("MaxAge", opts.MaxAge, defaultMaxAge); err != nil {
		return nil, err
	}
	if b.leeway, err = checkDuration("Leeway", opts.Leeway, defaultLeeway); err != nil {
		return nil, err
	}
	if b.maxAge < 0 {
		return nil, errors.New("dpop: Options.MaxAge is negative")
	}
	b.leeway = max(b.leeway, 0)
	b.replayTimeout = opts.ReplayTimeout
	if b.replayTimeout == 0 {
		b.replayTimeout = defaultReplayTimeout
	}
	if b.replayTimeout < 0 {
		return nil, errors.New("dpop: Options.ReplayTimeout is negative")
	}
	if err := b.allow(); err != nil {
		return nil, err
	}
	b.configuredFaults()
	b.parsers.New = func() any { return newParser() }
	b.proven = tokencache.New[provenKey](provenKeys)
	return b, nil
}

func checkDuration(name string, d, byDefault time.Duration) (time.Duration, error) {
	if d == 0 {
		d = byDefault
	}
	if d > maxWindow {
		return 0, fmt.Errorf("dpop: Options.%s is %v: at most %v", name, d, maxWindow)
	}
	return d, nil
}

// allow prepares the algorithms.
func (b *Binding) allow() error {
	if len(b.algorithms) == 0 {
		b.algorithms = []auth.Algorithm{auth.ES256, auth.EdDSA, auth.PS256, auth.RS256}
	}
	var all []jose.Algorithm
	for _, a := range b.algorithms {
		j := jose.AlgorithmNamed(a.String())
		if j == 0 {
			return fmt.Errorf("dpop: Options.Algorithms: %v is none", a)
		}
		b.allowed[j] = true
		all = append(all, j)
	}
	var err error
	b.signatures, err = jose.NewSignatures(all...)
	return err
}

// Member returns "jkt" (RFC 9449 §6.1).
func (b *Binding) Member() string { return "jkt" }

// Fields returns the field that carries the proof.
func (b *Binding) Fields() []string { return []string{proofField} }

// Scheme returns "DPoP" (RFC 9449 §7.1).
func (b *Binding) Scheme() string { return "DPoP" }

// Algorithms returns the names of the algorithms of accepted proofs, which challenges tell (RFC
// 9449 §7.1). EdDSA is there under both its names: clients may know Ed25519 alone (RFC 9864 §2.2).
func (b *Binding) Algorithms() []string {
	names := make([]string, 0, len(b.algorithms)+1)
	for _, a := range b.algorithms {
		if names = append(names, a.String()); a == auth.EdDSA {
			names = append(names, jose.Ed25519Name)
		}
	}
	return names
}

// Check implements auth.Binding. It refuses with the reasons PROOF_INVALID, PROOF_EXPIRED,
// PROOF_NONCE_REQUIRED, PROOF_REPLAYED and BINDING_NOT_PROVED, and with UNAVAILABLE when the
// ReplayStore cannot tell.
func (b *Binding) Check(ctx context.Context, token string, c *auth.Credentials, p *auth.Principal, member []byte) error {
	if b.nonces != nil && c.Answer == nil { // check: nonce-untold
		return &auth.Error{Reason: auth.ReasonInternal, Err: fault("the adapter carries no answer fields, which nonces need")}
	}
	parser := b.parsers.Get().(*parser)
	defer b.parsers.Put(parser)
	now := time.Now()
	proof, err := b.verify(parser, token, c, member, now)
	if err != nil {
		if auth.AsError(err).Reason == auth.ReasonProofNonceRequired {
			b.tellNonce(c.Answer, now)
		}
		return err
	}
	if err := b.first(ctx, proof.until, ownerOf(p), proof.id(parser.input)); err != nil {
		return err
	}
	if b.nonces != nil && !proof.nonceCurrent { // check: nonce-renewed
		b.tellNonce(c.Answer, now)
	}
	return nil
}

// tellNonce gives the caller a nonce for its next proof. No cache may give it to another (RFC 9449
// §8.2).
func (b *Binding) tellNonce(answer http.Header, now time.Time) {
	answer[nonceField] = []string{b.nonces.at(now).current}
	answer["Cache-Control"] = []string{"no-store"}
}

// first asks the store whether the proof was used before. What it is remembered by is a hash of
// key, jti and target: by jti alone one client could spend another's, and the proof itself has many
// spellings, since ECDSA signatures can be changed into others that verify.
func (b *Binding) first(ctx context.Context, until time.Time, owner, id string) error {
	if _, ok := b.store.(*Memory); !ok { // which never waits
		limited, cancel := context.WithTimeout(ctx, b.replayTimeout)
		defer cancel()
		ctx = limited
	}
	first, err := b.store.First(ctx, owner, id, time.Until(until)+clockMargin)
	switch {
	case err != nil: // check: replay-untold
		return &auth.Error{Reason: auth.ReasonUnavailable, Err: storeFault{err, b.replayTimeout}}
	case !first: // check: replayed
		return &auth.Error{Reason: auth.ReasonProofReplayed, Err: errReplayed}
	}
	return nil
}

// ownerOf is whose share of the store a proof takes: the identity's, since keys are free to make.
func ownerOf(p *auth.Principal) string {
	who := p.Subject()
	kind := "sub"
	if who == "" {
		who, kind = p.ClientID(), "client"
	}
	sum := sha256.Sum256([]byte(p.Issuer() + "\x00" + kind + "\x00" + who))
	return string(sum[:])
}
