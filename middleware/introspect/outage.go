package introspect

import (
	"fmt"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

const (
	firstStep   = time.Second
	longestStep = 5 * time.Second
	longestWait = 5 * time.Minute // that an endpoint can ask for by Retry-After
	faultsInRow = 5               // of single tokens, after which the endpoint itself is at fault
)

// An outage says whether the endpoint may be asked. While it is down, one request a step probes it.
// The zero outage is none. The Introspector's mu guards it.
type outage struct {
	err     error         // nil: the endpoint is not known to be down
	reason  auth.Reason   // of refusals meanwhile
	step    time.Duration // to the next probe
	next    time.Time     // of the next probe
	probing bool
	faults  int // in a row
}

// admits reports whether a request may be made now, and whether it is then the probe.
func (o *outage) admits(now time.Time) (ok, probe bool) {
	if o.err == nil {
		return true, false
	}
	if o.probing || now.Before(o.next) { // check: outage-probe
		return false, false
	}
	o.probing = true
	return true, true
}

func (o *outage) refusal() *auth.Error {
	return &auth.Error{Reason: o.reason, Err: &downError{err: o.err, next: o.next}}
}

// A downError tells when the endpoint is asked next.
type downError struct {
	err  error
	next time.Time
}

func (e *downError) Error() string          { return fmt.Sprintf("introspect: the endpoint is down: %v", e.err) }
func (e *downError) Unwrap() error          { return e.err }
func (e *downError) NextRequest() time.Time { return e.next }

// record takes what came of a request, which was a probe or not.
func (o *outage) record(r result, probe bool, now time.Time) {
	if r.outcome == Active || r.outcome == Inactive {
		*o = outage{}
		return
	}
	if r.outcome == Misconfigured && !r.endpointFault() { // check: bad-request-alone
		if probe {
			*o = outage{} // the endpoint answers
		}
		return
	}
	o.faults++
	if o.err != nil && !probe || !r.endpointFault() && o.faults < faultsInRow { // check: faults-in-row
		return
	}
	o.err, o.reason = r.err, r.reason()
	o.step = min(max(2*o.step, firstStep), longestStep)
	o.next = now.Add(max(o.step, min(r.retryAfter, longestWait)))
	o.probing = false
}
