package auth

import (
	"slices"
	"strings"

	"github.com/bearward/bearward/jwks"
)

// An IssuerStatus is the state of one issuer of a Guard, at one moment: for health pages and
// metrics. [Guard.Status] returns one for each issuer.
type IssuerStatus struct {
	// Issuer is the issuer's identifier, the "iss" of its tokens.
	Issuer string
	// Audiences are the names of this API that the issuer's tokens may have in "aud"
	// (Config.Audiences).
	Audiences []string
	// Err is why no token of the issuer can be verified now, nil when one can be, or when that is
	// not known. Config.ReadyWithoutKeys does not change it.
	Err error
	// Keys is the state of the issuer's key cache. It is zero, and its State "", when the
	// keys are not from a [jwks.Cache].
	Keys jwks.Status
}

// Status returns the state of each issuer, in order of their names: for an operator's page, and for
// metrics. It never waits for the network. It is empty when the Guard's TokenVerifier has no Status
// method that returns the same. For readiness use [Guard.Ready].
func (g *Guard) Status() []IssuerStatus {
	if v, ok := g.verifier.(interface{ Status() []IssuerStatus }); ok {
		return v.Status()
	}
	return nil
}

// Status tells how the one issuer fares; see [Guard.Status].
func (v *Verifier) Status() []IssuerStatus {
	s := IssuerStatus{Issuer: v.Issuer(), Audiences: slices.Clone(v.config.Audiences)}
	if r, ok := v.keys.(interface{ Ready() error }); ok {
		s.Err = r.Ready()
	}
	if c, ok := v.keys.(interface{ Status() jwks.Status }); ok {
		s.Keys = c.Status()
	}
	return []IssuerStatus{s}
}

// Status returns the state of each issuer; see [Guard.Status].
func (is *Issuers) Status() []IssuerStatus {
	var all []IssuerStatus
	for _, v := range is.trusted.Load().byIssuer {
		all = append(all, v.Status()...)
	}
	slices.SortFunc(all, func(a, b IssuerStatus) int { return strings.Compare(a.Issuer, b.Issuer) })
	return all
}
