package otelauth

import (
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// instruments are all metrics of this package. What each is, is in the package's documentation.
type instruments struct {
	decisions        metric.Int64Counter
	decisionDuration metric.Float64Histogram

	fetches           metric.Int64Counter
	fetchDuration     metric.Float64Histogram
	keyChanges        metric.Int64Counter
	discoveryFailures metric.Int64Counter
	snapshotFailures  metric.Int64Counter

	calls        metric.Int64Counter
	callDuration metric.Float64Histogram

	state         metric.Int64ObservableUpDownCounter
	keyAge        metric.Float64ObservableGauge
	maxStale      metric.Float64ObservableGauge
	keys          metric.Int64ObservableUpDownCounter
	skippedKeys   metric.Int64ObservableUpDownCounter
	exposedKeys   metric.Int64ObservableUpDownCounter
	waits         metric.Int64ObservableCounter
	unknownKeys   metric.Int64ObservableCounter
	unjudged      metric.Int64ObservableCounter
	droppedEvents metric.Int64ObservableCounter
}

// observables are the instruments that Watch reports to.
func (i *instruments) observables() []metric.Observable {
	return []metric.Observable{
		i.state, i.keyAge, i.maxStale, i.keys, i.skippedKeys, i.exposedKeys, i.waits, i.unknownKeys, i.unjudged, i.droppedEvents,
	}
}

// Advice for histograms, in seconds. A remembered token takes well under a microsecond, and a
// signature some tens. A request may wait two seconds for a key; a fetch ends after five.
var (
	decisionBuckets = []float64{1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 2.5}
	fetchBuckets    = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}
)

// A maker makes instruments until one fails, and keeps that error.
type maker struct {
	meter metric.Meter
	err   error
}

func newInstruments(meter metric.Meter) (instruments, error) {
	m := &maker{meter: meter}
	i := instruments{
		decisions:        m.counter("bearward.decisions", "{decision}", "Decisions of the guard, by the rule that was asked."),
		decisionDuration: m.histogram("bearward.decision.duration", "Time that a decision took, by how the token was verified.", decisionBuckets),

		fetches:           m.counter("bearward.jwks.fetches", "{fetch}", "Fetches of the key set that ended."),
		fetchDuration:     m.histogram("bearward.jwks.fetch.duration", "Time that a fetch took, discovery included.", fetchBuckets),
		keyChanges:        m.counter("bearward.jwks.key_changes", "{key}", "Keys that the issuer added or removed."),
		discoveryFailures: m.counter("bearward.jwks.discovery_failures", "{fetch}", "Fetches without metadata, from the URL known before."),
		snapshotFailures:  m.counter("bearward.jwks.snapshot_failures", "{failure}", "Times that the snapshot file could not be read or written."),

		calls:        m.counter("bearward.introspection.calls", "{call}", "Questions that the issuer was asked about tokens."),
		callDuration: m.histogram("bearward.introspection.call.duration", "Time that the issuer took to answer about a token.", fetchBuckets),

		state:         m.amount("bearward.jwks.state", "{issuer}", "1 for the state that the key cache is in, 0 for the others."),
		keyAge:        m.gauge("bearward.jwks.key_age", "Time since the last good fetch of the key set."),
		maxStale:      m.gauge("bearward.jwks.max_stale", "Age at which keys are no longer used."),
		keys:          m.amount("bearward.jwks.keys", "{key}", "Keys in use."),
		skippedKeys:   m.amount("bearward.jwks.skipped_keys", "{key}", "Published keys that are not used, by why."),
		exposedKeys:   m.amount("bearward.jwks.exposed_keys", "{key}", "Keys published with their private part."),
		waits:         m.total("bearward.jwks.waits", "{request}", "Requests that waited for a fetch."),
		unknownKeys:   m.total("bearward.jwks.unknown_keys", "{request}", "Requests refused because the issuer publishes no such key."),
		unjudged:      m.total("bearward.jwks.unjudged", "{request}", "Requests that could not be judged for want of keys."),
		droppedEvents: m.total("bearward.jwks.dropped_events", "{event}", "Events that OnRefresh was too slow for."),
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
