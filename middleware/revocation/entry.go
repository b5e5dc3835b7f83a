// Package revocation holds which tokens were revoked before they expire. An entry means one token
// by its ID, or those of a subject or a client that were issued before an instant. A store of them
// tells a Guard by GuardOptions.Revoked.
//
//	revoked := revocation.NewMemory(0)
//	guard, err := auth.New("https://issuer.example", "https://api.example.com", &auth.GuardOptions{Revoked: revoked.Revoked})
//
// [Memory] serves one process; adapters/redisauth is a store that replicas share.
package revocation

import (
	"errors"
	"fmt"
	"time"
)

// maxLeeway is the greatest Config.Leeway.
const maxLeeway = 5 * time.Minute

// An Entry says which tokens are no longer accepted. It names one token by its TokenID, or those of
// a Subject or a ClientID that were issued before an instant. Exactly one of the three is set.
type Entry struct {
	// Issuer is the exact "iss" of the tokens. Required: another issuer's tokens are not meant.
	Issuer string
	// TokenID is the "jti" of one token (RFC 7519 §4.1.7).
	TokenID string
	// Subject is the "sub" of the tokens, and ClientID the client that they were issued to, for any
	// subject.
	Subject, ClientID string
	// IssuedBefore is required with Subject and ClientID, and must be zero with TokenID. Tokens
	// whose "iat" is later stay good, such as those of a new login. A token without "iat" is
	// revoked. An issuer writes whole seconds, so a token of the same second counts as issued
	// before. It is an instant of the issuer's clock.
	IssuedBefore time.Time
	// Until is the latest "exp" of the tokens that are meant. Required. The entry is dropped
	// five minutes after it, the greatest Config.Leeway, when no Verifier accepts them any more.
	Until time.Time
}

// Validate returns what is wrong with e at the time now, or nil. The error names the field.
func (e Entry) Validate(now time.Time) error {
	named := 0
	for _, name := range []string{e.TokenID, e.Subject, e.ClientID} {
		if name != "" {
			named++
		}
	}
	switch {
	case e.Issuer == "": // check: entry-issuer
		return errors.New("revocation: Entry.Issuer is required")
	case named != 1: // check: entry-named
		return errors.New("revocation: an Entry needs one of TokenID, Subject and ClientID")
	case e.TokenID != "" && !e.IssuedBefore.IsZero(): // check: entry-token-since
		return errors.New("revocation: Entry.IssuedBefore is not for a TokenID, which is revoked whenever it was issued")
	case e.TokenID == "" && e.IssuedBefore.IsZero(): // check: entry-since
		return errors.New("revocation: Entry.IssuedBefore is required with Subject and ClientID")
	case e.Until.IsZero(): // check: entry-until
		return errors.New("revocation: Entry.Until is required")
	case !now.Before(e.End()): // check: entry-over
		return fmt.Errorf("revocation: Entry.Until is more than %v ago: no token that it means is still accepted", maxLeeway)
	}
	return nil
}

// End returns the instant from which on no Verifier accepts a token that e means: so long a store
// keeps it.
func (e Entry) End() time.Time {
	end := e.Until
	end = end.Add(maxLeeway) // check: entry-leeway
	return end
}
