package otelauth

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/bearward/bearward/middleware/introspect"
)

// Attributes of a call, beside error.type.
const (
	keyCallOutcome = "bearward.introspection.outcome"
	keyRenewal     = "bearward.introspection.renewal"
)

// OnCall counts c under the name of its issuer. It is for [introspect.Config].OnCall of any number
// of Introspectors.
func (t *Telemetry) OnCall(c introspect.Call) { t.issuerOf(c.Issuer).OnCall(c) }

// OnCall counts c. It is for [introspect.Config].OnCall.
func (i *Issuer) OnCall(c introspect.Call) {
	t, ctx := i.telemetry, context.Background() // a call serves all who wait for it
	outcome := string(c.Outcome)
	if !slices.Contains(introspect.Outcomes(), c.Outcome) { // of an Introspector that nobody here made
		outcome = string(introspect.Unavailable)
	}
	attrs := []attribute.KeyValue{i.name, attribute.String(keyCallOutcome, outcome), attribute.Bool(keyRenewal, c.Background)}
	if c.Err != nil {
		attrs = append(attrs, semconv.ErrorTypeKey.String(errorTypeOf(c.Err)))
	}
	set := metric.WithAttributeSet(attribute.NewSet(attrs...))
	t.calls.Add(ctx, 1, set)
	t.callDuration.Record(ctx, c.Elapsed.Seconds(), set)
}
