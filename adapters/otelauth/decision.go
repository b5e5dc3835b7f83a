package otelauth

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

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

// Values of auth.Decision's Outcome and Verification.
var (
	outcomes      = [...]string{"accepted", "refused", "not_judged", "reported"}
	verifications = [...]string{"none", "full", "remembered", "repeated"}
)

// durations are the attribute sets of the duration: no more than what explains how long a decision
// takes.
type durations map[duration][]metric.RecordOption

type duration struct{ outcome, verification string }

func newDurations() durations {
	all := durations{}
	for _, o := range outcomes {
		for _, v := range verifications {
			all[duration{o, v}] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String(keyOutcome, o), attribute.String(keyVerification, v)))}
		}
	}
	return all
}

// OnDecision records d. It is for [auth.GuardOptions].OnDecision.
//
// It counts, and adds the event bearward.refusal to the span of ctx when the request was not
// accepted. The span's status stays as it is: the package's documentation tells why.
func (t *Telemetry) OnDecision(ctx context.Context, d auth.Decision) {
	op := t.operations.named(d.Operation)
	t.decisions.Add(ctx, 1, op.set(&d)...)
	t.decisionDuration.Record(ctx, d.Elapsed.Seconds(), t.durations[duration{d.Outcome(), d.Verification()}]...)
	if d.Err == nil {
		return
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent(eventRefusal, trace.WithAttributes(refusal(ctx, &d, op)...))
	}
}

// refusal returns the attributes of the event. Everything in it is a constant, a setting or a name
// of the program: never what the token said, which is d.Err.Seen(), and no text of an error that a
// verifier written elsewhere may have filled with it.
func refusal(ctx context.Context, d *auth.Decision, op *operation) []attribute.KeyValue {
	attrs := op.attributes(d)
	if claim := d.Err.Claim(); claim != "" {
		attrs = append(attrs, attribute.String(keyClaim, claim), attribute.String(keyExpected, d.Err.Expected()))
	}
	switch cause := d.Cause(ctx); cause {
	case "":
	case "other":
		attrs = append(attrs, attribute.String(keyCause, other))
	default:
		attrs = append(attrs, attribute.String(keyCause, cause))
	}
	return attrs
}
