package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/internal/tokencache"
)

// Issuers verifies the tokens of several issuers, each by its own Verifier. Keys stay bound to their issuer: a token is judged only by
// the Verifier of the exact "iss" that it names (RFC 8725 §3.8). It is immutable and safe for concurrent use.
type Issuers struct {
	byIssuer map[string]*Verifier
	maxBytes int
	tokens   *tokenCache // of all of them, so that a token is looked up once; nil when none remembers any
}

// NewIssuers returns a TokenVerifier for the issuers of vs. It is an error to give none, a nil one, or two of one issuer.
func NewIssuers(vs ...*Verifier) (*Issuers, error) {
	if len(vs) == 0 {
		return nil, errors.New("auth: NewIssuers needs a Verifier")
	}
	is := &Issuers{byIssuer: make(map[string]*Verifier, len(vs))}
	size := 0
	for i, v := range vs {
		if v == nil {
			return nil, fmt.Errorf("auth: NewIssuers: Verifier %d is nil", i)
		}
		if _, ok := is.byIssuer[v.Issuer()]; ok { // check: issuers-twice
			return nil, fmt.Errorf("auth: NewIssuers: two Verifiers for issuer %q", v.Issuer())
		}
		is.byIssuer[v.Issuer()] = v
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

// verifyUncached finds the Verifier of the issuer that the token names.
func (is *Issuers) verifyUncached(ctx context.Context, raw string) (*Principal, *Error) {
	if len(raw) > is.maxBytes { // check: issuers-token-size
		return nil, &Error{Reason: ReasonTokenTooLarge}
	}
	iss, err := unverifiedIssuer(raw)
	if err != nil {
		return nil, &Error{Reason: ReasonTokenMalformed, Err: err}
	}
	v, ok := is.byIssuer[iss]
	if !ok {
		return nil, &Error{Reason: ReasonIssuerNotTrusted, about: &detail{claim: "iss", expected: "a configured issuer"}}
	}
	return v.verify(ctx, raw, is.tokens)
}

// Ready returns nil when the keys of every issuer are held, but for those of Config.ReadyWithoutKeys.
func (is *Issuers) Ready() error {
	var errs []error
	for iss, v := range is.byIssuer {
		if err := v.Ready(); err != nil {
			errs = append(errs, fmt.Errorf("issuer %s: %w", iss, err))
		}
	}
	return errors.Join(errs...)
}

// errIssuerFound stops the walk at "iss"; what follows is the Verifier's to read.
var errIssuerFound = errors.New("found")

// unverifiedIssuer returns the "iss" of a token that nobody has verified: it chooses the Verifier, which compares it again.
func unverifiedIssuer(raw string) (string, error) {
	parts, err := jose.Split(raw)
	if err != nil {
		return "", err
	}
	doc, err := jose.DecodeBase64(nil, parts.Payload)
	if err != nil {
		return "", err
	}
	var r jose.Reader
	var iss string
	err = r.Object(doc, func(name []byte, v jose.Value) error {
		if string(name) != "iss" {
			return nil
		}
		var err error
		if iss, err = jose.Text(string(doc), v); err != nil {
			return err
		}
		return errIssuerFound
	})
	if err != nil && err != errIssuerFound {
		return "", err
	}
	return iss, nil
}
