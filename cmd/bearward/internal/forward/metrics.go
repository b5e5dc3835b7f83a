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
	calls     map[introspect.Outcome]int64
	rules     reloads
	config    reloads
}

// reloads are what became of the changes of a file.
type reloads struct {
	good, bad int64
	failing   string // why it was not read last time
}

func newMetrics() *metrics {
	m := &metrics{decisions: map[auth.Reason]int64{"": 0}, faults: map[forwardauth.Fault]int64{}, calls: map[introspect.Outcome]int64{}}
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

// countReload counts in one of m's what became of a changed file, and reports whether err is a new
// one.
func (m *metrics) countReload(of *reloads, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		of.good++
		of.failing = ""
		return false
	}
	isNew := err.Error() != of.failing
	of.failing = err.Error()
	if isNew {
		of.bad++
	}
	return isNew
}

// forget has every fault be a new one.
func (m *metrics) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rules.renew()
	m.config.renew()
}

// renew has the fault of one of m's be a new one.
func (m *metrics) renew(of *reloads) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of.renew()
}

func (r *reloads) renew() {
	if r.failing != "" {
		r.failing = "not read again yet"
	}
}

// settle ends the failing of a file that is again as it was read.
func (m *metrics) settle(of *reloads) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of.failing = ""
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
	writeReloads(w, "rules", "the file of rules", &m.rules)
	writeReloads(w, "config", "the configuration", &m.config)
	fmt.Fprintf(w, "# HELP bearward_forward_ready Whether tokens can be verified.\n# TYPE bearward_forward_ready gauge\nbearward_forward_ready %d\n", number(ready))
	fmt.Fprintf(w, "# HELP bearward_forward_revocations Entries of the store of revocations.\n# TYPE bearward_forward_revocations gauge\nbearward_forward_revocations %d\n", revocations)
}

func writeCounts[K ~string](w io.Writer, name, label string, counts map[K]int64) {
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s{%s=%q} %d\n", name, label, string(k), counts[k])
	}
}

func writeReloads(w io.Writer, name, file string, r *reloads) {
	fmt.Fprintf(w, "# HELP bearward_forward_%[1]s_reloads_total Changes of %[2]s.\n# TYPE bearward_forward_%[1]s_reloads_total counter\n", name, file)
	writeCounts(w, "bearward_forward_"+name+"_reloads_total", "result", map[string]int64{"good": r.good, "bad": r.bad})
	fmt.Fprintf(w, "# HELP bearward_forward_%[1]s_failing Whether %[2]s has a fault, and what was read before is in use.\n# TYPE bearward_forward_%[1]s_failing gauge\n"+
		"bearward_forward_%[1]s_failing %[3]d\n", name, file, number(r.failing != ""))
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
