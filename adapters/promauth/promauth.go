package promauth

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	auth "github.com/bearward/bearward/middleware"
)

// Defaults of Options, and the bound of both.
const (
	defaultOperations = 200
	defaultIssuers    = 100
	most              = 2000
)

// Options adjust Metrics. The zero value, and nil, mean the defaults.
type Options struct {
	// MaxOperations bounds the operations that have series of their own, about 25 each: those of
	// Declare, and then those that come first. Decisions on others count under "other". 1 to 2,000,
	// default 200.
	MaxOperations int
	// MaxIssuers bounds the issuers that have series of their own, about 90 each, and about 60 more
	// when they are asked about tokens. Those of Watch and Issuer come first, and then those whose
	// fetches or calls come first. Those of others count under "other". 1 to 2,000, default 100.
	MaxIssuers int
}

// Metrics counts the decisions of Guards, and collects the state of their issuers' keys for
// Prometheus. It is safe for concurrent use. Make it with [New].
type Metrics struct {
	decisions *prometheus.CounterVec
	durations *prometheus.HistogramVec
	elapsed   map[string]prometheus.Observer // by auth.Decision.Verification

	most, mostIssuers int

	other *operation
	known atomic.Pointer[map[string]*operation] // replaced, never changed

	mu      sync.Mutex // guards replacing known, and what follows
	issuers map[string]*Issuer
	watched []*auth.Guard
	fetches fetchVectors
	calls   callVectors
}

// New returns Metrics that are registered with reg. A second one with the same reg is an error,
// since its names are taken. Give one Metrics to every Guard of a program, or tell two apart by
// prometheus.WrapRegistererWith. The error names the argument or the option that is invalid.
func New(reg prometheus.Registerer, opts *Options) (*Metrics, error) {
	if isNil(reg) {
		return nil, errors.New("promauth: New needs a Registerer")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.MaxOperations == 0 {
		o.MaxOperations = defaultOperations
	}
	if o.MaxIssuers == 0 {
		o.MaxIssuers = defaultIssuers
	}
	for _, bound := range []struct {
		field string
		value int
	}{{"MaxOperations", o.MaxOperations}, {"MaxIssuers", o.MaxIssuers}} {
		if bound.value < 1 || bound.value > most {
			return nil, fmt.Errorf("promauth: Options.%s is %d, not within 1 to %d", bound.field, bound.value, most)
		}
	}
	m := &Metrics{
		decisions:   newDecisions(),
		durations:   newDurations(),
		most:        o.MaxOperations,
		mostIssuers: o.MaxIssuers,
		issuers:     map[string]*Issuer{},
		fetches:     newFetchVectors(),
		calls:       newCallVectors(),
		elapsed:     map[string]prometheus.Observer{},
	}
	for _, v := range verifications {
		m.elapsed[v] = m.durations.WithLabelValues(v)
	}
	m.other = m.newOperation(operationOther)
	m.known.Store(&map[string]*operation{"": m.newOperation(operationNone)})
	if err := reg.Register(collector{m}); err != nil {
		return nil, fmt.Errorf("promauth: Registerer: %w", err)
	}
	return m, nil
}

// isNil reports whether v is nil, or holds a nil pointer.
func isNil(v any) bool {
	p := reflect.ValueOf(v)
	return v == nil || p.Kind() == reflect.Pointer && p.IsNil()
}

// Declare gives every operation of rules that is not Public its series, at 0. So rate() sees their
// first decision, and no other name can take their place. It may be called again, as when the rules
// change; what was declared stays. The error names the operations that now count under "other",
// because they are over Options.MaxOperations or no labels; the rest is declared.
func (m *Metrics) Declare(rules auth.Rules) error {
	var names []string
	for name, req := range rules {
		if !req.IsPublic() {
			names = append(names, name)
		}
	}
	return m.declare(names)
}

// OnDecision counts d. It is for GuardOptions.OnDecision, and costs no allocation once an operation
// is known.
func (m *Metrics) OnDecision(_ context.Context, d auth.Decision) {
	m.elapsed[d.Verification()].Observe(d.Elapsed.Seconds())
	op := m.operation(d.Operation)
	switch {
	case d.Err == nil:
		op.accepted.Inc()
	case d.ReportOnly:
		m.decisions.WithLabelValues(op.name, d.Outcome(), string(known(d.Err.Reason))).Inc()
	default:
		op.refused[known(d.Err.Reason)].Inc()
	}
}

// A collector is what a Registerer sees of Metrics: one collector, so that registering is all or
// nothing.
type collector struct{ metrics *Metrics }

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	c.metrics.decisions.Describe(to)
	c.metrics.durations.Describe(to)
	c.metrics.fetches.describe(to)
	c.metrics.calls.describe(to)
	for _, desc := range statusDescs {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	c.metrics.decisions.Collect(to)
	c.metrics.durations.Collect(to)
	c.metrics.fetches.collect(to)
	c.metrics.calls.collect(to)
	c.metrics.collectStatus(to)
}
