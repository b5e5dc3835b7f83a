package otelauth_test

import (
	"errors"
	"sync/atomic"

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

// A ledger is a MeterProvider that knows how many callbacks are registered.
type ledger struct {
	metric.MeterProvider
	open  atomic.Int64
	stuck bool // Unregister fails
}

func (l *ledger) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	return ledgerMeter{l.MeterProvider.Meter(name, opts...), l}
}

type ledgerMeter struct {
	metric.Meter
	ledger *ledger
}

func (m ledgerMeter) RegisterCallback(f metric.Callback, on ...metric.Observable) (metric.Registration, error) {
	m.ledger.open.Add(1)
	r, err := m.Meter.RegisterCallback(f, on...)
	return ledgerEntry{r, m.ledger}, err
}

type ledgerEntry struct {
	metric.Registration
	ledger *ledger
}

func (e ledgerEntry) Unregister() error {
	if e.ledger.stuck {
		return errors.New("stuck")
	}
	e.ledger.open.Add(-1)
	return e.Registration.Unregister()
}
