package otelauth_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/bearward/bearward/adapters/otelauth"
)

// A bench holds a Telemetry over a real SDK, and reads what came of it.
type bench struct {
	*otelauth.Telemetry
	reader *sdkmetric.ManualReader
	meters *sdkmetric.MeterProvider
	spans  *tracetest.SpanRecorder
	tracer *sdktrace.TracerProvider
}

// newBench returns a bench; opts may be nil, and its providers are the bench's.
func newBench(tb testing.TB, opts *otelauth.Options) *bench {
	tb.Helper()
	b := &bench{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	b.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader))
	b.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(b.spans))
	var o otelauth.Options
	if opts != nil {
		o = *opts
	}
	o.MeterProvider, o.TracerProvider = b.meters, b.tracer
	t, err := otelauth.New(&o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Error(err)
		}
	})
	b.Telemetry = t
	return b
}

// A point is one attribute set of a metric, and its value: the count, for a histogram.
type point struct {
	attrs attribute.Set
	value float64
}

// A reading is one metric, as an exporter gets it.
type reading struct {
	name, kind, unit string
	points           []point
	bounds           []float64
}

// read collects all metrics, by name.
func (b *bench) read(tb testing.TB) map[string]reading {
	tb.Helper()
	var all metricdata.ResourceMetrics
	if err := b.reader.Collect(context.Background(), &all); err != nil {
		tb.Error(err)
	}
	got := map[string]reading{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			got[m.Name] = readingOf(tb, m)
		}
	}
	return got
}

func readingOf(tb testing.TB, m metricdata.Metrics) reading {
	r := reading{name: m.Name, unit: m.Unit}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		r.kind = "up-down counter"
		if data.IsMonotonic {
			r.kind = "counter"
		}
		for _, p := range data.DataPoints {
			r.points = append(r.points, point{p.Attributes, float64(p.Value)})
		}
	case metricdata.Gauge[float64]:
		r.kind = "gauge"
		for _, p := range data.DataPoints {
			r.points = append(r.points, point{p.Attributes, p.Value})
		}
	case metricdata.Histogram[float64]:
		r.kind = "histogram"
		for _, p := range data.DataPoints {
			r.points, r.bounds = append(r.points, point{p.Attributes, float64(p.Count)}), p.Bounds
		}
	default:
		tb.Fatalf("%s: data of type %T", m.Name, data)
	}
	return r
}

// lines returns the points as sorted lines, such as "a=b c=true: 3".
func (r reading) lines() []string {
	var lines []string
	for _, p := range r.points {
		lines = append(lines, fmt.Sprintf("%s: %v", text(p.attrs.ToSlice()), p.value))
	}
	slices.Sort(lines)
	return lines
}

// text returns attributes as "a=b c=true", sorted.
func text(attrs []attribute.KeyValue) string {
	values := map[string]string{}
	for _, a := range attrs {
		values[string(a.Key)] = a.Value.String()
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, k+"="+values[k])
	}
	return strings.Join(parts, " ")
}

// events returns the events of all spans that ended, as lines "span: event attributes".
func (b *bench) events() []string {
	var lines []string
	for _, s := range b.spans.Ended() {
		for _, e := range s.Events() {
			lines = append(lines, fmt.Sprintf("%s: %s %s", s.Name(), e.Name, text(e.Attributes)))
		}
	}
	return lines
}

// same compares lines.
func same(tb testing.TB, what string, got, want []string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s: got\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
