package introspect

import (
	"context"
	"errors"
	"io"

	auth "github.com/bearward/bearward/middleware"
)

// Revocable returns a TokenVerifier for JWTs that can be taken back. A token that v verified is
// also asked about, by i, at most once per Config.MaxAge. The Principal is the one that v returns.
// When i refuses the token or cannot tell, its error counts. Nobody can make the issuer be asked
// about a token that v refuses.
//
// Ready and Status are those of v, and Ready of i too. Close closes i, and v where it can be
// closed.
func Revocable(v auth.TokenVerifier, i *Introspector) (*RevocableTokens, error) {
	if v == nil || i == nil {
		return nil, errors.New("introspect: Revocable needs a TokenVerifier and an Introspector")
	}
	return &RevocableTokens{v, i}, nil
}

// RevocableTokens is an auth.TokenVerifier for JWTs that can be taken back before they expire.
// [Revocable] makes one, for auth.NewGuard. It verifies a token, and then has the issuer asked
// about it. It is safe for concurrent use. Close it yourself after the server has stopped:
// [auth.Guard.Close] does not.
type RevocableTokens struct {
	tokens auth.TokenVerifier
	asked  *Introspector
}

// VerifyToken verifies a JWT, and then asks about it. The error is a *[auth.Error].
func (r *RevocableTokens) VerifyToken(ctx context.Context, raw string) (*auth.Principal, error) {
	p, err := r.tokens.VerifyToken(ctx, raw)
	if err != nil {
		return nil, err
	}
	if _, err := r.asked.VerifyToken(ctx, raw); err != nil { // check: revocable
		return nil, err
	}
	return p, nil
}

// ChecksRevocation returns true, for auth.GuardOptions.Profile: the issuer is asked.
func (r *RevocableTokens) ChecksRevocation() bool { return true }

// Verifiers returns the two that each token is verified by, for auth.GuardOptions.Profile.
func (r *RevocableTokens) Verifiers() []auth.TokenVerifier {
	return []auth.TokenVerifier{r.tokens, r.asked}
}

// Ready returns nil when both tokens can be verified, and the issuer can be asked.
func (r *RevocableTokens) Ready() error {
	err := r.asked.Ready()
	if v, ok := r.tokens.(interface{ Ready() error }); ok {
		err = errors.Join(v.Ready(), err)
	}
	return err
}

// Status tells how the issuers fare; see [auth.Guard.Status].
func (r *RevocableTokens) Status() []auth.IssuerStatus {
	if v, ok := r.tokens.(interface{ Status() []auth.IssuerStatus }); ok {
		return v.Status()
	}
	return nil
}

// Close closes both.
func (r *RevocableTokens) Close() error {
	err := r.asked.Close()
	if c, ok := r.tokens.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}
