package auth

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/bearward/bearward/internal/jose"
)

// NewForms returns a TokenVerifier for issuers that give out both JWTs and opaque tokens. A
// JWT is three non-empty base64url parts, the first a JSON object with a string "alg". These go to
// jwt, and all else goes to opaque. No token is tried twice: what jwt refuses, opaque
// is not asked about.
//
// The result has the methods of a Verifier, over both: Ready, Status and Close, which closes what
// can be closed.
func NewForms(jwt, opaque TokenVerifier) (TokenVerifier, error) {
	if isNil(jwt) || isNil(opaque) {
		return nil, errors.New("auth: NewForms needs two TokenVerifiers")
	}
	f := &forms{jwt: jwt, opaque: opaque}
	f.buffers.New = func() any { return new([]byte) }
	return f, nil
}

// forms chooses the verifier of a token by its form.
type forms struct {
	jwt, opaque TokenVerifier
	buffers     sync.Pool // of *[]byte, to decode headers into
}

func (f *forms) VerifyToken(ctx context.Context, raw string) (*Principal, error) {
	return f.of(raw).VerifyToken(ctx, raw)
}

// of returns the verifier of a token.
func (f *forms) of(raw string) TokenVerifier {
	if f.isJWT(raw) { // check: form-of-token
		return f.jwt
	}
	return f.opaque
}

func (f *forms) lookup(ctx context.Context, raw string) (*Principal, *Error) {
	if v := cachingVerifierOf(f.of(raw)); v != nil {
		return v.lookup(ctx, raw)
	}
	return nil, nil
}

func (f *forms) verifyUncached(ctx context.Context, raw string) (*Principal, *Error) {
	v := f.of(raw)
	if c := cachingVerifierOf(v); c != nil {
		return c.verifyUncached(ctx, raw)
	}
	return askVerifier(ctx, v, raw)
}

var algName = [...]string{"alg"}

// maxFormHeader bounds the header that is decoded to tell a token's form, in encoded bytes: above
// it a token is a JWT by its dots, and too large.
const maxFormHeader = 8 << 10

func (f *forms) isJWT(raw string) bool {
	parts, err := jose.Split(raw)
	if err != nil || parts.Header == "" || parts.Payload == "" || parts.Signature == "" {
		return false
	}
	if len(parts.Header) > maxFormHeader {
		return true
	}
	buffer := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buffer)
	if *buffer, err = jose.DecodeBase64((*buffer)[:0], parts.Header); err != nil {
		return false
	}
	var found [1]jose.Value
	return jose.Skim(*buffer, algName[:], found[:]) == nil && found[0].Kind == '"' && isBase64URL(parts.Payload) && isBase64URL(parts.Signature)
}

// isBase64URL reports whether s has no other character than those of base64url without padding.
func isBase64URL(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// Verifiers returns both, for GuardOptions.Profile.
func (f *forms) Verifiers() []TokenVerifier { return []TokenVerifier{f.jwt, f.opaque} }

// ChecksRevocation reports whether both check it, for GuardOptions.Profile.
func (f *forms) ChecksRevocation() bool { return checksRevocation(f.jwt) && checksRevocation(f.opaque) } // check: forms-revocation

// Ready returns nil when both can verify tokens, or cannot tell.
func (f *forms) Ready() error {
	var errs []error
	for _, v := range [...]TokenVerifier{f.jwt, f.opaque} {
		if r, ok := v.(interface{ Ready() error }); ok {
			errs = append(errs, r.Ready())
		}
	}
	return errors.Join(errs...)
}

// Status returns the state of each issuer. Both forms may be of one: then its state is told once,
// as jwt tells it, with the first error.
func (f *forms) Status() []IssuerStatus {
	var all []IssuerStatus
	at := map[string]int{}
	for _, v := range [...]TokenVerifier{f.jwt, f.opaque} {
		r, ok := v.(interface{ Status() []IssuerStatus })
		if !ok {
			continue
		}
		for _, s := range r.Status() {
			i, known := at[s.Issuer]
			switch {
			case !known:
				at[s.Issuer] = len(all)
				all = append(all, s)
			case all[i].Err == nil:
				all[i].Err = s.Err
			}
		}
	}
	return all
}

// Close closes what can be closed.
func (f *forms) Close() error {
	var errs []error
	for _, v := range [...]TokenVerifier{f.jwt, f.opaque} {
		if c, ok := v.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
