package auth

import (
	"context"
	"slices"
	"time"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/internal/tokencache"
)

// A tokenCache remembers verified tokens.
type tokenCache = tokencache.Cache[cachedToken]

// A cachedToken is what is remembered of a verified token.
type cachedToken struct {
	verifier  *Verifier
	principal *Principal
	from      time.Time // the token is good from then on
}

// A cachingVerifier tells what it remembers of a token apart from what it must find out. Verifier,
// Issuers, and what NewForms returns are such.
type cachingVerifier interface {
	// lookup returns the Principal of a token that was verified before, as long as it would be
	// accepted again, and the refusal of one that expired since. It returns nothing when the token
	// must be verified.
	lookup(ctx context.Context, raw string) (*Principal, *Error)
	verifyUncached(ctx context.Context, raw string) (*Principal, *Error)
}

// cachingVerifierOf returns v as a cachingVerifier, nil when it is none. It goes by the type
// itself: what embeds a Verifier, and has a VerifyToken of its own, would be passed over.
func cachingVerifierOf(v TokenVerifier) cachingVerifier {
	switch v := v.(type) {
	case *Verifier:
		return v
	case *Issuers:
		return v
	case *forms:
		return v
	}
	return nil
}

// verifyCached looks a token up, and verifies it when it is not remembered. What is remembered was
// well-formed when it was verified: to look at each of its characters again would take longer than
// all the rest, so check, which may be nil, is asked of the others alone.
func verifyCached(ctx context.Context, v cachingVerifier, raw string, check func(raw string) *Error) (p *Principal, cached bool, refused *Error) {
	if p, refused = v.lookup(ctx, raw); p != nil || refused != nil {
		return p, p != nil, refused
	}
	if check != nil {
		if refused = check(raw); refused != nil {
			return nil, false, refused
		}
	}
	p, refused = v.verifyUncached(ctx, raw)
	return p, false, refused
}

// verifyToken is the VerifyToken of a cachingVerifier.
func verifyToken(ctx context.Context, v cachingVerifier, raw string) (*Principal, error) {
	p, _, refused := verifyCached(ctx, v, raw, nil)
	if refused != nil {
		return nil, refused
	}
	return p, nil
}

// recheck asks what may have changed since the token was verified: the clock each time, and the
// source, for the very key that verified it.
func (t *cachedToken) recheck(ctx context.Context) (*Principal, *Error) {
	v, p, now := t.verifier, t.principal, time.Now()
	if err := v.unexpired(p, now); err != nil { // of all refusals the commonest: no key can change it any more
		return nil, err
	}
	if now.Before(t.from) { // check: cached-clock
		return nil, nil
	}
	keys, err := v.keys.Keys(ctx, p.key.ID)
	if err != nil { // not verified again: that would ask for the keys twice
		return nil, v.keyFault(err)
	}
	if !slices.Contains(keys, p.key) { // check: cached-key-withdrawn
		return nil, nil
	}
	return p, nil
}

// cache keeps what came of a good token. Without "kid" nothing ties it to one key, so it is
// verified each time.
func (v *Verifier) cache(tokens *tokenCache, p *Principal, h jose.Header, notBefore time.Time, raw string, now time.Time) {
	if tokens == nil || v.config.CacheSize < 0 || h.KeyID == "" { // check: cached-without-kid
		return
	}
	from := p.iat.Time()
	if notBefore.After(from) {
		from = notBefore
	}
	if !from.IsZero() {
		from = from.Add(-v.config.Leeway)
	}
	tokens.Add(tokens.Tag(raw), cachedToken{v, p, from}, p.until, now)
}
