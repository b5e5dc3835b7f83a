package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bearward/bearward/jwks"
)

// A TokenVerifier tells whether an access token is good. Implementations must be safe for concurrent use, and must return either a
// Principal or an error that holds a *[Error]; any other error means that the token was not judged.
type TokenVerifier interface {
	// VerifyToken judges a token as it came after the scheme, in whatever form. It does not check a proof of possession: that is the Guard's.
	VerifyToken(ctx context.Context, raw string) (*Principal, error)
}

// A Verifier verifies the JWT access tokens of one issuer. It is safe for concurrent use, and immutable but for its memory of what it verified.
type Verifier struct {
	config     Config
	keys       jwks.Source
	heldKeys   func(kid string) ([]*jwks.Key, error) // what keys can tell without I/O, nil when it cannot be asked
	plan       *claimPlan
	allowed    [algorithms]bool
	rsaDefault Algorithm
	signatures *signatures
	headers    headerMemo
	verdicts   *verdicts // nil when nothing is to be remembered
	scratch    sync.Pool // of *scratch
}

// scratch is the memory that one verification needs and the next can use again.
type scratch struct {
	claims                            claimReader
	header, payload, signature, input []byte
	tag                               []byte
}

// NewVerifier returns a Verifier that checks tokens by config with the issuer's keys. It does no I/O. The error names the field at fault.
func NewVerifier(keys jwks.Source, config Config) (*Verifier, error) {
	if isNil(keys) {
		return nil, errors.New("auth: NewVerifier needs a jwks.Source")
	}
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	v := &Verifier{config: c, keys: keys, heldKeys: heldBy(keys), plan: newClaimPlan(c)}
	if v.signatures, err = newSignatures(c.Algorithms); err != nil {
		return nil, err
	}
	for _, a := range c.Algorithms {
		v.allowed[a] = true
		if v.rsaDefault == 0 && a.isRSA() {
			v.rsaDefault = a
		}
	}
	if c.CacheSize > 0 {
		v.verdicts = newVerdicts(c.CacheSize)
	}
	v.scratch.New = func() any { return new(scratch) }
	return v, nil
}

// Issuer returns the issuer whose tokens v verifies.
func (v *Verifier) Issuer() string { return v.config.Issuer }

// Ready returns nil when the issuer's keys are held, or when the source cannot tell. It does no I/O.
func (v *Verifier) Ready() error {
	if r, ok := v.keys.(interface{ Ready() error }); ok && !v.config.ReadyWithoutKeys {
		return r.Ready()
	}
	return nil
}

// VerifyToken verifies one token, given in its compact serialization. The error is a *[Error].
//
// It does not check "cnf": a sender-constrained token comes back as a Principal whose Confirmation is not nil, and only the [Guard],
// which sees the whole request, can check its proof. Use a Guard wherever there is a request.
func (v *Verifier) VerifyToken(ctx context.Context, raw string) (*Principal, error) {
	return verified(ctx, v, raw)
}

// judgeToken verifies a token that is not remembered.
func (v *Verifier) judgeToken(ctx context.Context, raw string) (*Principal, *Error) {
	s := v.scratch.Get().(*scratch)
	defer v.scratch.Put(s)
	return v.judge(ctx, s, raw)
}

// judge is the order of checks of a token. Where the key is held, which is nearly always, no claim is read before the signature is found
// good. Where it must be fetched, iss, aud and exp are looked at first.
func (v *Verifier) judge(ctx context.Context, s *scratch, raw string) (*Principal, *Error) {
	parts, err := v.split(raw)
	if err != nil {
		return nil, err
	}
	head, err := v.header(s, parts)
	if err != nil {
		return nil, err
	}
	candidates, err := v.held(head)
	if err != nil {
		return nil, err
	}
	if s.signature, err = decodePart(s.signature, parts.signature); err != nil {
		return nil, err
	}
	var p *Principal
	if candidates == nil {
		if p, err = v.foresee(s, parts, time.Now()); err != nil { // check: foresee
			return nil, err
		}
		if candidates, err = v.fetched(ctx, head); err != nil {
			return nil, err
		}
	}
	key := v.signer(s, head.alg, candidates, parts)
	if key == nil {
		return nil, &Error{Reason: ReasonSignatureInvalid}
	}
	now := time.Now() // the keys may have been waited for
	if p == nil {
		if p, err = v.foresee(s, parts, now); err != nil {
			return nil, err
		}
	}
	p.key = key
	if err := v.claims(s, p, head, now); err != nil {
		return nil, err
	}
	if _, ok := v.headers.find(parts.header); !ok {
		v.headers.add(parts.header, head)
	}
	v.remember(s, p, head, raw, now)
	return p, nil
}

// split bounds the token's size and splits it.
func (v *Verifier) split(raw string) (compact, *Error) {
	if len(raw) > v.config.MaxTokenBytes { // check: token-size
		return compact{}, &Error{Reason: ReasonTokenTooLarge}
	}
	parts, err := splitCompact(raw)
	if err != nil {
		return compact{}, errMalformedToken
	}
	return parts, nil
}

// header reads the header and checks what can be known without a key.
func (v *Verifier) header(s *scratch, parts compact) (header, *Error) {
	if h, ok := v.headers.find(parts.header); ok {
		return h, nil
	}
	var refused *Error
	if s.header, refused = decodePart(s.header, parts.header); refused != nil {
		return header{}, refused
	}
	h, err := s.claims.readHeader(s.header)
	if err != nil {
		return h, &Error{Reason: ReasonTokenMalformed, Err: err}
	}
	if h.alg == 0 || !v.allowed[h.alg] { // check: algorithm-allowed
		return h, &Error{Reason: ReasonAlgorithmNotAllowed, about: &finding{"alg", fmt.Sprint(v.config.Algorithms), wellKnownAlgorithm(h.algName)}}
	}
	if h.extension != "" { // check: extensions
		return h, &Error{Reason: ReasonExtensionNotSupported, about: &finding{h.extension, "absent", ""}}
	}
	if !v.acceptsType(h) { // check: type-accepted
		return h, &Error{Reason: ReasonTokenTypeNotAccepted, about: &finding{"typ", oneOf(v.config.Types), wellKnownType(h)}}
	}
	return h, nil
}

func (v *Verifier) acceptsType(h header) bool {
	typ := mediaType(h.typ)
	// An empty "typ" is not an absent one.
	if typ == "" && h.hasTyp { // check: type-empty
		return false
	}
	return slices.Contains(v.config.Types, typ)
}

// decodePart decodes part into the memory of dst.
func decodePart(dst []byte, part string) ([]byte, *Error) {
	out, err := decodeBase64(dst[:0], part)
	if err != nil {
		return out, errMalformedToken
	}
	return out, nil
}

// foresee finds the claims, and reads iss, aud and exp: a token that these alone condemn never causes a fetch. They are read once, from the
// bytes that the signature is over.
func (v *Verifier) foresee(s *scratch, parts compact, now time.Time) (*Principal, *Error) {
	var refused *Error
	if s.payload, refused = decodePart(s.payload, parts.payload); refused != nil {
		return nil, refused
	}
	if err := s.claims.read(v.plan, s.payload); err != nil { // check: claims-json
		return nil, &Error{Reason: ReasonTokenMalformed, Err: err}
	}
	p := &Principal{doc: string(s.payload)}
	if refused = v.addressed(s, p, now); refused != nil {
		return nil, refused
	}
	return p, nil
}

// addressed checks that the token is of our issuer, meant for us, and has not run out.
func (v *Verifier) addressed(s *scratch, p *Principal, now time.Time) *Error {
	for _, read := range [...]func(*claimReader, *Principal) *Error{
		(*claimReader).issuer, (*claimReader).audience, (*claimReader).identity, (*claimReader).times,
	} {
		if err := read(&s.claims, p); err != nil {
			return err
		}
	}
	if p.issuer != v.config.Issuer { // check: issuer
		return &Error{Reason: ReasonIssuerNotTrusted, about: &finding{claim: "iss", expected: v.config.Issuer}}
	}
	if !v.isMeantForUs(p, s) { // check: audience
		return &Error{Reason: ReasonAudienceMismatch, about: &finding{claim: "aud", expected: v.audience()}}
	}
	if p.exp.sec < 0 || p.exp.sec == 0 && p.exp.nsec <= 0 { // check: expiry-required
		return s.claims.fault(ReasonClaimInvalid, claimExp, "a time after the epoch", errMissing) // an absent exp reads as 0
	}
	p.until = p.exp.time().Add(v.config.Leeway)
	return v.unexpired(p, now)
}

func (v *Verifier) unexpired(p *Principal, now time.Time) *Error {
	if !now.Before(p.until) { // check: expired
		return &Error{Reason: ReasonTokenExpired, about: &finding{claim: "exp", expected: "a time to come"}}
	}
	return nil
}

// audience tells an operator whom a token must be meant for.
func (v *Verifier) audience() string {
	switch audiences, clients := oneOf(v.config.Audiences), oneOf(v.config.Clients); {
	case clients == "":
		return audiences
	case audiences == "":
		return "none, of client " + clients
	default:
		return audiences + "; or none, of client " + clients
	}
}

// isMeantForUs reports whether aud names this API; without any aud, whether the client ID is one that Config.Clients admits.
func (v *Verifier) isMeantForUs(p *Principal, s *scratch) bool {
	if !s.claims.has(claimAud) {
		return p.clientID != "" && slices.Contains(v.config.Clients, p.clientID) // check: audience-absent
	}
	return slices.ContainsFunc(p.aud, func(a string) bool { return slices.Contains(v.config.Audiences, a) })
}

// claims checks the claims of a token whose signature is good; issuer, audience and expiry were read from the same bytes.
func (v *Verifier) claims(s *scratch, p *Principal, h header, now time.Time) *Error {
	r := &s.claims
	if err := v.unexpired(p, now); err != nil { // check: expired-while-waiting
		return err
	}
	for _, check := range [...]func(*claimReader, *Principal) *Error{
		(*claimReader).required, (*claimReader).fixed, (*claimReader).authentication, (*claimReader).grants,
	} {
		if err := check(r, p); err != nil {
			return err
		}
	}
	if err := v.window(r, p, now); err != nil {
		return err
	}
	if mediaType(h.typ) != accessTokenType && !v.config.InsecureAllowIDTokens && r.isIDToken() { // check: id-token-marks
		return &Error{Reason: ReasonIDToken}
	}
	for _, check := range v.config.Checks {
		if err := check(p); err != nil { // check: config-checks
			return &Error{Reason: ReasonClaimsRefused, Err: err}
		}
	}
	return nil
}

// window checks nbf, iat, and the ages that the configuration bounds.
func (v *Verifier) window(r *claimReader, p *Principal, now time.Time) *Error {
	var err *Error
	if r.notBefore, err = r.date(p, claimNbf); err != nil {
		return err
	}
	latest := now.Add(v.config.Leeway)
	if r.notBefore.time().After(latest) { // check: not-before
		return &Error{Reason: ReasonTokenNotYetValid, about: &finding{claim: "nbf", expected: "a time that has come"}}
	}
	if p.iat.time().After(latest) { // check: issued-in-future
		return &Error{Reason: ReasonTokenIssuedInFuture, about: &finding{claim: "iat", expected: "a time that has come"}}
	}
	if limit := v.config.MaxAge; limit > 0 && !now.Add(-v.config.Leeway).Before(p.iat.time().Add(limit)) { // check: max-age
		return &Error{Reason: ReasonTokenTooOld, about: &finding{claim: "iat", expected: "at most " + limit.String() + " ago"}}
	}
	if limit := v.config.MaxLifetime; limit > 0 && p.exp.time().After(p.iat.time().Add(limit)) { // check: max-lifetime
		return &Error{Reason: ReasonTokenTooOld, about: &finding{claim: "exp", expected: "at most " + limit.String() + " after iat"}}
	}
	return nil
}

// wellKnownAlgorithm returns name when it is a registered algorithm, for operators; an attacker's own text stays out of the hooks.
func wellKnownAlgorithm(name string) string {
	known := []string{"none", "HS256", "HS384", "HS512", "ES256K", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}
	if algorithmNamed(name) != 0 || slices.Contains(known, name) {
		return name
	}
	return "another"
}

// wellKnownType returns the type of h when it is a registered one, for operators.
func wellKnownType(h header) string {
	typ := mediaType(h.typ)
	_, foreign := foreignTypes[typ]
	switch {
	case !h.hasTyp:
		return "absent"
	case foreign || typ == accessTokenType || typ == "jwt":
		return typ
	}
	return "another"
}
