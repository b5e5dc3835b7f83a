// Package explain tells why a Guard refuses a token: all that is wrong with it, and what to change.
// It says what was not looked at, and why. It is what `bearward explain` shows.
//
// A Guard stops at the first fault. Token goes on: it makes every check of the Guard that can still
// be made, by the Guard's own functions. Report.Reason is what the Guard says of the token. The
// steps behind it are further faults, which would show one by one.
//
// Claims are looked at even where the signature is bad or the key is unknown. What they say is then
// marked as unverified: anybody may have written it.
//
// A report is for operators. It holds no part of the token. Without [Options].Claims it tells of
// claims no more than the form of a value, and how far a time is from now.
//
// Token asks a Guard's key source for keys, and so may wait for a fetch. It caches no token. A
// report is the caller's own; Token is safe for concurrent use.
package explain

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/bearward/bearward/internal/steps"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// Options adjust Token. The zero value, and nil, mean the defaults.
type Options struct {
	// At is the time that the token is compared with. Default: now. Keys are those of now.
	At time.Time
	// Requirement is what the operation asks for, nil when none is asked about. The zero
	// Requirement is that of an operation without a rule.
	Requirement *auth.Requirement
	// Claims shows header and claims, and their values beside faults. They may be personal data.
	// Default false.
	Claims bool
}

// A State is what came of a step.
type State string

// The states.
const (
	Good        State = "good"
	Fault       State = "fault"
	NotLookedAt State = "not_looked_at"
)

// A Report is what Token found. Its JSON is stable: members may be added, and none changes while
// Version is 1.
type Report struct {
	Version int `json:"version"` // 1
	// Outcome is what the Guard decides: "accepted", "refused", "not_judged" (500 or 503), or
	// "reported" for a refusal under a rule that is only reported on.
	Outcome string `json:"outcome"`
	// Reason is why the Guard refuses the token, "" when it accepts it. Where keys are cached, as
	// they are in an API that serves, the log of the API says the same.
	Reason auth.Reason `json:"reason,omitempty"`
	Status int         `json:"status,omitempty"` // HTTP, of a refusal
	At     time.Time   `json:"at"`               // what the token was compared with, in UTC
	// SignatureVerified is false when nobody vouches for the claims.
	SignatureVerified bool `json:"signature_verified"`
	// NeedsProof is true when a request with this token also needs a proof of possession.
	NeedsProof bool `json:"needs_proof"`
	// Steps are the checks, in the order in which the Guard makes them.
	Steps []Step `json:"steps"`
	// Header is the token's, with Options.Claims; nil when it cannot be read. What is not printable
	// ASCII is escaped.
	Header json.RawMessage `json:"header,omitempty"`
	// Claims are as Header.
	Claims json.RawMessage `json:"claims,omitempty"`
}

// A Step is one check.
type Step struct {
	Part  string `json:"part"`  // "token", "header", "key", "claims", "guard" or "rule"
	Name  string `json:"name"`  // such as "alg", "aud", or what a rule asks for
	State State  `json:"state"` // what came of it
	// Unverified is true when no signature vouches for what was looked at.
	Unverified bool `json:"unverified"`
	// Why says why it was not looked at.
	Why string `json:"why,omitempty"`

	Reason   auth.Reason `json:"reason,omitempty"`   // of a fault, as all below
	Claim    string      `json:"claim,omitempty"`    // the claim or header member at fault
	Detail   string      `json:"detail,omitempty"`   // what more the Guard tells, as in its log
	Has      string      `json:"has,omitempty"`      // what the token has
	Accepted string      `json:"accepted,omitempty"` // what would be accepted
	Changes  []Change    `json:"changes,omitempty"`  // one of them helps
}

// A Change would have the token accepted.
type Change struct {
	Side string `json:"side"` // who makes it: "api", "issuer", "client" or "network"
	Do   string `json:"do"`   // such as a line of the configuration
}

// Token explains what guard says of token, which is what follows the scheme in Authorization.
func Token(ctx context.Context, guard *auth.Guard, token string, opts *Options) *Report {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	q := steps.Question{Guard: guard, Token: token, At: o.At}
	if o.Requirement != nil {
		q.Requirement = o.Requirement
	}
	found := steps.Examine(ctx, q)
	doc := documents{header: found.Header, claims: found.Claims, size: len(token), at: o.At, values: o.Claims}
	r := &Report{Version: 1, Outcome: "accepted", At: o.At.UTC(), SignatureVerified: found.Verified, NeedsProof: found.Proof}
	if found.Refusal != nil {
		e := auth.AsError(found.Refusal)
		r.Reason, r.Status, r.Outcome = e.Reason, e.Status(), "refused"
		switch {
		case found.ReportOnly:
			r.Outcome = "reported"
		case e.Status() >= http.StatusInternalServerError:
			r.Outcome = "not_judged"
		}
	}
	for _, s := range found.Steps {
		r.Steps = append(r.Steps, doc.step(s))
	}
	if o.Claims {
		r.Header, r.Claims = printable(found.Header), printable(found.Claims)
	}
	return r
}

// Faults returns the steps that found a fault, in their order.
func (r *Report) Faults() []Step {
	var all []Step
	for _, s := range r.Steps {
		if s.State == Fault {
			all = append(all, s)
		}
	}
	return all
}

// step tells people of a step.
func (d documents) step(s steps.Step) Step {
	told := Step{Part: s.Part, Name: s.Name, State: Good, Unverified: s.Unverified}
	switch {
	case s.Skipped != "":
		told.State, told.Why = NotLookedAt, s.Skipped
		return told
	case s.Err == nil:
		return told
	}
	e := auth.AsError(s.Err)
	told.State, told.Reason, told.Claim, told.Detail, told.Accepted = Fault, e.Reason, e.Claim(), e.Detail(), e.Expected()
	if told.Claim == "" {
		told.Claim = s.Claim
	}
	if told.Accepted == "" && s.Part == "rule" {
		told.Accepted = s.Name
	}
	if told.Detail == "" && s.Part == "key" && errors.Is(e.Err, jwks.ErrUnavailable) {
		told.Detail = e.Err.Error()
	}
	told.Detail = oneLine(told.Detail)
	told.Has = d.has(s.Part, told.Claim, e)
	told.Changes = d.changes(told, e)
	return told
}
