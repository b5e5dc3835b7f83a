package auth

import (
	"time"

	"github.com/bearward/bearward/internal/jose"
)

// A headerStep is one check of a header that was read.
type headerStep struct {
	name  string
	check func(*Verifier, *jose.Header) *Error
}

// headerSteps are the checks of a header, in their order.
var headerSteps = [...]headerStep{
	{"alg", (*Verifier).checkAlgorithm},
	{"crit", (*Verifier).checkExtensions},
	{"typ", (*Verifier).checkType},
}

// A claimStep is one check of claims that were read. Steps of one name look at the same thing: once
// one of them has found a fault, the later ones have nothing to tell.
type claimStep struct {
	name  string
	ready func(*Principal) bool // reports whether what it compares could be read; nil for always
	own   bool                  // it is the API's own, and asked of tokens without a fault alone
	check func(*Verifier, *scratch, *Principal, time.Time) *Error
}

// The names of steps that are not those of a claim.
const (
	stepLifetime = "token lifetime"
	stepIDToken  = "ID token marks"
	stepChecks   = "own checks"
)

// newClaimSteps returns the checks of claims, in their order: what a Verifier runs up to the first
// fault, and [examination] to the end.
func newClaimSteps(c Config, plan *claimPlan) []claimStep {
	client, scope := plan.names[plan.clientIDs[0]], plan.names[plan.scope]
	steps := []claimStep{
		{name: "iss", check: reads((*claimReader).issuer)},
		{name: "aud", check: reads((*claimReader).audience)},
		{name: "sub", check: reads((*claimReader).subject)},
		{name: "jti", check: reads((*claimReader).tokenID)},
		{name: client, check: reads((*claimReader).client)},
		{name: "exp", check: reads((*claimReader).expiry)},
		{name: "iat", check: reads((*claimReader).issuedAt)},
		{name: "iss", check: (*Verifier).checkIssuer},
		{name: "aud", check: (*Verifier).checkAudience},
		{name: "exp", check: (*Verifier).checkExpiry},
		{name: "auth_time", check: ofAccessToken((*claimReader).authTime)},
		{name: "acr", check: ofAccessToken((*claimReader).acr)},
		{name: "amr", check: ofAccessToken((*claimReader).amr)},
	}
	for _, claim := range plan.required {
		steps = append(steps, claimStep{name: plan.names[claim], check: func(_ *Verifier, s *scratch, _ *Principal, _ time.Time) *Error {
			return s.claims.requiredClaim(claim)
		}})
	}
	if plan.needsID {
		steps = append(steps, claimStep{name: client, check: reads((*claimReader).requiredClient)})
	}
	for _, f := range plan.fixed {
		steps = append(steps, claimStep{name: plan.names[f.claim], check: func(_ *Verifier, s *scratch, p *Principal, _ time.Time) *Error {
			return s.claims.fixedClaim(p, f)
		}})
	}
	steps = append(steps,
		claimStep{name: "cnf", check: reads((*claimReader).readConfirmation)},
		claimStep{name: scope, check: reads((*claimReader).readScopes)},
		claimStep{name: "nbf", check: (*Verifier).checkNotBefore},
		claimStep{name: "iat", check: (*Verifier).checkIssuedAt})
	if c.MaxLifetime > 0 {
		steps = append(steps, claimStep{name: stepLifetime, ready: hasTimes, check: (*Verifier).checkLifetime})
	}
	steps = append(steps, claimStep{name: stepIDToken, check: (*Verifier).checkIDToken})
	if len(c.Checks) > 0 {
		steps = append(steps, claimStep{name: stepChecks, own: true, check: (*Verifier).askChecks})
	}
	return steps
}

func hasTimes(p *Principal) bool { return p.exp.Given && p.iat.Given }

// reads makes a step of what a claimReader does.
func reads(read func(*claimReader, *Principal) *Error) func(*Verifier, *scratch, *Principal, time.Time) *Error {
	return func(_ *Verifier, s *scratch, p *Principal, _ time.Time) *Error { return read(&s.claims, p) }
}

// ofAccessToken makes a step of what a claimReader does with tokens of RFC 9068's type alone.
func ofAccessToken(read func(*claimReader, *Principal) *Error) func(*Verifier, *scratch, *Principal, time.Time) *Error {
	return func(_ *Verifier, s *scratch, p *Principal, _ time.Time) *Error {
		if !isAccessToken(&s.head) {
			return nil
		}
		return read(&s.claims, p)
	}
}

// isAccessToken reports whether a token says that it is of RFC 9068's profile.
func isAccessToken(h *jose.Header) bool { return jose.MediaType(h.Type) == accessTokenType }
