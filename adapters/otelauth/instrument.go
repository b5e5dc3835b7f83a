package otelauth

import (
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// instruments are all metrics of this package. What each is, is in the package's documentation.
type instruments struct {
	decisions        metric.Int64Counter
	decisionDuration metric.Float64Histogram

	refreshes       metric.Int64Counter
	refreshDuration metric.Float64Histogram

	age      metric.Float64ObservableGauge
	maxStale metric.Float64ObservableGauge
	held     metric.Int64ObservableUpDownCounter
	state    metric.Int64ObservableUpDownCounter
	skipped  metric.Int64ObservableUpDownCounter
	exposed  metric.Int64ObservableUpDownCounter
	waits    metric.Int64ObservableCounter
	dropped  metric.Int64ObservableCounter
}

// Advice for histograms, in seconds. A remembered token takes well under a microsecond, a signature some tens, and a request may wait two
// seconds for a key; a fetch ends after five.
var (
	decisionBuckets = []float64{1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 0.1, 1, 2.5}
	refreshBuckets  = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}
)

// A maker makes instruments until one fails, and keeps that error.
type maker struct {
	meter metric.Meter
	err   error
}

func newInstruments(meter metric.Meter) (instruments, error) {
	m := &maker{meter: meter}
	i := instruments{
		decisions:        m.counter("bearward.decisions", "{decision}", "Verdicts of the guard."),
		decisionDuration: m.histogram("bearward.decision.duration", "How long a verdict took.", decisionBuckets),
		refreshes:        m.counter("bearward.keys.refreshes", "{refresh}", "Fetches of a key set that ended, and reads of its snapshot file."),
		refreshDuration:  m.histogram("bearward.keys.refresh.duration", "How long a fetch of a key set took, discovery included.", refreshBuckets),
		age:              m.gauge("bearward.keys.age", "Time since the last good fetch of the key set was sent."),
		maxStale:         m.gauge("bearward.keys.max_stale", "Age at which the keys are used no more."),
		held:             m.amount("bearward.keys.held", "{key}", "Keys in use."),
		state:            m.amount("bearward.keys.state", "{key_set}", "1 for the state that the key cache is in, 0 for all others."),
		skipped:          m.amount("bearward.keys.skipped", "{key}", "Published keys that are not used."),
		exposed:          m.amount("bearward.keys.exposed", "{key}", "Keys published with their private part: anybody can sign with these."),
		waits:            m.total("bearward.keys.waits", "{request}", "Requests that waited for a fetch."),
		dropped:          m.total("bearward.keys.dropped_events", "{event}", "Fetches that no hook was told of, since it was too slow."),
	}
	return i, m.err
}

// keep returns made, and keeps err when it is the first.
func keep[T any](m *maker, name string, made T, err error) T {
	if err != nil && m.err == nil {
		m.err = fmt.Errorf("otelauth: Options.MeterProvider: make %s: %w", name, err)
	}
	return made
}

func (m *maker) counter(name, unit, text string) metric.Int64Counter {
	c, err := m.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text))
	return keep(m, name, c, err)
}

func (m *maker) histogram(name, text string, buckets []float64) metric.Float64Histogram {
	h, err := m.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(text), metric.WithExplicitBucketBoundaries(buckets...))
	return keep(m, name, h, err)
}

func (m *maker) gauge(name, text string) metric.Float64ObservableGauge {
	g, err := m.meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(text))
	return keep(m, name, g, err)
}

func (m *maker) amount(name, unit, text string) metric.Int64ObservableUpDownCounter {
	a, err := m.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	return keep(m, name, a, err)
}

func (m *maker) total(name, unit, text string) metric.Int64ObservableCounter {
	c, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	return keep(m, name, c, err)
}
