// Package promauth turns the decisions of a Guard and the fetches of a key cache into metrics for
// Prometheus.
//
// One [Metrics] takes the decisions of every Guard, and the fetches and the state of all their
// keys:
//
//	metrics, err := promauth.New(prometheus.DefaultRegisterer, nil)
//	keys := &jwks.Options{OnRefresh: metrics.OnRefresh}
//	guard, err := auth.New(issuer, audience, &auth.GuardOptions{OnDecision: metrics.OnDecision, Keys: keys})
//	metrics.Watch(guard)
//	err = metrics.Declare(rules)
//
// The same works for several issuers (provider.Guard). [auth.Hooks] and [jwks.Hooks] join hooks,
// such as those that log. For opaque tokens, introspect.Config.OnCall takes [Metrics.OnCall]. An
// [Issuer] is for a key cache that the program makes by [jwks.New], under a name that the program
// chooses.
//
// New and Watch do no I/O and start no goroutine; there is nothing to close. Serve the metrics on a
// listener that callers of the API cannot reach. A dashboard for Grafana and alert rules are in
// examples/monitoring of the repository.
//
// # Metrics
//
//	name                                          type       labels                      what
//	bearward_decisions_total                      counter    operation, outcome, reason  decisions
//	bearward_decision_duration_seconds            histogram  verification                time that a decision took
//	bearward_jwks_state                           gauge      issuer, state               1 for the state that the key cache is in, 0 for the others
//	bearward_jwks_key_age_seconds                 gauge      issuer                      time since the last good fetch; not there before the first
//	bearward_jwks_max_stale_seconds               gauge      issuer                      age at which keys are no longer used
//	bearward_jwks_keys                            gauge      issuer                      keys in use
//	bearward_jwks_skipped_keys                    gauge      issuer, reason              published keys that are not used
//	bearward_jwks_exposed_keys                    gauge      issuer                      keys published with their private part, or secrets
//	bearward_jwks_fetches_total                   counter    issuer, trigger, result     fetches that ended
//	bearward_jwks_fetch_duration_seconds          histogram  issuer, result              time that a fetch took, discovery included
//	bearward_jwks_key_changes_total               counter    issuer, change              keys that came or went; one changed in place did both
//	bearward_jwks_discovery_failures_total        counter    issuer                      fetches without metadata, from the URL known before
//	bearward_jwks_snapshot_failures_total         counter    issuer                      times that the snapshot file could not be read or written
//	bearward_jwks_waits_total                     counter    issuer                      requests that waited for a fetch
//	bearward_jwks_unknown_keys_total              counter    issuer                      requests refused because the issuer publishes no such key
//	bearward_jwks_unjudged_total                  counter    issuer                      requests that could not be judged for want of keys
//	bearward_jwks_dropped_events_total            counter    issuer                      events that OnRefresh was too slow for, missing in fetches above
//	bearward_introspection_calls_total            counter    issuer, outcome, renewal    questions that the issuer was asked about tokens
//	bearward_introspection_call_duration_seconds  histogram  issuer, outcome             time that the issuer took to answer
//
// # Labels
//
// Every value is of a closed set or a name that the program gave; none is of a token or a request.
//
//	operation     key of a rule, such as "GET /orders"; "none": the router named none; "other": beyond Options.MaxOperations,
//	              over 256 bytes, or no UTF-8
//	outcome       of a decision: accepted; refused; not_judged: 500 or 503; reported: the rule is ReportOnly; of a call: an introspect.Outcome,
//	              active, inactive, unavailable, misconfigured
//	renewal       true: nobody waited, and an answer in use was asked for again; false: requests waited
//	reason        of a decision: the names of auth.Reasons, such as TOKEN_EXPIRED, and "none" when accepted; of a skipped key: a jwks.SkipReason
//	verification  full: the token was verified; remembered: its signature was not verified again; repeated: decided before in the same request;
//	              none: no token was verified
//	issuer        jwks.RefreshEvent.Source, which is the issuer's URL, or the name given to Metrics.Issuer; "other":
//	              beyond Options.MaxIssuers, over 256 bytes, or no UTF-8
//	state         a jwks.State: empty, fresh, stale, expired, closed
//	trigger       a jwks.Trigger but snapshot, which is no fetch: start, clock, unknown_key, bad_signature, refresh
//	result        good; not_modified: good, and nothing changed; failed
//	change        added; removed
//
// A counter that appears with its first event hides that event from rate(). So the series of an
// issuer are there at 0 from the call of Metrics.Watch or Metrics.Issuer. Those of an operation,
// all outcomes but reported, are there from the call of Metrics.Declare or its first decision. The
// series of introspection are there from an issuer's first call.
package promauth
