package otelauth_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/bearward/bearward/adapters/otelauth"
	auth "github.com/bearward/bearward/middleware"
)

// A decision costs no allocation, whatever the SDK does with it, once its attributes were seen.
func TestADecisionAllocatesNothing(t *testing.T) {
	sampled := sdktrace.NewTracerProvider()
	ctx, span := sampled.Tracer("test").Start(context.Background(), "request")
	defer span.End()
	for _, p := range []struct {
		name  string
		meter metric.MeterProvider
	}{
		{"no SDK", noopmetric.NewMeterProvider()},
		{"the SDK", sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))},
	} {
		for _, c := range []struct {
			name string
			ctx  context.Context
			d    auth.Decision
			most float64
		}{
			{"accepted, remembered", context.Background(), auth.Decision{Operation: "GET /orders", Cached: true, Elapsed: time.Microsecond}, 0},
			{"accepted, within a sampled trace", ctx, auth.Decision{Operation: "GET /orders", Elapsed: time.Microsecond}, 0},
			{"refused, without a span", context.Background(), auth.Decision{Operation: "GET /orders", Err: &auth.Error{Reason: auth.ReasonTokenExpired}}, 0},
			{"an operation beyond the bound", context.Background(), auth.Decision{Operation: "GET /b"}, 0},
		} {
			t.Run(p.name+"/"+c.name, func(t *testing.T) {
				telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: p.meter, MaxOperations: 1})
				if err != nil {
					t.Fatal(err)
				}
				telemetry.OnDecision(context.Background(), auth.Decision{Operation: "GET /orders"})
				if got := testing.AllocsPerRun(1000, func() { telemetry.OnDecision(c.ctx, c.d) }); got > c.most {
					t.Errorf("got %v allocations, want at most %v", got, c.most)
				}
			})
		}
	}
}

func BenchmarkOnDecision(b *testing.B) {
	for _, p := range []struct {
		name  string
		meter metric.MeterProvider
	}{
		{"NoSDK", noopmetric.NewMeterProvider()},
		{"SDK", sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))},
	} {
		b.Run(p.name, func(b *testing.B) {
			telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: p.meter})
			if err != nil {
				b.Fatal(err)
			}
			ctx, d := context.Background(), auth.Decision{Operation: "GET /orders", Cached: true, Elapsed: 200 * time.Nanosecond}
			b.ReportAllocs()
			for b.Loop() {
				telemetry.OnDecision(ctx, d)
			}
		})
	}
}
