package otelauth

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/bearward/bearward/jwks"
	"github.com/bearward/bearward/middleware"
)

// Attributes of a decision, beside error.type.
const (
	keyOutcome    = "bearward.outcome"
	keyOperation  = "bearward.operation"
	keyCached     = "bearward.cached"
	keyRepeated   = "bearward.repeated"
	keyReportOnly = "bearward.report_only"
	keyClaim      = "bearward.claim"
	keyExpected   = "bearward.expected"
	keyCause      = "bearward.cause"
)

// eventRefusal is the name of the span event of a request that was not let through.
const eventRefusal = "bearward.refusal"

// An outcome is one of the three arms of a verdict.
type outcome int

const (
	accepted outcome = iota
	refused
	notJudged
)

var outcomes = [...]string{accepted: "accepted", refused: "refused", notJudged: "not_judged"}

func outcomeOf(err *middleware.Error) outcome {
	switch {
	case err == nil:
		return accepted
	case err.Status() >= http.StatusInternalServerError:
		return notJudged
	}
	return refused
}

// decided returns what metrics and events tell alike of a decision.
func decided(err *middleware.Error, m marks) []attribute.KeyValue {
	attrs := []attribute.KeyValue{attribute.String(keyOutcome, outcomes[outcomeOf(err)])}
	if err != nil {
		attrs = append(attrs, semconv.ErrorTypeKey.String(reasonNames[reasonIndex(err)]))
	}
	if m&repeated != 0 {
		attrs = append(attrs, attribute.Bool(keyRepeated, true))
	}
	if m&reportOnly != 0 {
		attrs = append(attrs, attribute.Bool(keyReportOnly, true))
	}
	return attrs
}

// durations are the attribute sets of the duration: no more than what explains how long a verdict takes.
type durations [len(outcomes)][repeated << 1][]metric.RecordOption

func newDurations() (all durations) {
	for o := range all {
		for m := range all[o] {
			attrs := []attribute.KeyValue{attribute.String(keyOutcome, outcomes[o]), attribute.Bool(keyCached, marks(m)&cached != 0)}
			if marks(m)&repeated != 0 {
				attrs = append(attrs, attribute.Bool(keyRepeated, true))
			}
			all[o][m] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
		}
	}
	return all
}

// OnDecision records one verdict. It is for [middleware.GuardOptions].OnDecision.
//
// It counts, and adds the event bearward.refusal to the span of ctx when the request was not let through, or would not have been if its
// operation were not only reported on. The span's status stays as it is: the package's documentation tells why.
func (t *Telemetry) OnDecision(ctx context.Context, d middleware.Decision) {
	m := marksOf(&d)
	op := t.operations.named(d.Operation)
	t.decisions.Add(ctx, 1, op.set(d.Err, m)...)
	t.decisionDuration.Record(ctx, d.Elapsed.Seconds(), t.durations[outcomeOf(d.Err)][m&(cached|repeated)]...)
	if d.Err == nil {
		return
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent(eventRefusal, trace.WithAttributes(refusal(ctx, d.Err, m, op)...))
	}
}

// refusal returns the attributes of the event. Everything in it is a constant, a setting or a name of the program: never what the token
// said, which is err.Seen(), and no text of an error that a verifier written elsewhere may have filled with it.
func refusal(ctx context.Context, err *middleware.Error, m marks, op *operation) []attribute.KeyValue {
	attrs := decided(err, m)
	if op.name != "" {
		attrs = append(attrs, attribute.String(keyOperation, op.name))
	}
	if claim := err.Claim(); claim != "" {
		attrs = append(attrs, attribute.String(keyClaim, claim), attribute.String(keyExpected, err.Expected()))
	}
	if outcomeOf(err) == notJudged {
		attrs = append(attrs, attribute.String(keyCause, causeOf(ctx, err)))
	}
	return attrs
}

// Causes of a request that was not judged.
const (
	causeCanceled = "canceled" // the caller went away
	causeTimeout  = "timeout"  // the request's own deadline came first
	causeKeys     = "keys"     // the issuer's keys could not be had
	causeWiring   = "wiring"   // the guard is wired wrongly
)

// causeOf tells what kept a request from being judged, from a closed list. A caller who goes away while he waits for a key is told apart from the
// outage of an issuer, though both are without that key.
func causeOf(ctx context.Context, err *middleware.Error) string {
	switch {
	case err.Reason != middleware.ReasonUnavailable:
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
