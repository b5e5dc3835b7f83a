package promauth

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bearward/bearward/middleware/introspect"
)

// OnCall counts c under the name of its issuer. It is for introspect.Config.OnCall of any number of
// Introspectors.
func (m *Metrics) OnCall(c introspect.Call) { m.calls.count(m.issuerOf(c.Issuer), c) }

// OnCall counts c. It is for introspect.Config.OnCall.
func (i *Issuer) OnCall(c introspect.Call) { i.calls.count(i.name, c) }

// callVectors are the metrics that OnCall feeds.
type callVectors struct {
	calls     *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newCallVectors() callVectors {
	return callVectors{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bearward_introspection_calls_total",
			Help: "Questions that the issuer was asked about tokens.",
		}, []string{"issuer", "outcome", "renewal"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bearward_introspection_call_duration_seconds",
			Help:    "Time that the issuer took to answer about a token.",
			Buckets: prometheus.DefBuckets,
		}, []string{"issuer", "outcome"}),
	}
}

func (v *callVectors) describe(to chan<- *prometheus.Desc) {
	v.calls.Describe(to)
	v.durations.Describe(to)
}

func (v *callVectors) collect(to chan<- prometheus.Metric) {
	v.calls.Collect(to)
	v.durations.Collect(to)
}

// count takes in one event. With the first of an issuer all its series are there.
func (v *callVectors) count(issuer string, c introspect.Call) {
	for _, outcome := range introspect.Outcomes() {
		for _, renewal := range []string{"false", "true"} {
			v.calls.WithLabelValues(issuer, string(outcome), renewal)
		}
		v.durations.WithLabelValues(issuer, string(outcome))
	}
	outcome := c.Outcome
	if !slices.Contains(introspect.Outcomes(), outcome) { // of an Introspector that nobody here made
		outcome = introspect.Unavailable
	}
	v.calls.WithLabelValues(issuer, string(outcome), strconv.FormatBool(c.Background)).Inc()
	v.durations.WithLabelValues(issuer, string(outcome)).Observe(c.Elapsed.Seconds())
}
