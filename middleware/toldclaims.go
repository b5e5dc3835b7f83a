package auth

import "time"

// VerifyClaims returns a function that checks claims which the issuer told over TLS and did not
// sign, as its introspection endpoint does (RFC 7662 §2.2). They are checked by config, as a
// Verifier checks those of a JWT, with the same Reasons. It is for a [TokenVerifier] that asks an
// issuer; never give it claims that a caller sent.
//
// It differs from a Verifier where such answers do. Iss and exp may be absent: the token is then
// the asked issuer's, and has no end that is known. Where Config.MaxAge or MaxLifetime is set, exp
// is required. Aud may be absent, or another, when anyAudience says that the issuer answers for
// tokens of this API alone; without it, Config.Audiences is required. Config.RequiredClaims is none
// by default. There is no header, so Algorithms, Types and IDTokenClaims are not used, and neither
// are MaxTokenBytes and CacheSize.
//
// The function keeps no reference to claims, and is safe for concurrent use. Its error is a
// *[Error].
func VerifyClaims(config Config, anyAudience bool) (func(claims []byte) (*Principal, error), error) {
	if config.RequiredClaims == nil {
		config.RequiredClaims = []string{}
	}
	c, err := config.withDefaultsFor(anyAudience)
	if err != nil {
		return nil, err
	}
	v := &Verifier{config: c, plan: newClaimPlan(c)}
	v.scratch.New = func() any { return new(scratch) }
	return func(claims []byte) (*Principal, error) {
		if p, err := v.toldClaims(claims, anyAudience, time.Now()); err != nil {
			return nil, err
		} else {
			return p, nil
		}
	}, nil
}

// toldClaims is the order of checks of claims that the issuer told.
func (v *Verifier) toldClaims(claims []byte, anyAudience bool, now time.Time) (*Principal, *Error) {
	s := v.scratch.Get().(*scratch)
	defer v.scratch.Put(s)
	r := &s.claims
	defer func() { r.raw = nil }()
	if err := r.read(v.plan, claims); err != nil { // check: told-json
		return nil, malformed("claims", err)
	}
	p := &Principal{doc: string(claims), leeway: v.config.Leeway}
	for _, read := range [...]func(*claimReader, *Principal) *Error{
		(*claimReader).issuer, (*claimReader).audience, (*claimReader).identity, (*claimReader).times,
	} {
		if err := read(r, p); err != nil {
			return nil, err
		}
	}
	if !r.has(claimIss) {
		p.issuer = v.config.Issuer
	}
	if p.issuer != v.config.Issuer { // check: told-issuer
		return nil, v.otherIssuer(p.issuer)
	}
	if !anyAudience && !v.isMeantForUs(p, s) { // check: told-audience
		return nil, v.otherAudience(p.aud, p.clientID)
	}
	bounded := v.config.MaxAge > 0 || v.config.MaxLifetime > 0
	if r.has(claimExp) || bounded {
		if p.exp.Sec <= 0 { // check: told-expiry
			return nil, noExpiry()
		}
		p.until = p.expiry(v.config.MaxAge)
		if err := v.unexpired(p, now); err != nil { // check: told-expired
			return nil, err
		}
	}
	for _, check := range [...]func(*claimReader, *Principal) *Error{
		(*claimReader).required, (*claimReader).fixed, (*claimReader).readConfirmation, (*claimReader).readScopes,
	} {
		if err := check(r, p); err != nil {
			return nil, err
		}
	}
	if err := v.checkTimes(s, p, now); err != nil {
		return nil, err
	}
	for i, check := range v.config.Checks {
		if err := check(p); err != nil { // check: told-checks
			return nil, refusedByCheck(i, err)
		}
	}
	return p, nil
}
