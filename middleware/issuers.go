package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/internal/tokencache"
)

// Issuers verifies the tokens of several issuers, each by its own Verifier. Keys stay bound to
// their issuer: a token is verified only by the Verifier of the exact "iss" that it names (RFC 8725
// §3.8). It is immutable and safe for concurrent use.
type Issuers struct {
	byIssuer map[string]*Verifier
	longest  int // bytes of the longest issuer's name
	maxBytes int
	buffers  sync.Pool   // of *[]byte, to decode claims into
	tokens   *tokenCache // of all of them, so that a token is looked up once; nil when none remembers any
}

// NewIssuers returns a TokenVerifier for the issuers of vs. It is an error to give none, a nil one,
// or two of one issuer.
func NewIssuers(vs ...*Verifier) (*Issuers, error) {
	if len(vs) == 0 {
		return nil, errors.New("auth: NewIssuers needs a Verifier")
	}
	is := &Issuers{byIssuer: make(map[string]*Verifier, len(vs))}
	is.buffers.New = func() any { return new([]byte) }
	size := 0
	for i, v := range vs {
		if v == nil {
			return nil, fmt.Errorf("auth: NewIssuers: Verifier %d is nil", i)
		}
		if _, ok := is.byIssuer[v.Issuer()]; ok { // check: issuers-twice
			return nil, fmt.Errorf("auth: NewIssuers: two Verifiers for issuer %q", v.Issuer())
		}
		is.byIssuer[v.Issuer()] = v
		is.longest = max(is.longest, len(v.Issuer()))
		is.maxBytes = max(is.maxBytes, v.config.MaxTokenBytes)
		size += max(v.config.CacheSize, 0)
	}
	if size > 0 {
		is.tokens = tokencache.New[cachedToken](size)
	}
	return is, nil
}

// VerifyToken verifies raw by the Verifier of the issuer that it names. The error is a *[Error].
func (is *Issuers) VerifyToken(ctx context.Context, raw string) (*Principal, error) {
	return verifyToken(ctx, is, raw)
}

func (is *Issuers) lookup(ctx context.Context, raw string) (*Principal, *Error) {
	return lookupIn(ctx, is.tokens, raw, is.maxBytes)
}

// verifyUncached finds the Verifier of the issuer that the token names. Nobody has vouched for that
// name: it chooses the Verifier, which reads it again.
func (is *Issuers) verifyUncached(ctx context.Context, raw string) (*Principal, *Error) {
	if len(raw) > is.maxBytes { // check: issuers-token-size
		return nil, &Error{Reason: ReasonTokenTooLarge}
	}
	v, refused := is.verifierOf(raw)
	if refused != nil {
		return nil, refused
	}
	return v.verify(ctx, raw, is.tokens)
}

// verifierOf finds iss by passing over everything else, wherever it stands.
func (is *Issuers) verifierOf(raw string) (*Verifier, *Error) {
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
	if text := found[0]; text.End-text.Start <= 6*is.longest+2 { // check: issuers-name-size
		iss, _ := jose.SkimText(*buffer, text)
		if v, ok := is.byIssuer[iss]; ok {
			return v, nil
		}
	}
	return nil, &Error{Reason: ReasonIssuerNotTrusted, about: &detail{claim: "iss", expected: "a configured issuer"}}
}

var issName = [...]string{"iss"}

// Ready returns nil when the keys of every issuer are cached, but for those of
// Config.ReadyWithoutKeys.
func (is *Issuers) Ready() error {
	var errs []error
	for iss, v := range is.byIssuer {
		if err := v.Ready(); err != nil {
			errs = append(errs, fmt.Errorf("issuer %s: %w", iss, err))
		}
	}
	return errors.Join(errs...)
}
