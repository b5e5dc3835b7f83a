// Package otelauth turns the decisions of a Guard and the fetches of a key cache into OpenTelemetry
// metrics. It adds refusals as events to the request's span.
//
// One [Telemetry] takes the decisions of every Guard, and the fetches and the state of all their
// keys:
//
//	telemetry, err := otelauth.New(nil)
//	keys := &jwks.Options{OnRefresh: telemetry.OnRefresh}
//	guard, err := auth.New(issuer, audience, &auth.GuardOptions{OnDecision: telemetry.OnDecision, Keys: keys})
//	err = telemetry.Watch(guard)
//	err = telemetry.Declare(rules)
//
// The same works for several issuers (provider.Guard). [auth.Hooks] and [jwks.Hooks] join hooks,
// such as those that log. An [Issuer] is for a key cache that the program makes by [jwks.New],
// under a name that the program chooses. For opaque tokens, introspect.Config.OnCall takes
// [Telemetry.OnCall].
//
// It links only the API of OpenTelemetry: the program chooses SDK and exporter. New and Watch
// do no I/O, and nothing here starts a goroutine; [Telemetry.Close] ends what Watch began.
//
// # Metrics
//
// An attribute in brackets is there only when it applies.
//
//	metric                                kind             unit        attributes
//	bearward.decisions                    counter          {decision}  bearward.outcome, [bearward.operation], [error.type]
//	bearward.decision.duration            histogram        s           bearward.outcome, bearward.verification
//	bearward.jwks.fetches                 counter          {fetch}     bearward.issuer, bearward.jwks.trigger, bearward.jwks.result, [error.type]
//	bearward.jwks.fetch.duration          histogram        s           bearward.issuer, bearward.jwks.trigger, bearward.jwks.result, [error.type]
//	bearward.jwks.key_changes             counter          {key}       bearward.issuer, bearward.jwks.change
//	bearward.jwks.discovery_failures      counter          {fetch}     bearward.issuer
//	bearward.jwks.snapshot_failures       counter          {failure}   bearward.issuer
//	bearward.introspection.calls          counter          {call}      bearward.issuer, bearward.introspection.outcome, bearward.introspection.renewal, [error.type]
//	bearward.introspection.call.duration  histogram        s           bearward.issuer, bearward.introspection.outcome, bearward.introspection.renewal, [error.type]
//	bearward.jwks.state                   up-down counter  {issuer}    bearward.issuer, bearward.jwks.state
//	bearward.jwks.key_age                 gauge            s           bearward.issuer
//	bearward.jwks.max_stale               gauge            s           bearward.issuer
//	bearward.jwks.keys                    up-down counter  {key}       bearward.issuer
//	bearward.jwks.skipped_keys            up-down counter  {key}       bearward.issuer, bearward.jwks.skip_reason
//	bearward.jwks.exposed_keys            up-down counter  {key}       bearward.issuer
//	bearward.jwks.waits                   counter          {request}   bearward.issuer
//	bearward.jwks.unknown_keys            counter          {request}   bearward.issuer
//	bearward.jwks.unjudged                counter          {request}   bearward.issuer
//	bearward.jwks.dropped_events          counter          {event}     bearward.issuer
//
// The first two come from OnDecision, the next five from OnRefresh, two from OnCall, and the others
// from Watch.
// There is no key_age before the first good fetch. Each state has a point, 1 for the one that the
// cache is in. A reason for skipping keys has one while a key is skipped for it. Alert when key_age
// is over half of max_stale, when exposed_keys is not 0, and when the share of the outcome
// not_judged grows. An exporter for Prometheus makes these the names of promauth, with labels of
// its own.
//
// # Attributes
//
// Every value is of a closed set, or a name or setting of the program. None is of a token or a
// request: no claim's value, key ID, path or address, and never what [auth.Error.Seen] tells.
//
//	attribute                       values
//	bearward.outcome                accepted, refused, not_judged (500 or 503), reported (the rule is ReportOnly)
//	bearward.operation              the key of a rule, such as "GET /orders/{id}", or _OTHER; absent when the router named none
//	bearward.verification           full, remembered (its signature was not verified again), repeated (decided before in the same request), none
//	error.type                      of a decision: a name of auth.Reasons, such as TOKEN_EXPIRED; of a fetch or a call: misconfigured, timeout; or _OTHER
//	bearward.claim                  of an event: the header member or claim at fault, as configured
//	bearward.expected               of an event: what the check would have accepted, as configured
//	bearward.cause                  of an event, when the request was not judged: keys, closed, canceled, timeout, wiring, or _OTHER
//	bearward.issuer                 jwks.RefreshEvent.Source, which is the issuer's URL, or the name given to Telemetry.Issuer; or _OTHER
//	bearward.introspection.outcome  an introspect.Outcome: active, inactive, unavailable, misconfigured
//	bearward.introspection.renewal  true: nobody waited, and an answer in use was asked for again; false: requests waited
//	bearward.jwks.trigger           start, clock, unknown_key, bad_signature, refresh
//	bearward.jwks.result            good, not_modified (good, and nothing changed), failed
//	bearward.jwks.change            added, removed; a key that changed in place did both
//	bearward.jwks.state             empty, fresh, stale, expired, closed
//	bearward.jwks.skip_reason       a jwks.SkipReason, such as kty
//	bearward.jwks.added             of a span: how many keys came
//	bearward.jwks.removed           of a span: how many went
//
// The conventions' http.route and rpc.method are not there. The key of a rule may hold a method
// beside the route, or stand for a whole service. A hook is not told which transport it serves; the
// server's span has all of these. Operations are bounded by [Options].MaxOperations, and issuers by
// MaxIssuers. Beyond it, and for a name that is over 256 bytes or no UTF-8, the value is _OTHER. An
// SDK has a bound of its own on the attribute sets of an instrument, 2,000 unless told otherwise.
//
// # Refusals in traces
//
// A request that is not accepted leaves the event bearward.refusal on the innermost span of its
// context. The event has bearward.outcome, error.type and bearward.operation, and as far as they
// apply bearward.claim, bearward.expected and bearward.cause. So the server's instrumentation, such
// as otelhttp or otelgrpc, belongs outside the guard. An accepted request leaves nothing.
//
// The span's status stays as it is. By the conventions it stays unset for 4xx. For other answers
// the server's instrumentation sets it, for HTTP and gRPC each by its own rule. A hook could only
// guess. It is called before the answer is written, and the span may not be the server's. An
// operation that is only reported on may end well.
//
// # Fetches in traces
//
// A fetch of keys is a span bearward.jwks.fetch of kind internal, made when the fetch has ended. It
// has the attributes of bearward.jwks.fetches, and how many keys came and went. This span is the
// package's own, so a failed fetch sets its status to Error, with the error's text. It is the root
// of a trace and has no links. A fetch serves everyone who waits for it and outlives each of them,
// and OnRefresh is not told who they are. For spans of the HTTP requests below, instrument the
// transport of [jwks.Options].Client; they are roots too.
//
// # Cost
//
// A decision is two measurements. Their attribute sets are made once per operation and reason.
// After that neither this package nor the SDK allocates, unless there is an event to add to a span
// that is recorded. A test holds that.
package otelauth
