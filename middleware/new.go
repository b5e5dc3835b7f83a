package auth

import (
	"errors"
	"io"

	"github.com/bearward/bearward/jwks"
)

// New returns a Guard for an issuer of RFC 9068 access tokens: [jwks.FromIssuer], [NewVerifier] and
// [NewGuard] with their defaults. The issuer must be an https URL, or http on a loopback address;
// audience is this API's name. New does no I/O; the keys are fetched in the background, and
// [Guard.Close] stops that.
func New(issuer, audience string, opts *GuardOptions) (*Guard, error) {
	if issuer == "" {
		return nil, errors.New("auth: New needs an issuer")
	}
	if audience == "" {
		return nil, errors.New("auth: New needs an audience")
	}
	opts, options := opts.takeKeys()
	keys, err := jwks.FromIssuer(issuer, options)
	if err != nil {
		return nil, err
	}
	g, err := NewWithKeys(keys, Config{Issuer: issuer, Audiences: []string{audience}}, opts)
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	return g, nil
}

// NewWithKeys returns a Guard for one issuer that owns its key cache: [NewVerifier] and [NewGuard]
// over keys, which [Guard.Close] closes. It is New with every setting, for tokens that are not of
// the RFC 9068 form. With an error, keys stays the caller's to close; GuardOptions.Keys is one.
func NewWithKeys(keys *jwks.Cache, config Config, opts *GuardOptions) (*Guard, error) {
	if keys == nil {
		return nil, errors.New("auth: NewWithKeys needs a jwks.Cache")
	}
	v, err := NewVerifier(keys, opts.narrow(config))
	if err != nil {
		return nil, err
	}
	return NewWithVerifiers(opts, v)
}

// NewWithVerifiers returns a Guard for one or several issuers that owns their key sources:
// [NewIssuers] and [NewGuard] over vs. [Guard.Close] closes the key source of each that has a
// Close method, as a [jwks.Cache] has. With an error, the sources stay the caller's to close;
// GuardOptions.Keys is one.
func NewWithVerifiers(opts *GuardOptions, vs ...*Verifier) (*Guard, error) {
	v, err := verifierOf(vs)
	if err != nil {
		return nil, err
	}
	g, err := NewGuard(v, opts)
	if err != nil {
		return nil, err
	}
	g.close = func() error {
		var errs []error
		for _, v := range vs {
			if c, ok := v.keys.(io.Closer); ok {
				errs = append(errs, c.Close())
			}
		}
		return errors.Join(errs...)
	}
	return g, nil
}

// verifierOf returns the one of vs, which need not look for the issuer of a token, or else Issuers
// of them.
func verifierOf(vs []*Verifier) (TokenVerifier, error) {
	if len(vs) == 1 && vs[0] != nil {
		return vs[0], nil
	}
	return NewIssuers(vs...)
}
