package webapp

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/bearward/bearward/examples/internal/orders"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/examples/internal/promise"
	"github.com/bearward/bearward/examples/internal/prover"
)

const (
	callTimeout   = 10 * time.Second
	actionTimeout = 45 * time.Second
)

// operation is one operation of the orders API on both transports.
type operation struct {
	method, path, rpc string
	scope             string // that it needs
	did               string // what an API did that answered: "listed the orders"
	invoke            func(orderspb.OrdersClient, context.Context, ...grpc.CallOption) (*orderspb.Answer, error)
}

// String is the operation in HTTP's words.
func (op operation) String() string { return op.method + " " + op.path }

var (
	readOrders = operation{http.MethodGet, "/orders", orderspb.Orders_ListOrders_FullMethodName,
		"read:orders", "listed the orders",
		func(c orderspb.OrdersClient, ctx context.Context, opts ...grpc.CallOption) (*orderspb.Answer, error) {
			return c.ListOrders(ctx, &orderspb.ListOrdersRequest{}, opts...)
		}}
	placeOrder = operation{http.MethodPost, "/orders", orderspb.Orders_PlaceOrder_FullMethodName,
		"write:orders", "placed the order",
		func(c orderspb.OrdersClient, ctx context.Context, opts ...grpc.CallOption) (*orderspb.Answer, error) {
			return c.PlaceOrder(ctx, &orderspb.PlaceOrderRequest{}, opts...)
		}}
	readStats = operation{http.MethodGet, "/admin/stats", orderspb.Orders_GetStats_FullMethodName,
		"admin:all", "answered",
		func(c orderspb.OrdersClient, ctx context.Context, opts ...grpc.CallOption) (*orderspb.Answer, error) {
			return c.GetStats(ctx, &orderspb.GetStatsRequest{}, opts...)
		}}
)

// question is one call that every API is asked.
type question struct {
	Title   string
	subject string // the token in the words of a headline: "the expired token"
	op      operation
	token   string
	want    *promise.Promise // nil: what the token's claims promise
	why     string           // why want is promised
	// thief is what a thief is answered by an API that knows the token's key; nil: it is no thief.
	thief  *promise.Promise
	scheme string // of the credentials; "": Bearer
	// prove makes the proof for one call (RFC 9449); nil: none is sent.
	prove  func(method, uri string) (string, error)
	settle time.Duration // how long an API may take to come round to it
	by     time.Time     // by when an API has to keep to it; it is asked until then. Zero: no such time
	mutual *connection   // to the APIs for clients with certificates; nil: to the others
	opaque *tokenFacts   // what the issuer said of an opaque token; nil: the token says it
}

// facts are what is known of the token.
func (q question) facts() tokenFacts {
	if q.opaque != nil {
		return *q.opaque
	}
	return factsOf(q.token)
}

// of names a key among those that the APIs of the question meet.
func (q question) of(kid string) string {
	if q.mutual != nil {
		return "mutual " + kid
	}
	return kid
}

// apis are whom the question is asked.
func (a *App) apis(q question) []API {
	switch {
	case q.mutual != nil:
		return a.cfg.Mutual.APIs
	case q.opaque != nil:
		return a.cfg.Opaque.APIs
	}
	return a.cfg.APIs
}

// askAgain is how long is waited before an API is asked once more that names no time.
const askAgain = 250 * time.Millisecond

// settleTime is how long an API that has not met a token's key is asked again.
const settleTime = 5 * time.Second

// nearExpiry is so short a rest of a token's life that it may be over before the last API is asked.
// The end of an opaque token is known to about a second.
const (
	nearExpiry       = 500 * time.Millisecond
	nearOpaqueExpiry = 2 * time.Second
)

// credentials are the header fields of one call.
func (q question) credentials(method, uri string) (fields [][2]string, err error) {
	fields = [][2]string{{"Authorization", cmp.Or(q.scheme, "Bearer") + " " + q.token}}
	if q.prove == nil {
		return fields, nil
	}
	proof, err := q.prove(method, uri)
	return append(fields, [2]string{prover.Field, proof}), err
}

// ask asks every API and adds the answers to rec.
func (a *App) ask(ctx context.Context, rec *recorder, q question) *calls {
	facts, near := q.facts(), nearExpiry
	if q.opaque != nil {
		near = nearOpaqueExpiry
	}
	// Whether such a token is still good would be a matter of luck: wait until it is not.
	if left := time.Until(facts.expiry); left > 0 && left < near {
		pause(ctx, left)
	}
	c := calls{question: q}
	kid := q.of(keyID(q.token))
	met := q.opaque != nil || a.hasMet(kid)
	c.why = q.why
	if c.why == "" || facts.expired() {
		c.why = reason(q.op, facts)
	}
	settle := q.settle
	if settle == 0 && !met {
		settle = settleTime
	}
	if a.cfg.Issuer.Down() && q.opaque == nil {
		settle = 0 // no key can be found now: to wait for each API would outlast the action
	}
	accepted := 0
	for _, api := range a.apis(q) {
		want := promised(q, facts)
		answer := a.askOne(ctx, api, q, want, settle)
		if q.want == nil && facts.expired() {
			want = want.Or(promise.BadToken()) // it may have expired on the way
		}
		answer.Fault = want.Broken(answer.Outcome)
		if answer.Fault != "" && q.want == nil && !met {
			// Not to know a key yet is no fault, as long as the API says so.
			answer.Fault = want.Or(promise.Unavailable()).Broken(answer.Outcome)
		}
		if answer.Status == http.StatusOK || answer.Status == http.StatusForbidden {
			accepted++
		}
		c.Answers = append(c.Answers, answer)
	}
	c.last = time.Now()
	if accepted == len(c.Answers) && q.opaque == nil {
		a.meet(kid)
	}
	if q.opaque != nil && !facts.expired() {
		c.why = c.whyOpaque()
	}
	if c.why == "" && c.common() == kindUnavailable {
		c.why = "its key is new to them, and they ask the issuer again as Retry-After says"
		if a.cfg.Issuer.Down() {
			c.why = "its key is new to them, and the issuer cannot be asked for it"
		}
	}
	rec.add(part{Calls: &c})
	return &c
}

// promised is what every API must answer to a question.
func promised(q question, facts tokenFacts) promise.Promise {
	switch {
	case q.want != nil:
		return *q.want
	case facts.expired():
		return promise.BadToken()
	case q.thief != nil:
		return *q.thief
	case !slices.Contains(facts.scopes, q.op.scope):
		return promise.Needs(q.op.scope)
	}
	return promise.OKAs(facts.sub)
}

// reason is why a token is refused.
func reason(op operation, facts tokenFacts) string {
	switch {
	case facts.expired():
		return "the token expired at " + clock(facts.expiry)
	case !slices.Contains(facts.scopes, op.scope):
		return "the token has no " + op.scope
	}
	return ""
}

// askOne asks one API. One that may not have met the token's key yet is asked again within settle,
// as its Retry-After says, until it keeps want.
func (a *App) askOne(ctx context.Context, api API, q question, want promise.Promise, settle time.Duration) answer {
	begun := time.Now()
	var earlier []string
	for {
		one := a.call(ctx, api, q)
		one.Earlier, one.Waited = earlier, time.Since(begun)
		early := one.Status == http.StatusUnauthorized || one.Status == http.StatusServiceUnavailable
		left := settle - time.Since(begun)
		if !q.by.IsZero() {
			early, left = true, time.Until(q.by)
		}
		if want.Broken(one.Outcome) == "" || !early || left <= 0 || ctx.Err() != nil {
			return one
		}
		earlier = append(earlier, one.Shown)
		pause(ctx, min(max(one.RetryAfter, askAgain), time.Second, max(left, askAgain/10)))
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (a *App) call(ctx context.Context, api API, q question) answer {
	_, addr, _ := strings.Cut(api.URL, "://")
	var one answer
	if api.Adapter == "grpc" {
		one = a.callGRPC(ctx, api, q)
	} else {
		one = a.callHTTP(ctx, api, q)
	}
	one.Adapter, one.Addr = api.Adapter, addr
	return one
}

func noCall(err error) answer {
	return answer{Outcome: promise.Outcome{Shown: "no call"}, Response: []string{err.Error()}}
}

func (a *App) callHTTP(ctx context.Context, api API, q question) answer {
	rec, ctx := record(ctx)
	req, err := http.NewRequestWithContext(ctx, q.op.method, api.URL+q.op.path, nil)
	if err != nil {
		return noCall(err)
	}
	credentials, err := q.credentials(req.Method, req.URL.String())
	if err != nil {
		return noCall(err)
	}
	for _, field := range credentials {
		req.Header.Set(field[0], field[1])
	}
	hc := a.hc
	if q.mutual != nil {
		hc = a.mutualClient(q.mutual.certificate)
	}
	resp, err := hc.Do(req)
	var one answer
	for _, p := range rec.done() {
		one.Request, one.Response, one.Shown = p.Exchange.Request, p.Exchange.Response, p.Exchange.Status
	}
	if q.mutual != nil {
		one.Request = append(one.Request, q.mutual.String())
	}
	if err != nil {
		return one
	}
	defer resp.Body.Close()
	one.Status = resp.StatusCode
	one.Challenge = strings.Join(resp.Header.Values("WWW-Authenticate"), "\n")
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	one.RetryAfter = time.Duration(seconds) * time.Second
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRecorded))
	var said orders.Answer
	if resp.StatusCode == http.StatusOK && json.Unmarshal(body, &said) == nil {
		one.take(said)
	}
	return one
}
