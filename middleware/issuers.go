package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/internal/tokencache"
)

// Issuers verifies the tokens of several issuers, each by its own Verifier. Keys stay bound to
// their issuer: a token is verified only by the Verifier of the exact "iss" that it names (RFC 8725
// §3.8). It is safe for concurrent use. Issuers may come and go while it serves: each request sees
// all of a change or nothing of it. [NewIssuers] makes one, for [NewGuard]. Where the issuers are
// fixed, [NewWithVerifiers] is shorter.
type Issuers struct {
	trusted atomic.Pointer[trustedIssuers]
	most    int        // issuers
	change  sync.Mutex // held by Add and Remove
	fapi2   bool       // a Guard of that Profile asks it; guarded by change
	buffers sync.Pool  // of *[]byte, to decode claims into
	// tokens are of all issuers, so that a token is looked up once; nil when none is cached.
	tokens *tokenCache
}

// trustedIssuers are the issuers of one time. They are immutable.
type trustedIssuers struct {
	byIssuer map[string]*Verifier
	longest  int // bytes of the longest issuer's name
	maxBytes int // of a token
}

// maxIssuers is how many issuers there may be.
const maxIssuers = 1000

// NewIssuers returns a TokenVerifier for the issuers of vs. It is an error to give none, a nil one,
// or two of one issuer. It caches as many tokens as all of vs together would, also those of issuers
// that are added later.
func NewIssuers(vs ...*Verifier) (*Issuers, error) {
	if len(vs) == 0 {
		return nil, errors.New("auth: NewIssuers needs a Verifier")
	}
	is := &Issuers{most: max(maxIssuers, len(vs))}
	is.buffers.New = func() any { return new([]byte) }
	size := 0
	byIssuer := make(map[string]*Verifier, len(vs))
	for i, v := range vs {
		if v == nil {
			return nil, fmt.Errorf("auth: NewIssuers: Verifier %d is nil", i)
		}
		if _, ok := byIssuer[v.Issuer()]; ok { // check: issuers-twice
			return nil, fmt.Errorf("auth: NewIssuers: two Verifiers for issuer %q", v.Issuer())
		}
		byIssuer[v.Issuer()] = v
		size += max(v.config.CacheSize, 0)
	}
	is.trust(byIssuer)
	if size > 0 {
		is.tokens = tokencache.New[cachedToken](size)
	}
	return is, nil
}

// trust makes byIssuer, which is not changed afterwards, the issuers whose tokens are verified.
func (is *Issuers) trust(byIssuer map[string]*Verifier) {
	t := &trustedIssuers{byIssuer: byIssuer}
	if len(byIssuer) == 0 {
		t.maxBytes = defaultMaxTokenBytes // to say of each token that its issuer is not trusted
	}
	for name, v := range byIssuer {
		t.longest = max(t.longest, len(name))
		t.maxBytes = max(t.maxBytes, v.config.MaxTokenBytes)
	}
	is.trusted.Store(t)
}

// Add has the tokens of v's issuer verified from now on. It is an error when v is nil, and when
// there is a Verifier of that issuer. It is one when a Guard of a Profile asks is, which does not
// allow v. There may be 1,000 issuers, or as many as NewIssuers was
// given. The key source of v is its maker's to close.
func (is *Issuers) Add(v *Verifier) error {
	if v == nil {
		return errors.New("auth: Issuers.Add: the Verifier is nil")
	}
	is.change.Lock()
	defer is.change.Unlock()
	now := is.trusted.Load().byIssuer
	if _, ok := now[v.Issuer()]; ok { // check: issuers-add-twice
		return fmt.Errorf("auth: Issuers.Add: there is a Verifier for issuer %q", v.Issuer())
	}
	if len(now) >= is.most { // check: issuers-most
		return fmt.Errorf("auth: Issuers.Add: there are %d issuers, as many as there may be", len(now))
	}
	if faults := verifierFaults(v, false); is.fapi2 && len(faults) > 0 { // check: issuers-add-profile
		return fmt.Errorf("auth: Issuers.Add: a Guard's Profile is FAPI2, which does not allow this: %s", strings.Join(faults, "; "))
	}
	next := maps.Clone(now)
	next[v.Issuer()] = v
	is.trust(next)
	return nil
}

// Remove has no token of issuer accepted any more, and returns its Verifier, nil when there is
// none: close its key source now. Tokens that were verified before are refused too, and open
// streams end when they are rechecked. So are they when the issuer is added again, with another
// Verifier.
func (is *Issuers) Remove(issuer string) *Verifier {
	is.change.Lock()
	defer is.change.Unlock()
	now := is.trusted.Load().byIssuer
	v := now[issuer]
	if v != nil {
		next := maps.Clone(now)
		delete(next, issuer)
		is.trust(next)
	}
	return v
}

// trusts reports whether v is the Verifier of its issuer now.
func (is *Issuers) trusts(v *Verifier) bool {
	return v != nil && is.trusted.Load().byIssuer[v.Issuer()] == v
}

// VerifyToken verifies raw by the Verifier of the issuer that it names. The error is a *[Error].
func (is *Issuers) VerifyToken(ctx context.Context, raw string) (*Principal, error) {
	return verifyToken(ctx, is, raw)
}

func (is *Issuers) lookup(ctx context.Context, raw string) (*Principal, *Error) {
	if is.tokens == nil || len(raw) > is.trusted.Load().maxBytes {
		return nil, nil
	}
	known := is.tokens.Find(is.tokens.Tag(raw))
	if known == nil || !is.trusts(known.Value.verifier) { // check: issuers-removed
		return nil, nil
	}
	return known.Value.recheck(ctx)
}

// verifyUncached finds the Verifier of the issuer that the token names. Nobody has vouched for that
// name: it chooses the Verifier, which reads it again.
func (is *Issuers) verifyUncached(ctx context.Context, raw string) (*Principal, *Error) {
	trusted := is.trusted.Load()
	if len(raw) > trusted.maxBytes { // check: issuers-token-size
		return nil, tooLarge(trusted.maxBytes)
	}
	v, refused := is.verifierOf(trusted, raw)
	if refused != nil {
		return nil, refused
	}
	return v.verify(ctx, raw, is.tokens)
}

// verifierOf finds iss by passing over everything else, wherever it stands.
func (is *Issuers) verifierOf(trusted *trustedIssuers, raw string) (*Verifier, *Error) {
	parts, err := jose.Split(raw)
	if err != nil {
		return nil, notCompact(err)
	}
	buffer := is.buffers.Get().(*[]byte)
	defer is.buffers.Put(buffer)
	var refused *Error
	if *buffer, refused = decodePart(*buffer, parts.Payload, "claims"); refused != nil {
		return nil, refused
	}
	var found [1]jose.Value
	if err := jose.Skim(*buffer, issName[:], found[:]); err != nil {
		return nil, malformed("claims", err)
	}
	if kind := found[0].Kind; kind != '"' && kind != 'n' && kind != 0 { // check: issuers-name-type
		return nil, malformed("iss", jose.ErrWrongType)
	}
	// A name that is longer than any of ours, with every character an escape, need not be decoded.
	if text := found[0]; text.End-text.Start <= 6*trusted.longest+2 { // check: issuers-name-size
		iss, _ := jose.SkimText(*buffer, text)
		if v, ok := trusted.byIssuer[iss]; ok {
			return v, nil
		}
		return nil, trusted.otherIssuer(iss)
	}
	return nil, trusted.otherIssuer("?")
}

// otherIssuer refuses a token of an issuer that is none of ours, "" for one without.
func (t *trustedIssuers) otherIssuer(iss string) *Error {
	about := &detail{claim: "iss", expected: "a configured issuer", note: "it is none of those that are configured"}
	if iss == "" {
		about.note = "there is none"
	}
	for _, near := range [...]string{iss + "/", strings.TrimSuffix(iss, "/")} {
		if t.byIssuer[near] != nil {
			about.note = nearNote(iss, near, "a configured one")
		}
	}
	return &Error{Reason: ReasonIssuerNotTrusted, about: about}
}

var issName = [...]string{"iss"}

// Ready returns nil when the keys of every issuer are cached, but for those of
// Config.ReadyWithoutKeys.
func (is *Issuers) Ready() error {
	var errs []error
	for iss, v := range is.trusted.Load().byIssuer {
		if err := v.Ready(); err != nil {
			errs = append(errs, fmt.Errorf("issuer %s: %w", iss, err))
		}
	}
	return errors.Join(errs...)
}
