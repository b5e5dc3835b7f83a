package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bearward/bearward/jwks"
)

// A Decision is the outcome of one request, for metrics and logs: [GuardOptions].OnDecision is told
// of it. It holds no token, but the claims of its Principal can be personal data.
type Decision struct {
	// Operation is the key of the rule that was asked: the route's pattern as the router has it,
	// such as "GET /orders/{id}". It is "" when the router did not name it. It is never a path or a
	// method that the caller chose, so it is safe as a metric's label.
	Operation string
	// Err is why the request was refused, nil when it was accepted.
	Err *Error
	// Principal is the caller whose token was verified; nil for an anonymous request, or when none
	// was verified.
	Principal *Principal
	// Elapsed is how long the decision took.
	Elapsed time.Duration
	// Repeated is true when this Guard had verified the same credentials in the same request
	// before.
	Repeated bool
	// Cached is true when the token was cached, and its signature not verified again.
	Cached bool
	// KeyAge is how long ago the keys that the Principal's token was verified with were last
	// fetched. It is 0 without a Principal, and for keys that are not a jwks.Cache's.
	KeyAge time.Duration
	// ReportOnly is true when Err is not nil and the request went on to its handler all the same:
	// its rule is only reported on.
	ReportOnly bool
}

// Outcome returns the outcome of the request: "accepted", "refused", "not_judged" (500 or 503), or
// "reported". The last is for a rule that is only reported on, when its request would have been
// refused or was not judged.
func (d Decision) Outcome() string {
	switch {
	case d.Err == nil:
		return "accepted"
	case d.ReportOnly:
		return "reported"
	case d.notJudged():
		return "not_judged"
	}
	return "refused"
}

// Verification returns how the token was verified. "full" is by its signature, "remembered" from
// the verifier's cache, and "repeated" from an earlier decision on the same request. "none" means
// that there was no token, or none that is good.
func (d Decision) Verification() string {
	switch {
	case d.Principal == nil:
		return "none"
	case d.Repeated:
		return "repeated"
	case d.Cached:
		return "remembered"
	}
	return "full"
}

// Cause returns why a request was not judged. "keys": the issuer's keys were not available;
// "closed": the Guard or its key cache was closed. "canceled": the caller went away; "timeout": the
// request's own deadline came first. "wiring": the program is at fault; "other": anything else. It
// returns "" for a request that was accepted or refused. ctx is the one that the hook is given.
func (d Decision) Cause(ctx context.Context) string {
	switch {
	case !d.notJudged():
		return ""
	case d.Err.Reason == ReasonKeyNotYetKnown:
		return "keys"
	case d.Err.Reason != ReasonUnavailable:
		return "wiring"
	case errors.Is(ctx.Err(), context.Canceled): // who went away while he waited for a key says nothing about the issuer
		return "canceled"
	case ctx.Err() != nil:
		return "timeout"
	case errors.Is(d.Err.Err, jwks.ErrClosed):
		return "closed"
	case errors.Is(d.Err.Err, jwks.ErrUnavailable):
		return "keys"
	}
	return "other"
}

func (d Decision) notJudged() bool {
	return d.Err != nil && d.Err.Status() >= http.StatusInternalServerError
}

// keyAge returns the age of the keys of p's issuer, when its source can tell.
func (g *Guard) keyAge(p *Principal) time.Duration {
	if p == nil {
		return 0
	}
	v, ok := g.verifier.(*Verifier)
	if is, several := g.verifier.(*Issuers); several {
		v, ok = is.trusted.Load().byIssuer[p.issuer]
	}
	if ok {
		if source, ok := v.keys.(interface{ Age() time.Duration }); ok {
			return source.Age()
		}
	}
	return 0
}
