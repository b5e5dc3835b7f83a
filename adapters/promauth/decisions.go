package promauth

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	auth "github.com/bearward/bearward/middleware"
)

// Values of the label operation, beside the names of operations, and of reason, beside those of
// auth.Reasons.
const (
	operationNone  = "none"
	operationOther = "other"

	reasonNone = "none"
)

// maxLabel bounds the name of an operation or an issuer, in bytes: both are written by hand.
const maxLabel = 256

// Buckets of the time of a decision, in seconds. A remembered token takes a fraction of a
// microsecond, a signature some tens, and a request that waits for keys at most 2 s.
var buckets = []float64{
	1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 2.5,
}

func newDecisions() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bearward_decisions_total",
		Help: "Decisions of the guard, by the rule that was asked.",
	}, []string{"operation", "outcome", "reason"})
}

func newDurations() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "bearward_decision_duration_seconds",
		Help:    "Time that a decision took, by how the token was verified.",
		Buckets: buckets,
	}, []string{"verification"})
}

// verifications are the values of auth.Decision.Verification.
var verifications = [...]string{"none", "full", "remembered", "repeated"}

// An operation has the counters of one, so that a decision looks up none by its labels.
type operation struct {
	name     string // the label
	accepted prometheus.Counter
	refused  map[auth.Reason]prometheus.Counter // or not judged
}

// newOperation makes the series of an operation.
func (m *Metrics) newOperation(name string) *operation {
	op := &operation{
		name:     name,
		accepted: m.decisions.WithLabelValues(name, auth.Decision{}.Outcome(), reasonNone),
		refused:  make(map[auth.Reason]prometheus.Counter, len(reasons)),
	}
	for _, r := range reasons {
		op.refused[r] = m.decisions.WithLabelValues(name, auth.Decision{Err: &auth.Error{Reason: r}}.Outcome(), string(r))
	}
	return op
}

// reasons are those that label a series.
var reasons = auth.Reasons()

// known returns r, or ReasonInternal when it is none of the constants: a user's check may return
// any text in an *auth.Error.
func known(r auth.Reason) auth.Reason {
	if !slices.Contains(reasons, r) {
		return auth.ReasonInternal
	}
	return r
}

// operation returns the counters of the operation with that name. It takes no lock once the name is
// known, or the most are.
func (m *Metrics) operation(name string) *operation {
	names := *m.known.Load()
	if op, ok := names[name]; ok {
		return op
	}
	if m.full(names) || !isLabel(name) {
		return m.other
	}
	return m.register(name)
}

// full reports whether no further operation gets series of its own; the one of no name does not
// count.
func (m *Metrics) full(names map[string]*operation) bool {
	return len(names)-1 >= m.most // check: operations-bound
}

// isLabel reports whether name can be a label's value, of bounded length. What is no UTF-8 would
// spoil the whole scrape.
func isLabel(name string) bool {
	return len(name) <= maxLabel && utf8.ValidString(name) // check: label
}

// register gives an operation its series, if the bound allows it.
func (m *Metrics) register(name string) *operation {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := *m.known.Load()
	if op, ok := names[name]; ok {
		return op
	}
	if m.full(names) {
		return m.other
	}
	more := maps.Clone(names)
	name = strings.Clone(name) // which may be a part of a request
	more[name] = m.newOperation(name)
	m.known.Store(&more)
	return more[name]
}

// declare learns the names in order, and tells of those that have no place.
func (m *Metrics) declare(names []string) error {
	slices.Sort(names)
	var overLimit []string
	for _, name := range names {
		if m.operation(name) == m.other {
			overLimit = append(overLimit, name)
		}
	}
	if overLimit != nil {
		return fmt.Errorf("promauth: Declare: over Options.MaxOperations (%d), or no label, and counted as %q: %q", m.most, operationOther, overLimit)
	}
	return nil
}
