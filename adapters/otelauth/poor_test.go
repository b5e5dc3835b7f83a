package otelauth_test

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// poor is a MeterProvider whose meters make no histograms.
type poor struct{ metric.MeterProvider }

func (p poor) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	return poorMeter{p.MeterProvider.Meter(name, opts...)}
}

type poorMeter struct{ metric.Meter }

func (poorMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, errors.New("out of histograms")
}
