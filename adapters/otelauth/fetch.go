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

// Attributes of a fetch, beside error.type.
const (
	keyTrigger = "bearward.jwks.trigger"
	keyResult  = "bearward.jwks.result"
	keyChange  = "bearward.jwks.change"
	keyAdded   = "bearward.jwks.added"
	keyRemoved = "bearward.jwks.removed"
)

// spanFetch is the name of the span of a fetch.
const spanFetch = "bearward.jwks.fetch"

// Results of a fetch.
const (
	resultGood        = "good"
	resultNotModified = "not_modified" // good, and nothing changed
	resultFailed      = "failed"       // it does not count, and the cached keys stay in use
)

// Values of error.type for a failed fetch, beside "_OTHER".
const (
	errorMisconfigured = "misconfigured" // the issuer's metadata contradicts the configuration
	errorTimeout       = "timeout"
)

// maxDescription bounds the description of a failed fetch, in bytes.
const maxDescription = 1024

// OnRefresh counts e, and makes a span of it. It is for [jwks.Options].OnRefresh.
func (i *Issuer) OnRefresh(e jwks.RefreshEvent) {
	t, ctx := i.telemetry, context.Background() // a fetch serves all who wait for it, so it is part of nobody's trace
	if e.SnapshotErr != nil {
		t.snapshotFailures.Add(ctx, 1, i.named)
	}
	if n := len(e.Added); n > 0 {
		t.keyChanges.Add(ctx, int64(n), i.added)
	}
	if n := len(e.Removed); n > 0 {
		t.keyChanges.Add(ctx, int64(n), i.removed)
	}
	if e.Trigger == jwks.TriggerSnapshot {
		return // the file was read, which is no fetch
	}
	if e.DiscoveryErr != nil {
		t.discoveryFailures.Add(ctx, 1, i.named)
	}
	attrs := i.fetchAttributes(&e)
	set := metric.WithAttributeSet(attribute.NewSet(attrs...))
	t.fetches.Add(ctx, 1, set)
	t.fetchDuration.Record(ctx, e.Elapsed.Seconds(), set)
	t.trace(ctx, &e, attrs)
}

// fetchAttributes returns what metrics and spans tell alike of a fetch.
func (i *Issuer) fetchAttributes(e *jwks.RefreshEvent) []attribute.KeyValue {
	attrs := []attribute.KeyValue{i.name, attribute.String(keyTrigger, string(e.Trigger))}
	switch {
	case e.Err != nil:
		return append(attrs, attribute.String(keyResult, resultFailed), semconv.ErrorTypeKey.String(errorTypeOf(e.Err)))
	case e.NotModified:
		return append(attrs, attribute.String(keyResult, resultNotModified))
	}
	return append(attrs, attribute.String(keyResult, resultGood))
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

// trace makes the span of a fetch that has ended. The hook is called right after the end; when it
// was slow before, the whole span is that much late.
func (t *Telemetry) trace(ctx context.Context, e *jwks.RefreshEvent, attrs []attribute.KeyValue) {
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

// describe returns the text of err as a span may bear it. It tells of the issuer and of the
// network, as [jwks.LogRefreshes] does, and never of a token: a fetch knows none.
func describe(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxDescription)], "?")
}
