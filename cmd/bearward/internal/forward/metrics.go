package forward

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// metrics are written in the text format of Prometheus. Every label is of a closed set.
type metrics struct {
	mu        sync.Mutex
	decisions map[auth.Reason]int64 // by why a request was refused; "" for accepted
	faults    map[forwardauth.Fault]int64
	reloads   map[string]int64 // by result
	calls     map[introspect.Outcome]int64
	failing   string // why the rules were not read last time
}

func newMetrics() *metrics {
	m := &metrics{decisions: map[auth.Reason]int64{"": 0}, faults: map[forwardauth.Fault]int64{}, reloads: map[string]int64{"good": 0, "bad": 0}, calls: map[introspect.Outcome]int64{}}
	for _, r := range auth.Reasons() {
		m.decisions[r] = 0
	}
	for _, f := range forwardauth.Faults() {
		m.faults[f] = 0
	}
	for _, o := range introspect.Outcomes() {
		m.calls[o] = 0
	}
	return m
}

func (m *metrics) countDecision(_ context.Context, d auth.Decision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d.Err == nil || d.ReportOnly {
		m.decisions[""]++
		return
	}
	if _, ok := m.decisions[d.Err.Reason]; ok {
		m.decisions[d.Err.Reason]++
	}
}

func (m *metrics) countFault(f forwardauth.Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[f]++
}

func (m *metrics) countCall(c introspect.Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[c.Outcome]++
}

// countReload counts what became of changed rules, and reports whether err is a new one.
func (m *metrics) countReload(err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.reloads["good"]++
		m.failing = ""
		return false
	}
	isNew := err.Error() != m.failing
	m.failing = err.Error()
	if isNew {
		m.reloads["bad"]++
	}
	return isNew
}

func (m *metrics) write(w http.ResponseWriter, ready bool, revocations int) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprint(w, "# HELP bearward_forward_decisions_total Requests decided on; the reason is empty for accepted ones.\n# TYPE bearward_forward_decisions_total counter\n")
	writeCounts(w, "bearward_forward_decisions_total", "reason", m.decisions)
	fmt.Fprint(w, "# HELP bearward_forward_faults_total Requests refused before any token was read.\n# TYPE bearward_forward_faults_total counter\n")
	writeCounts(w, "bearward_forward_faults_total", "fault", m.faults)
	fmt.Fprint(w, "# HELP bearward_forward_introspections_total Questions to an issuer about opaque tokens.\n# TYPE bearward_forward_introspections_total counter\n")
	writeCounts(w, "bearward_forward_introspections_total", "outcome", m.calls)
	fmt.Fprint(w, "# HELP bearward_forward_rules_reloads_total Changes of the file of rules.\n# TYPE bearward_forward_rules_reloads_total counter\n")
	writeCounts(w, "bearward_forward_rules_reloads_total", "result", m.reloads)
	fmt.Fprintf(w, "# HELP bearward_forward_rules_failing Whether the file of rules has a fault, and older ones are in use.\n# TYPE bearward_forward_rules_failing gauge\nbearward_forward_rules_failing %d\n", number(m.failing != ""))
	fmt.Fprintf(w, "# HELP bearward_forward_ready Whether tokens can be verified.\n# TYPE bearward_forward_ready gauge\nbearward_forward_ready %d\n", number(ready))
	fmt.Fprintf(w, "# HELP bearward_forward_revocations Entries of the store of revocations.\n# TYPE bearward_forward_revocations gauge\nbearward_forward_revocations %d\n", revocations)
}

func writeCounts[K ~string](w io.Writer, name, label string, counts map[K]int64) {
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s{%s=%q} %d\n", name, label, string(k), counts[k])
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
