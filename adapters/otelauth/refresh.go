package otelauth

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/bearward/bearward/jwks"
)

// Attributes of a key set.
const (
	keyName       = "bearward.keys.name"
	keyTrigger    = "bearward.keys.trigger"
	keyResult     = "bearward.keys.result"
	keyState      = "bearward.keys.state"
	keySkipReason = "bearward.keys.skip_reason"
	keyAdded      = "bearward.keys.added"
	keyRemoved    = "bearward.keys.removed"
)

// spanFetch is the name of the span of a key fetch.
const spanFetch = "bearward.keys.fetch"

// Results of a fetch.
const (
	resultChanged   = "changed"   // keys came or went
	resultUnchanged = "unchanged" // a good answer with the keys that are held
	resultFailed    = "failed"    // it does not count, and the keys held stay in use
)

// Values of error.type for a fetch, beside "_OTHER".
const (
	errorMisconfigured = "misconfigured" // the issuer's metadata contradicts the configuration
	errorTimeout       = "timeout"
)

// maxDescription bounds the description of a failed fetch, in bytes.
const maxDescription = 1024

// OnRefresh returns a hook for [jwks.Options].OnRefresh that counts the fetches of the key set called name, and makes a span of each. The name
// tells several key sets apart, and is the one to give to [Telemetry.Watch]: "main", or the issuer's, 1 to 256 bytes of UTF-8. It panics when
// name is not that: it is a literal of the program.
func (t *Telemetry) OnRefresh(name string) func(jwks.RefreshEvent) {
	if err := checkName(name); err != nil {
		panic(err.Error())
	}
	return func(e jwks.RefreshEvent) {
		ctx := context.Background() // a fetch serves whoever waits, so it is part of nobody's trace
		attrs := refreshed(name, &e)
		set := metric.WithAttributeSet(attribute.NewSet(attrs...))
		t.refreshes.Add(ctx, 1, set)
		if e.Trigger == jwks.TriggerSnapshot {
			return // the file was read: no fetch
		}
		t.refreshDuration.Record(ctx, e.Elapsed.Seconds(), set)
		t.traceFetch(ctx, attrs, &e)
	}
}

// refreshed returns what metrics and spans tell alike of a fetch.
func refreshed(name string, e *jwks.RefreshEvent) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		attribute.String(keyName, name),
		attribute.String(keyTrigger, string(e.Trigger)),
		attribute.String(keyResult, resultOf(e)),
	}
	if err := failureOf(e); err != nil {
		attrs = append(attrs, semconv.ErrorTypeKey.String(errorTypeOf(err)))
	}
	return attrs
}

// failureOf returns why e does not count, or nil.
func failureOf(e *jwks.RefreshEvent) error {
	if e.Trigger == jwks.TriggerSnapshot && e.Err == nil {
		return e.SnapshotErr
	}
	return e.Err
}

func resultOf(e *jwks.RefreshEvent) string {
	switch {
	case failureOf(e) != nil:
		return resultFailed
	case len(e.Added) > 0 || len(e.Removed) > 0:
		return resultChanged
	}
	return resultUnchanged
}

func errorTypeOf(err error) string {
	var late net.Error
	switch {
	case errors.Is(err, jwks.ErrMisconfigured):
		return errorMisconfigured
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return errorTimeout
	}
	return other
}

// traceFetch makes the span of a fetch that has ended. The hook is called right after the end unless hooks before it were slow, in which case
// the whole span is that much late.
func (t *Telemetry) traceFetch(ctx context.Context, attrs []attribute.KeyValue, e *jwks.RefreshEvent) {
	end := time.Now()
	_, span := t.tracer.Start(ctx, spanFetch, trace.WithNewRoot(), trace.WithTimestamp(end.Add(-e.Elapsed)), trace.WithAttributes(attrs...))
	if span.IsRecording() {
		span.SetAttributes(attribute.Int(keyAdded, len(e.Added)), attribute.Int(keyRemoved, len(e.Removed)))
		if e.Err != nil {
			span.SetStatus(codes.Error, describe(e.Err))
		}
	}
	span.End(trace.WithTimestamp(end))
}

// describe returns the text of err as a span may bear it. It tells of the issuer and of the network, as [jwks.LogRefreshes] does, and
// never of a token: a fetch knows none.
func describe(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxDescription)], "?")
}
