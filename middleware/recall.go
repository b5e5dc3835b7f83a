package auth

import (
	"context"
	"slices"
	"time"
)

// A judge tells what it remembers of a token apart from what it must find out. Verifier and Issuers are judges.
type judge interface {
	recallToken(ctx context.Context, raw string) (*Principal, *Error)
	judgeToken(ctx context.Context, raw string) (*Principal, *Error)
}

// judgeOf returns v as a judge, nil when it is none. It goes by the type itself: what embeds a Verifier, and has a VerifyToken of its own, would
// be passed over.
func judgeOf(v TokenVerifier) judge {
	switch v := v.(type) {
	case *Verifier:
		return v
	case *Issuers:
		return v
	}
	return nil
}

// verified recalls a token or judges it.
func verified(ctx context.Context, j judge, raw string) (*Principal, error) {
	p, err := j.recallToken(ctx, raw)
	if p == nil && err == nil {
		p, err = j.judgeToken(ctx, raw)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// recallToken returns the Principal of a token that was verified before, as long as it would be accepted again: the clock is asked each
// time, and so is the source, for the very key that verified it. One that ran out since is refused. It returns nothing when the token must
// be judged.
func (v *Verifier) recallToken(ctx context.Context, raw string) (*Principal, *Error) {
	if v.verdicts == nil || len(raw) > v.config.MaxTokenBytes {
		return nil, nil
	}
	s := v.scratch.Get().(*scratch)
	known := v.verdicts.find(v.verdicts.tagOf(&s.tag, raw))
	v.scratch.Put(s)
	if known == nil {
		return nil, nil
	}
	now := time.Now()
	if err := v.unexpired(known.principal, now); err != nil { // of all refusals the commonest: no key can change it any more
		return nil, err
	}
	if now.Before(known.from) || !now.Before(known.until) { // check: cached-clock
		return nil, nil
	}
	keys, err := v.keys.Keys(ctx, known.kid)
	if err != nil { // not judged again: that would ask for the keys twice
		return nil, v.keyFault(err)
	}
	if !slices.Contains(keys, known.principal.key) { // check: cached-key-withdrawn
		return nil, nil
	}
	return known.principal, nil
}

// remember keeps the verdict on a good token. Without "kid" nothing ties it to one key, so it is judged each time.
func (v *Verifier) remember(s *scratch, p *Principal, h header, raw string, now time.Time) {
	if v.verdicts == nil || h.kid == "" { // check: cached-without-kid
		return
	}
	r := &remembered{principal: p, kid: p.key.ID, until: p.until}
	r.tag = v.verdicts.tagOf(&s.tag, raw)
	for _, d := range [...]numericDate{s.claims.notBefore, p.iat} {
		if d.given && d.time().Add(-v.config.Leeway).After(r.from) {
			r.from = d.time().Add(-v.config.Leeway)
		}
	}
	if limit := v.config.MaxAge; limit > 0 {
		if end := p.iat.time().Add(limit + v.config.Leeway); end.Before(r.until) {
			r.until = end
		}
	}
	v.verdicts.add(r, now)
}
