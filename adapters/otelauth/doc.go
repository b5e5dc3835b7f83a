// Package otelauth turns the hooks of Bearward into OpenTelemetry metrics and span events. It is a module of its own, and links the API of
// OpenTelemetry alone: which SDK and exporter there are is the program's affair.
//
//	telemetry, err := otelauth.New(nil)
//	keys, err := jwks.FromIssuer(issuer, &jwks.Options{OnRefresh: telemetry.OnRefresh("main")})
//	err = telemetry.Watch("main", keys)
//	guard, err := auth.NewWithKeys(keys, config, &auth.GuardOptions{OnDecision: telemetry.OnDecision})
//
// [Telemetry.OnDecision] is told of each verdict, [Telemetry.OnRefresh] of each fetch of keys, and [Telemetry.Watch] reads what a key cache holds
// whenever metrics are read. Each works without the others, and with hooks beside it: a hook is a function that may call two.
// [Telemetry.Close] ends what Watch began; close it before or after the Guard.
//
// # Metrics
//
// Names and units follow the semantic conventions. An attribute in brackets is there only when it says something.
//
//	metric                          kind            unit        attributes
//	bearward.decisions              counter         {decision}  bearward.outcome bearward.cached [error.type] [bearward.operation] [bearward.repeated] [bearward.report_only]
//	bearward.decision.duration      histogram       s           bearward.outcome bearward.cached [bearward.repeated]
//	bearward.keys.refreshes         counter         {refresh}   bearward.keys.name bearward.keys.trigger bearward.keys.result [error.type]
//	bearward.keys.refresh.duration  histogram       s           bearward.keys.name bearward.keys.trigger bearward.keys.result [error.type]
//	bearward.keys.age               gauge           s           bearward.keys.name
//	bearward.keys.max_stale         gauge           s           bearward.keys.name
//	bearward.keys.held              up-down counter {key}       bearward.keys.name
//	bearward.keys.state             up-down counter {key_set}   bearward.keys.name bearward.keys.state
//	bearward.keys.skipped           up-down counter {key}       bearward.keys.name bearward.keys.skip_reason
//	bearward.keys.exposed           up-down counter {key}       bearward.keys.name
//	bearward.keys.waits             counter         {request}   bearward.keys.name
//	bearward.keys.dropped_events    counter         {event}     bearward.keys.name
//
// All of bearward.keys but refreshes and refresh.duration comes from Watch. There is no age before the first good fetch; keys.skipped has a point for each
// reason that there is now, and none when every published key is used. A snapshot file that was read counts in refreshes, with the trigger snapshot, and has
// no duration. Alert when bearward.keys.age is over half of bearward.keys.max_stale, and when the share of not_judged grows.
//
// # Attributes
//
// Every value is from a closed set, a name of the program, or its configuration. Nothing in a metric or an event comes from a token or from elsewhere in a
// request: no claim's value, key ID, path or address, and never what [middleware.Error.Seen] tells.
//
//	attribute                  values
//	bearward.outcome           accepted, refused, not_judged
//	bearward.cached            true when the token was remembered, and its signature not verified again
//	bearward.repeated          true when the same guard had verified the token in the same request before
//	bearward.report_only       true when the request was let through all the same
//	bearward.operation         the key of the rule, such as "GET /orders/{id}" or "/orders.v1.Orders/List", or _OTHER
//	error.type                 of a decision: the Reason, such as TOKEN_EXPIRED; of a fetch: misconfigured, timeout; or _OTHER
//	bearward.claim             the claim or header member at fault, as configured
//	bearward.expected          what was expected of it, as configured
//	bearward.cause             why a request was not judged: keys, canceled, timeout, wiring, or _OTHER
//	bearward.keys.name         as given to OnRefresh and Watch
//	bearward.keys.trigger      start, snapshot, clock, unknown_key, refresh
//	bearward.keys.result       changed, unchanged, failed
//	bearward.keys.state        empty, fresh, stale, expired, closed
//	bearward.keys.skip_reason  a jwks.SkipReason, such as kty
//	bearward.keys.added        on the span of a fetch: how many keys came
//	bearward.keys.removed      and how many went
//
// Neither http.route nor rpc.method is there: a rule's key may hold the method beside the route, or end in a wildcard, and the hook is not told which transport it
// serves. The span that the event is on has them. An operation is one of at most [Options].MaxOperations, whatever an adapter
// written elsewhere names, and one that is longer than 256 bytes or not UTF-8 is _OTHER; so is every Reason that is none of [middleware.Reasons]. A decision of a router that
// names no operation has no such attribute. An SDK has a limit of its own on the attribute sets of an instrument, 2000 unless told otherwise.
//
// # Traces
//
// A request that is not let through leaves the event bearward.refusal on the span of its context, with the decision's attributes but bearward.cached, and
// bearward.claim, bearward.expected and bearward.cause as far as they apply. So the server's instrumentation (otelhttp, otelgrpc) must be outside the guard, and the
// event is on the innermost span there. An accepted request leaves nothing: the counters have it.
//
// The span's status is never changed. The conventions leave the status of a server's span unset for a 4xx, and for a 5xx it is the server's instrumentation that sets it
// from the answer, for HTTP and gRPC each by its own rule. A hook is called before the answer is written; it cannot know whether the
// span is the server's, and with ReportOnly the request goes on and may end well.
//
// Each fetch of keys is a span bearward.keys.fetch of kind internal, made after its end from what the hook is told, with the attributes of
// bearward.keys.refreshes, bearward.keys.added and bearward.keys.removed. Here the status of a failed one is Error, described by the error: the span is
// this package's own. It is the root of a trace: a fetch serves all who wait for it, and goes on when they are gone, so it is linked to no request. For
// the HTTP requests below it, give [jwks.Options].Client an instrumented transport; their spans are roots too.
//
// # Cost
//
// A decision costs two measurements, whose attribute sets are made once for each operation and reason. No memory is allocated for an accepted one, by this
// package or by the SDK, once its attribute sets were seen; a test holds that. A refusal on a span that is recorded allocates its event.
package otelauth
