package promauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// Values of the labels result and change.
const (
	resultGood        = "good"
	resultNotModified = "not_modified"
	resultFailed      = "failed"

	changeAdded   = "added"
	changeRemoved = "removed"
)

// issuerOther is the label of those that are beyond Options.MaxIssuers, or whose name can be no
// label.
const issuerOther = "other"

// OnRefresh counts e under the name of its issuer. It is for jwks.Options.OnRefresh of any number
// of key caches, and so for GuardOptions.Keys.
func (m *Metrics) OnRefresh(e jwks.RefreshEvent) { m.fetches.count(m.issuerOf(e.Source), e) }

// Watch makes the Status of g part of every scrape: the state of each issuer's keys, under the
// issuer's name. A scrape never waits for the network. Without it there are only the series of
// OnRefresh. An issuer of two Guards has the series of the one that was watched first. It panics
// when g is nil. Metrics keeps g for as long as it is collected itself.
func (m *Metrics) Watch(g *auth.Guard) {
	if g == nil {
		panic("promauth: Watch needs a Guard")
	}
	for _, s := range g.Status() {
		m.issuerOf(s.Issuer)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.watched, g) {
		m.watched = append(m.watched, g)
	}
}

// issuerOf returns the label of an issuer, whose series exist from then on.
func (m *Metrics) issuerOf(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch _, known := m.issuers[name]; {
	case known:
		return name
	case name == "" || !isLabel(name) || len(m.issuers) >= m.mostIssuers: // check: issuers-bound
		return issuerOther
	}
	m.add(name)
	return name
}

// add makes the series of an issuer. The lock is held.
func (m *Metrics) add(name string) *Issuer {
	i := &Issuer{name: name, vectors: &m.fetches, calls: &m.calls}
	m.fetches.start(name)
	m.issuers[name] = i
	return i
}

// collectStatus sends the Status of every key cache that is watched, one for each name: a second
// one would spoil the whole scrape.
func (m *Metrics) collectStatus(to chan<- prometheus.Metric) {
	m.mu.Lock()
	named, watched := maps.Clone(m.issuers), slices.Clone(m.watched)
	m.mu.Unlock()
	sent := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if keys := named[name].keys.Load(); keys != nil {
			collect(to, name, keys.Status())
			sent[name] = true
		}
	}
	for _, g := range watched {
		for _, s := range g.Status() {
			if m.issuerOf(s.Issuer) != s.Issuer || sent[s.Issuer] || s.Keys.State == "" {
				continue
			}
			collect(to, s.Issuer, s.Keys)
			sent[s.Issuer] = true
		}
	}
}

// An Issuer measures one key cache under a name that the program chooses. It is for a cache made by
// jwks.New, whose fetches otherwise bear the URL of its keys. It is safe for concurrent use. Make
// it with [Metrics.Issuer].
type Issuer struct {
	name    string
	vectors *fetchVectors
	calls   *callVectors
	keys    atomic.Pointer[jwks.Cache]
}

// Issuer returns the Issuer whose series bear name, which is the operator's word for it, such as
// "main"; it need not be a URL. The error says that name is empty, over 256 bytes, no UTF-8, or
// taken.
func (m *Metrics) Issuer(name string) (*Issuer, error) {
	if name == "" || !isLabel(name) {
		return nil, fmt.Errorf("promauth: Issuer needs a name, of at most %d bytes of UTF-8", maxLabel)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.issuers[name]; taken {
		return nil, fmt.Errorf("promauth: Issuer: the name %q is taken", name)
	}
	return m.add(name), nil
}

// OnRefresh counts e. It is for jwks.Options.OnRefresh.
func (i *Issuer) OnRefresh(e jwks.RefreshEvent) { i.vectors.count(i.name, e) }

// Watch makes the Status of keys part of every scrape, which never waits for the network. Without
// it there are only the series of OnRefresh. It may be called again with the cache that took the
// place of the first. The error says that keys is nil.
func (i *Issuer) Watch(keys *jwks.Cache) error {
	if keys == nil {
		return errors.New("promauth: Watch needs a jwks.Cache")
	}
	i.keys.Store(keys)
	return nil
}

// fetchVectors are the metrics that OnRefresh feeds.
type fetchVectors struct {
	fetches, changes, discovery, snapshot *prometheus.CounterVec
	durations                             *prometheus.HistogramVec
}

func newFetchVectors() fetchVectors {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bearward_jwks_" + name, Help: help}, append([]string{"issuer"}, labels...))
	}
	return fetchVectors{
		fetches:   counter("fetches_total", "Fetches of the key set that ended.", "trigger", "result"),
		changes:   counter("key_changes_total", "Keys that the issuer added or removed.", "change"),
		discovery: counter("discovery_failures_total", "Fetches without metadata, from the URL known before."),
		snapshot:  counter("snapshot_failures_total", "Times that the snapshot file could not be read or written."),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bearward_jwks_fetch_duration_seconds",
			Help:    "Time that a fetch took, discovery included.",
			Buckets: prometheus.DefBuckets,
		}, []string{"issuer", "result"}),
	}
}

func (v *fetchVectors) vectors() []prometheus.Collector {
	return []prometheus.Collector{v.fetches, v.changes, v.discovery, v.snapshot, v.durations}
}

func (v *fetchVectors) describe(to chan<- *prometheus.Desc) {
	for _, c := range v.vectors() {
		c.Describe(to)
	}
}

func (v *fetchVectors) collect(to chan<- prometheus.Metric) {
	for _, c := range v.vectors() {
		c.Collect(to)
	}
}

// start makes the series of an issuer, at 0.
func (v *fetchVectors) start(issuer string) {
	for _, result := range []string{resultGood, resultNotModified, resultFailed} {
		for _, trigger := range jwks.Triggers() {
			if trigger == jwks.TriggerSnapshot { // no fetch
				continue
			}
			v.fetches.WithLabelValues(issuer, string(trigger), result)
		}
		v.durations.WithLabelValues(issuer, result)
	}
	v.changes.WithLabelValues(issuer, changeAdded)
	v.changes.WithLabelValues(issuer, changeRemoved)
	v.discovery.WithLabelValues(issuer)
	v.snapshot.WithLabelValues(issuer)
}

// count takes in one event.
func (v *fetchVectors) count(issuer string, e jwks.RefreshEvent) {
	if e.SnapshotErr != nil {
		v.snapshot.WithLabelValues(issuer).Inc()
	}
	v.changes.WithLabelValues(issuer, changeAdded).Add(float64(len(e.Added)))
	v.changes.WithLabelValues(issuer, changeRemoved).Add(float64(len(e.Removed)))
	if e.Trigger == jwks.TriggerSnapshot {
		return
	}
	if e.DiscoveryErr != nil {
		v.discovery.WithLabelValues(issuer).Inc()
	}
	result := resultGood
	switch {
	case e.Err != nil:
		result = resultFailed
	case e.NotModified:
		result = resultNotModified
	}
	v.fetches.WithLabelValues(issuer, string(e.Trigger), result).Inc()
	v.durations.WithLabelValues(issuer, result).Observe(e.Elapsed.Seconds())
}
