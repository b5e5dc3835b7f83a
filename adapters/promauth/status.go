package promauth

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bearward/bearward/jwks"
)

// What a scrape reads from a key cache's Status.
var (
	stateDesc    = statusDesc("state", "1 for the state that the key cache is in, 0 for the others.", "state")
	keyAgeDesc   = statusDesc("key_age_seconds", "Time since the last good fetch of the key set.")
	maxStaleDesc = statusDesc("max_stale_seconds", "Age at which keys are no longer used.")
	keysDesc     = statusDesc("keys", "Keys in use.")
	skippedDesc  = statusDesc("skipped_keys", "Published keys that are not used, by why.", "reason")
	exposedDesc  = statusDesc("exposed_keys", "Keys published with their private part.")
	waitsDesc    = statusDesc("waits_total", "Requests that waited for a fetch.")
	unknownDesc  = statusDesc("unknown_keys_total", "Requests refused because the issuer publishes no such key.")
	unjudgedDesc = statusDesc("unjudged_total", "Requests that could not be judged for want of keys.")
	droppedDesc  = statusDesc("dropped_events_total", "Events that OnRefresh was too slow for.")
	statusDescs  = []*prometheus.Desc{
		stateDesc, keyAgeDesc, maxStaleDesc, keysDesc, skippedDesc, exposedDesc, waitsDesc, unknownDesc, unjudgedDesc, droppedDesc,
	}
)

func statusDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("bearward_jwks_"+name, help, append([]string{"issuer"}, labels...), nil)
}

// collect sends what s says, under an issuer's name.
func collect(to chan<- prometheus.Metric, issuer string, s jwks.Status) {
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, kind, value, append([]string{issuer}, labels...)...)
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		send(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value uint64) { send(desc, prometheus.CounterValue, float64(value)) }

	for _, state := range jwks.States() {
		is := 0.0
		if s.State == state {
			is = 1
		}
		gauge(stateDesc, is, string(state))
	}
	if !s.LastGood.IsZero() { // an age of 0 would look like a fetch of this moment
		gauge(keyAgeDesc, s.Age.Seconds())
	}
	gauge(maxStaleDesc, s.MaxStale.Seconds())
	gauge(keysDesc, float64(len(s.Keys)))
	skipped := map[jwks.SkipReason]int{}
	for _, skip := range s.Skipped {
		skipped[skip.Reason]++
	}
	for _, reason := range jwks.SkipReasons() {
		gauge(skippedDesc, float64(skipped[reason]), string(reason))
	}
	gauge(exposedDesc, float64(len(s.Exposed)))
	counter(waitsDesc, s.Counters.Waits)
	counter(unknownDesc, s.Counters.Unknown)
	counter(unjudgedDesc, s.Counters.Unavailable)
	counter(droppedDesc, s.Counters.DroppedEvents)
}
