package otelauth

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// Attributes of a decision, beside error.type.
const (
	keyOutcome      = "bearward.outcome"
	keyOperation    = "bearward.operation"
	keyVerification = "bearward.verification"
	keyClaim        = "bearward.claim"
	keyExpected     = "bearward.expected"
	keyCause        = "bearward.cause"
)

// eventRefusal is the name of the span event of a request that the guard did not accept.
const eventRefusal = "bearward.refusal"

// An outcome is what became of a request.
type outcome int

const (
	accepted outcome = iota
	refused
	notJudged
	reported // refused or not judged, and let through all the same
	outcomes
)

func (o outcome) String() string {
	return [outcomes]string{"accepted", "refused", "not_judged", "reported"}[o]
}

func outcomeOf(d *auth.Decision) outcome {
	switch {
	case d.Err == nil:
		return accepted
	case d.ReportOnly:
		return reported
	case isNotJudged(d.Err):
		return notJudged
	}
	return refused
}

func isNotJudged(err *auth.Error) bool { return err.Status() >= http.StatusInternalServerError }

// A verification is how the token of a decision was verified.
type verification int

const (
	verifiedNot verification = iota // there was none, or none that is good
	verifiedFull
	verifiedRemembered // its signature was not verified again
	verifiedRepeated   // judged before in the same request
	verifications
)

func (v verification) String() string {
	return [verifications]string{"none", "full", "remembered", "repeated"}[v]
}

func verificationOf(d *auth.Decision) verification {
	switch {
	case d.Principal == nil:
		return verifiedNot
	case d.Repeated:
		return verifiedRepeated
	case d.Cached:
		return verifiedRemembered
	}
	return verifiedFull
}

// durations are the attribute sets of the duration: no more than what explains how long a verdict takes.
type durations [outcomes][verifications][]metric.RecordOption

func newDurations() (all durations) {
	for o := range all {
		for v := range all[o] {
			all[o][v] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String(keyOutcome, outcome(o).String()), attribute.String(keyVerification, verification(v).String())))}
		}
	}
	return all
}

// OnDecision records d. It is for [auth.GuardOptions].OnDecision.
//
// It counts, and adds the event bearward.refusal to the span of ctx when the request was not accepted. The span's status stays
// as it is: the package's documentation tells why.
func (t *Telemetry) OnDecision(ctx context.Context, d auth.Decision) {
	op := t.operations.named(d.Operation)
	t.decisions.Add(ctx, 1, op.set(&d)...)
	t.decisionDuration.Record(ctx, d.Elapsed.Seconds(), t.durations[outcomeOf(&d)][verificationOf(&d)]...)
	if d.Err == nil {
		return
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent(eventRefusal, trace.WithAttributes(refusal(ctx, &d, op)...))
	}
}

// refusal returns the attributes of the event. Everything in it is a constant, a setting or a name of the program: never what the token
// said, which is d.Err.Seen(), and no text of an error that a verifier written elsewhere may have filled with it.
func refusal(ctx context.Context, d *auth.Decision, op *operation) []attribute.KeyValue {
	attrs := op.attributes(d)
	if claim := d.Err.Claim(); claim != "" {
		attrs = append(attrs, attribute.String(keyClaim, claim), attribute.String(keyExpected, d.Err.Expected()))
	}
	if isNotJudged(d.Err) {
		attrs = append(attrs, attribute.String(keyCause, causeOf(ctx, d.Err)))
	}
	return attrs
}

// Causes of a request that was not judged.
const (
	causeKeys     = "keys"     // the issuer's keys could not be had
	causeCanceled = "canceled" // the caller went away
	causeTimeout  = "timeout"  // the request's own deadline came first
	causeWiring   = "wiring"   // the guard is wired wrongly
)

// causeOf tells what kept a request from being judged, from a closed list. A caller who goes away while he waits for a key is told apart from
// the outage of an issuer, though both are without that key.
func causeOf(ctx context.Context, err *auth.Error) string {
	switch {
	case err.Reason != auth.ReasonUnavailable:
		return causeWiring
	case errors.Is(ctx.Err(), context.Canceled):
		return causeCanceled
	case ctx.Err() != nil:
		return causeTimeout
	case errors.Is(err.Err, jwks.ErrUnavailable):
		return causeKeys
	}
	return other
}
