package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/internal/tokencache"
	"github.com/bearward/bearward/jwks"
)

// A TokenVerifier tells whether an access token is good. [Verifier] and [Issuers] are such, and so
// is what package introspect makes. Write another for other tokens, and give it to [NewGuard].
// Implementations must be safe for concurrent use. They must return either a Principal or an error
// that holds a *[Error]. Any other error means that the token was not judged. Where they have the
// methods Ready and Status of a Verifier, those of the Guard call them.
type TokenVerifier interface {
	// VerifyToken verifies a token as it came after the scheme, in any form. It does not check a
	// proof of possession: that is the Guard's.
	VerifyToken(ctx context.Context, raw string) (*Principal, error)
}

// A Verifier verifies the JWT access tokens of one issuer, for a [Guard]. [NewVerifier] makes one,
// where several issuers or keys of another kind are needed; else [New] and [NewWithKeys] do it. It
// is safe for concurrent use, and immutable but for its cache of verified tokens. It has nothing to
// close: its keys belong to who made them.
type Verifier struct {
	config      Config
	keys        jwks.Source
	cacheLookup func(kid string) ([]*jwks.Key, error) // what keys can tell without I/O, nil when it cannot be asked
	plan        *claimPlan
	claimSteps  []claimStep
	skimNames   []string // the claims that are looked at before a fetch
	allowed     [jose.Algorithms]bool
	rsaDefault  jose.Algorithm
	signatures  *jose.Signatures
	headers     headerCache
	tokens      *tokenCache // nil when nothing is to be remembered
	scratch     sync.Pool   // of *scratch
}

// scratch is the memory that one verification needs and the next can use again.
type scratch struct {
	claims                            claimReader
	head                              jose.Header
	header, payload, signature, input []byte
	skimmed                           []jose.Value
}

// NewVerifier returns a Verifier that checks tokens by config with the issuer's keys. It does no
// I/O. The error names the field at fault.
func NewVerifier(keys jwks.Source, config Config) (*Verifier, error) {
	if isNil(keys) {
		return nil, errors.New("auth: NewVerifier needs a jwks.Source")
	}
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if cache, ok := keys.(*jwks.Cache); ok && cache.Issuer() != "" && cache.Issuer() != c.Issuer { // check: keys-of-another-issuer
		return nil, fmt.Errorf("auth: NewVerifier: the keys are those of issuer %q, and Config.Issuer is %q", cache.Issuer(), c.Issuer)
	}
	v := &Verifier{config: c, keys: keys, cacheLookup: cacheLookup(keys), plan: newClaimPlan(c), skimNames: skimNames(c)}
	v.claimSteps = newClaimSteps(c, v.plan)
	algorithms := make([]jose.Algorithm, len(c.Algorithms))
	for i, a := range c.Algorithms {
		algorithms[i] = jose.Algorithm(a)
		v.allowed[a] = true
		if v.rsaDefault == 0 && algorithms[i].IsRSA() {
			v.rsaDefault = algorithms[i]
		}
	}
	if v.signatures, err = jose.NewSignatures(algorithms...); err != nil {
		return nil, fmt.Errorf("auth: Config.Algorithms: %w", err)
	}
	if c.CacheSize > 0 {
		v.tokens = tokencache.New[cachedToken](c.CacheSize)
	}
	v.scratch.New = func() any { return new(scratch) }
	return v, nil
}

// Issuer returns the issuer whose tokens v verifies.
func (v *Verifier) Issuer() string { return v.config.Issuer }

// Ready returns nil when the issuer's keys are cached, or when the source cannot tell. It does no
// I/O.
func (v *Verifier) Ready() error {
	if r, ok := v.keys.(interface{ Ready() error }); ok && !v.config.ReadyWithoutKeys {
		return r.Ready()
	}
	return nil
}

// VerifyToken verifies one token, given in its compact serialization. The error is a *[Error].
//
// It does not check "cnf". A sender-constrained token comes back as a Principal whose Confirmation
// is not nil; only the [Guard], which sees the whole request, can check its proof. Use a Guard
// wherever there is a request.
func (v *Verifier) VerifyToken(ctx context.Context, raw string) (*Principal, error) {
	return verifyToken(ctx, v, raw)
}

func (v *Verifier) lookup(ctx context.Context, raw string) (*Principal, *Error) {
	if v.tokens == nil || len(raw) > v.config.MaxTokenBytes {
		return nil, nil
	}
	if known := v.tokens.Find(v.tokens.Tag(raw)); known != nil {
		return known.Value.recheck(ctx)
	}
	return nil, nil
}

func (v *Verifier) verifyUncached(ctx context.Context, raw string) (*Principal, *Error) {
	return v.verify(ctx, raw, v.tokens)
}

// verify is the order of checks of a token, which tokens caches when it is good. Where the key is
// cached, which is nearly always, no claim is read before the signature is found good. Where it
// must be fetched, iss, aud and exp are looked at first.
func (v *Verifier) verify(ctx context.Context, raw string, tokens *tokenCache) (*Principal, *Error) {
	s := v.scratch.Get().(*scratch)
	defer func() {
		if s != nil { // nil while keys are fetched, by a Source that may panic
			v.scratch.Put(s)
		}
	}()
	parts, err := v.split(raw)
	if err != nil {
		return nil, err
	}
	head, err := v.header(s, parts)
	if err != nil {
		return nil, err
	}
	candidates, err := v.cachedKeys(head)
	if err != nil {
		return nil, v.notYetKnown(s, parts, err, time.Now())
	}
	if s.signature, err = decodePart(s.signature, parts.Signature, "signature"); err != nil {
		return nil, err
	}
	if candidates == nil {
		if err = v.checkBeforeFetch(s, parts, time.Now()); err != nil { // check: read-before-fetch
			return nil, err
		}
		v.scratch.Put(s)
		s = nil // a request that waits holds next to nothing
		candidates, err = v.fetchKeys(ctx, head)
		s = v.scratch.Get().(*scratch)
		if err != nil {
			return nil, v.notYetKnown(s, parts, err, time.Now())
		}
		if s.signature, err = decodePart(s.signature, parts.Signature, "signature"); err != nil {
			return nil, err
		}
	}
	key := v.verifyingKey(s, head.Algorithm, candidates, parts)
	if key == nil {
		return nil, v.badSignature(head, candidates, s.signature)
	}
	now := time.Now() // the keys may have been waited for
	p, err := v.readClaims(s, parts)
	if err != nil {
		return nil, err
	}
	p.key, p.verifiedBy = key, v
	s.head = head
	for i := range v.claimSteps {
		if err := v.claimSteps[i].check(v, s, p, now); err != nil {
			return nil, err
		}
	}
	if _, ok := v.headers.find(parts.Header); !ok {
		v.headers.add(parts.Header, head)
	}
	v.cache(tokens, p, head, s.claims.notBefore.Time(), raw, now)
	return p, nil
}

// badSignature refuses a token that none of its candidates signed. The issuer may have put another
// key in the place of one of them, so the key cache is told.
func (v *Verifier) badSignature(h jose.Header, candidates []*jwks.Key, signature []byte) *Error {
	v.tellKeys()
	if h.HasNonce {
		return &Error{Reason: ReasonSignatureInvalid, about: microsoftNonce}
	}
	return &Error{Reason: ReasonSignatureInvalid, about: aboutSignature(h, candidates, signature)}
}

// tellKeys tells a key cache that no key cached verified a token whose key ID is cached, or that
// names none. It does not wait.
func (v *Verifier) tellKeys() {
	if cache, ok := v.keys.(*jwks.Cache); ok { // check: recheck-keys
		cache.SignatureFailed()
	}
}

// microsoftNonce tells of a token whose signature is over a hash of the nonce in its header, which
// only Microsoft's own APIs know.
var microsoftNonce = &detail{claim: "nonce", expected: "absent from the header",
	note: "its header has a nonce: a token for Microsoft Graph or another API of Microsoft, which no other API can verify"}

// size bounds the token's size.
func (v *Verifier) size(raw string) *Error {
	if len(raw) > v.config.MaxTokenBytes { // check: token-size
		return tooLarge(v.config.MaxTokenBytes)
	}
	return nil
}

// split bounds the token's size and splits it.
func (v *Verifier) split(raw string) (jose.Compact, *Error) {
	if err := v.size(raw); err != nil {
		return jose.Compact{}, err
	}
	return splitCompact(raw)
}

func splitCompact(raw string) (jose.Compact, *Error) {
	parts, err := jose.Split(raw)
	if err != nil {
		return jose.Compact{}, notCompact(err)
	}
	return parts, nil
}

// header reads the header and checks what can be known without a key.
func (v *Verifier) header(s *scratch, parts jose.Compact) (jose.Header, *Error) {
	if h, ok := v.headers.find(parts.Header); ok {
		return h, nil
	}
	if err := s.readHeader(parts); err != nil {
		return jose.Header{}, err
	}
	for i := range headerSteps {
		if err := headerSteps[i].check(v, &s.head); err != nil {
			return jose.Header{}, err
		}
	}
	return s.head, nil
}

// readHeader reads the header into s.head.
func (s *scratch) readHeader(parts jose.Compact) *Error {
	var err error
	if s.header, err = jose.DecodeHeader(s.header[:0], parts.Header); err != nil {
		return malformed("header", err)
	}
	if s.head, err = s.claims.Header(s.header); err != nil {
		return malformed("header", err)
	}
	return nil
}

func (v *Verifier) checkAlgorithm(h *jose.Header) *Error {
	if h.Algorithm == 0 || !v.allowed[h.Algorithm] { // check: algorithm-allowed
		seen := wellKnownAlgorithm(h.AlgorithmName)
		return &Error{Reason: ReasonAlgorithmNotAllowed, about: &detail{claim: "alg", expected: fmt.Sprint(v.config.Algorithms), seen: seen, note: algorithmNote(seen)}}
	}
	return nil
}

func (v *Verifier) checkExtensions(h *jose.Header) *Error {
	if h.Extension != "" { // check: extensions
		return &Error{Reason: ReasonExtensionNotSupported, about: &detail{claim: h.Extension, expected: "absent"}}
	}
	return nil
}

func (v *Verifier) checkType(h *jose.Header) *Error {
	if !v.acceptsType(h) { // check: type-accepted
		seen := wellKnownType(*h)
		return &Error{Reason: ReasonTokenTypeNotAccepted, about: &detail{claim: "typ", expected: oneOf(v.config.Types), seen: seen, note: typeNote(seen)}}
	}
	return nil
}

func (v *Verifier) acceptsType(h *jose.Header) bool {
	typ := jose.MediaType(h.Type)
	// An empty "typ" is not an absent one.
	if typ == "" && h.HasType { // check: type-empty
		return false
	}
	return slices.Contains(v.config.Types, typ)
}

// decodePart decodes a part of the token, which name names, into the memory of dst.
func decodePart(dst []byte, part, name string) ([]byte, *Error) {
	out, err := jose.DecodeBase64(dst[:0], part)
	if err != nil {
		return out, malformed(name, err)
	}
	return out, nil
}

// readClaims finds the claims. They are read once, from the bytes that the signature is over.
func (v *Verifier) readClaims(s *scratch, parts jose.Compact) (*Principal, *Error) {
	var refused *Error
	if s.payload, refused = decodePart(s.payload, parts.Payload, "claims"); refused != nil {
		return nil, refused
	}
	if err := s.claims.read(v.plan, s.payload); err != nil { // check: claims-json
		return nil, malformed("claims", err)
	}
	return &Principal{doc: string(s.payload), leeway: v.config.Leeway}, nil
}

func (v *Verifier) checkIssuer(_ *scratch, p *Principal, _ time.Time) *Error {
	if p.issuer != v.config.Issuer { // check: issuer
		return v.otherIssuer(p.issuer)
	}
	return nil
}

func (v *Verifier) checkAudience(s *scratch, p *Principal, _ time.Time) *Error {
	if !v.isMeantForUs(p, s) { // check: audience
		return v.otherAudience(p.aud, p.clientID)
	}
	return nil
}

func (v *Verifier) checkExpiry(_ *scratch, p *Principal, now time.Time) *Error {
	if p.exp.Sec < 0 || p.exp.Sec == 0 && p.exp.Nsec <= 0 { // check: expiry-required
		return noExpiry() // an absent exp reads as 0
	}
	p.until = p.expiry(v.config.MaxAge)
	return v.unexpired(p, now)
}

func (v *Verifier) otherIssuer(iss string) *Error {
	return &Error{Reason: ReasonIssuerNotTrusted, about: &detail{claim: "iss", expected: v.config.Issuer, note: issuerNote(iss, v.config.Issuer)}}
}

func (v *Verifier) otherAudience(aud []string, clientID string) *Error {
	return &Error{Reason: ReasonAudienceMismatch, about: &detail{claim: "aud", expected: v.audience(), note: audienceNote(aud, clientID, v.config.Audiences)}}
}

func noExpiry() *Error {
	return &Error{Reason: ReasonClaimInvalid, Err: errMissing, about: &detail{claim: "exp", expected: "a time after the epoch"}}
}

func expired() *Error {
	return &Error{Reason: ReasonTokenExpired, about: &detail{claim: "exp", expected: "a time to come"}}
}

// unexpired compares the token with the clock: with exp, and with iat where Config.MaxAge bounds
// the time since.
func (v *Verifier) unexpired(p *Principal, now time.Time) *Error {
	if now.Before(p.until) { // check: expired
		return nil
	}
	if now.Before(p.expiry(0)) { // check: max-age
		return &Error{Reason: ReasonTokenTooOld, about: &detail{claim: "iat", expected: "at most " + v.config.MaxAge.String() + " ago", note: "older than Config.MaxAge allows"}}
	}
	return expired()
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

// isMeantForUs reports whether aud names this API; without any aud, whether the client ID is one
// that Config.Clients admits.
func (v *Verifier) isMeantForUs(p *Principal, s *scratch) bool {
	if !s.claims.has(claimAud) {
		return p.clientID != "" && slices.Contains(v.config.Clients, p.clientID) // check: audience-absent
	}
	return slices.ContainsFunc(p.aud, func(a string) bool { return slices.Contains(v.config.Audiences, a) })
}

// checkTimes checks nbf and iat, and how long the token is good for.
func (v *Verifier) checkTimes(s *scratch, p *Principal, now time.Time) *Error {
	for _, check := range [...]func(*Verifier, *scratch, *Principal, time.Time) *Error{
		(*Verifier).checkNotBefore, (*Verifier).checkIssuedAt, (*Verifier).checkLifetime,
	} {
		if err := check(v, s, p, now); err != nil {
			return err
		}
	}
	return nil
}

func (v *Verifier) checkNotBefore(s *scratch, p *Principal, now time.Time) *Error {
	var err *Error
	if s.claims.notBefore, err = s.claims.date(p, claimNbf); err != nil {
		return err
	}
	if s.claims.notBefore.Time().After(now.Add(v.config.Leeway)) { // check: not-before
		return &Error{Reason: ReasonTokenNotYetValid, about: &detail{claim: "nbf", expected: "a time that has come", note: v.clockNote()}}
	}
	return nil
}

func (v *Verifier) checkIssuedAt(_ *scratch, p *Principal, now time.Time) *Error {
	if p.iat.Time().After(now.Add(v.config.Leeway)) { // check: issued-in-future
		return &Error{Reason: ReasonTokenIssuedInFuture, about: &detail{claim: "iat", expected: "a time that has come", note: v.clockNote()}}
	}
	return nil
}

func (v *Verifier) checkLifetime(_ *scratch, p *Principal, _ time.Time) *Error {
	if limit := v.config.MaxLifetime; limit > 0 && p.exp.Time().After(p.iat.Time().Add(limit)) { // check: max-lifetime
		return &Error{Reason: ReasonTokenTooOld, about: &detail{claim: "exp", expected: "at most " + limit.String() + " after iat", note: "good for longer than Config.MaxLifetime allows"}}
	}
	return nil
}

// checkIDToken looks for marks of an ID token.
func (v *Verifier) checkIDToken(s *scratch, _ *Principal, _ time.Time) *Error {
	if mark := s.claims.idTokenMark(); mark >= 0 && !isAccessToken(&s.head) && !v.config.InsecureAllowIDTokens { // check: id-token-marks
		return &Error{Reason: ReasonIDToken, about: &detail{claim: v.plan.names[mark], expected: "absent",
			note: "it marks ID tokens (Config.IDTokenClaims): the client is to send its access token"}}
	}
	return nil
}

// askChecks asks the program's own checks.
func (v *Verifier) askChecks(_ *scratch, p *Principal, _ time.Time) *Error {
	for i, check := range v.config.Checks {
		if err := check(p); err != nil { // check: config-checks
			return refusedByCheck(i, err)
		}
	}
	return nil
}
