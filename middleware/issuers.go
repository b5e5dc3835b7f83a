package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Issuers verifies the tokens of several issuers, each by its own Verifier. Keys stay bound to their issuer: a token is judged only by
// the Verifier of the exact "iss" that it names (RFC 8725 §3.8). It is immutable and safe for concurrent use.
type Issuers struct {
	byIssuer map[string]*Verifier
	all      []*Verifier
	maxBytes int
}

// NewIssuers returns a TokenVerifier for the issuers of vs. It is an error to give none, a nil one, or two of one issuer.
func NewIssuers(vs ...*Verifier) (*Issuers, error) {
	if len(vs) == 0 {
		return nil, errors.New("auth: NewIssuers needs a Verifier")
	}
	is := &Issuers{byIssuer: make(map[string]*Verifier, len(vs))}
	for i, v := range vs {
		if v == nil {
			return nil, fmt.Errorf("auth: NewIssuers: Verifier %d is nil", i)
		}
		if _, ok := is.byIssuer[v.Issuer()]; ok { // check: issuers-twice
			return nil, fmt.Errorf("auth: NewIssuers: two Verifiers for issuer %q", v.Issuer())
		}
		is.byIssuer[v.Issuer()] = v
		is.all = append(is.all, v)
		is.maxBytes = max(is.maxBytes, v.config.MaxTokenBytes)
	}
	return is, nil
}

// VerifyToken verifies raw by the Verifier of the issuer that it names. The error is a *[Error].
func (is *Issuers) VerifyToken(ctx context.Context, raw string) (*Principal, error) {
	return verified(ctx, is, raw)
}

// recallToken asks the Verifiers that know the token's header, which is nearly always one, if they remember the token: what a Verifier
// remembers is of its issuer.
func (is *Issuers) recallToken(ctx context.Context, raw string) (*Principal, *Error) {
	if len(raw) > is.maxBytes {
		return nil, nil
	}
	header, _, _ := strings.Cut(raw, ".")
	for _, v := range is.all {
		if _, ok := v.headers.find(header); !ok {
			continue
		}
		if p, err := v.recallToken(ctx, raw); p != nil || err != nil {
			return p, err
		}
	}
	return nil, nil
}

// judgeToken finds the Verifier of the issuer that the token names.
func (is *Issuers) judgeToken(ctx context.Context, raw string) (*Principal, *Error) {
	if len(raw) > is.maxBytes { // check: issuers-token-size
		return nil, &Error{Reason: ReasonTokenTooLarge}
	}
	iss, err := unverifiedIssuer(raw)
	if err != nil {
		return nil, &Error{Reason: ReasonTokenMalformed, Err: err}
	}
	v, ok := is.byIssuer[iss]
	if !ok {
		return nil, &Error{Reason: ReasonIssuerNotTrusted, about: &finding{claim: "iss", expected: "a configured issuer"}}
	}
	return v.judgeToken(ctx, raw)
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
	parts, err := splitCompact(raw)
	if err != nil {
		return "", err
	}
	doc, err := decodeBase64(nil, parts.payload)
	if err != nil {
		return "", err
	}
	var r strictReader
	var iss string
	err = r.object(doc, func(name []byte, v jsonValue) error {
		if string(name) != "iss" {
			return nil
		}
		var err error
		if iss, err = textOf(string(doc), v); err != nil {
			return err
		}
		return errIssuerFound
	})
	if err != nil && err != errIssuerFound {
		return "", err
	}
	return iss, nil
}
