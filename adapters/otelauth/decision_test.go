package otelauth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/bearward/bearward/adapters/otelauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestNewNamesWhatCannotBeUsed(t *testing.T) {
	for _, c := range []struct {
		name string
		opts *otelauth.Options
		want string // of the error; empty for none
	}{
		{"nil", nil, ""},
		{"the zero value", &otelauth.Options{}, ""},
		{"the fewest operations", &otelauth.Options{MaxOperations: 1}, ""},
		{"the most operations", &otelauth.Options{MaxOperations: 2000}, ""},
		{"a negative number", &otelauth.Options{MaxOperations: -1}, "Options.MaxOperations is -1, not within 1 to 2000"},
		{"too large a number", &otelauth.Options{MaxOperations: 2001}, "Options.MaxOperations is 2001"},
		{"a nil meter provider", &otelauth.Options{MeterProvider: (*sdkmetric.MeterProvider)(nil)}, "Options.MeterProvider holds a nil *metric.MeterProvider"},
		{"a nil tracer provider", &otelauth.Options{TracerProvider: (*sdktrace.TracerProvider)(nil)}, "Options.TracerProvider holds a nil *trace.TracerProvider"},
		{"providers that do nothing", &otelauth.Options{MeterProvider: noopmetric.NewMeterProvider(), TracerProvider: nooptrace.NewTracerProvider()}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			telemetry, err := otelauth.New(c.opts)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			telemetry.OnDecision(context.Background(), auth.Decision{})
			if err := telemetry.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewFailsWithItsInstruments(t *testing.T) {
	_, err := otelauth.New(&otelauth.Options{MeterProvider: poor{noopmetric.NewMeterProvider()}})
	if want := "otelauth: Options.MeterProvider: make bearward.decision.duration: out of histograms"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDecisionsAreCounted(t *testing.T) {
	b := newBench(t, nil)
	who := authtest.Principal(t, nil)
	expired := &auth.Error{Reason: auth.ReasonTokenExpired}
	unavailable := &auth.Error{Reason: auth.ReasonUnavailable}
	for _, d := range []auth.Decision{
		{Operation: "GET /orders", Principal: who, Elapsed: 200 * time.Nanosecond, Cached: true},
		{Operation: "GET /orders", Principal: who, Elapsed: 300 * time.Nanosecond, Cached: true},
		{Operation: "GET /orders", Principal: who, Elapsed: 40 * time.Microsecond},
		{Operation: "GET /orders", Principal: who, Repeated: true},
		{Operation: "GET /optional"},
		{Operation: "GET /orders", Err: expired},
		{Operation: "POST /orders", Err: expired, ReportOnly: true},
		{Operation: "POST /orders", Err: expired},
		{Operation: "POST /orders", Err: unavailable, ReportOnly: true},
		{Operation: "GET /orders", Principal: who, Err: &auth.Error{Reason: auth.ReasonInsufficientScope}, Cached: true},
		{Err: &auth.Error{Reason: auth.ReasonNoRule}},
		{Operation: "/orders.v1.Orders/List", Err: unavailable, Elapsed: 2 * time.Second},
		{Operation: "GET /me", Err: &auth.Error{Reason: "MADE_UP"}},
		{Operation: "GET /me", Err: &auth.Error{}},
	} {
		b.OnDecision(context.Background(), d)
	}
	got := b.read(t)
	same(t, "decisions", got["bearward.decisions"].lines(), []string{
		"bearward.operation=/orders.v1.Orders/List bearward.outcome=not_judged error.type=UNAVAILABLE: 1",
		"bearward.operation=GET /me bearward.outcome=not_judged error.type=_OTHER: 2",
		"bearward.operation=GET /optional bearward.outcome=accepted: 1",
		"bearward.operation=GET /orders bearward.outcome=accepted: 4",
		"bearward.operation=GET /orders bearward.outcome=refused error.type=INSUFFICIENT_SCOPE: 1",
		"bearward.operation=GET /orders bearward.outcome=refused error.type=TOKEN_EXPIRED: 1",
		"bearward.operation=POST /orders bearward.outcome=refused error.type=TOKEN_EXPIRED: 1",
		"bearward.operation=POST /orders bearward.outcome=reported error.type=TOKEN_EXPIRED: 1",
		"bearward.operation=POST /orders bearward.outcome=reported error.type=UNAVAILABLE: 1",
		"bearward.outcome=refused error.type=NO_RULE: 1",
	})
	duration := got["bearward.decision.duration"]
	same(t, "durations", duration.lines(), []string{
		"bearward.outcome=accepted bearward.verification=full: 1",
		"bearward.outcome=accepted bearward.verification=none: 1",
		"bearward.outcome=accepted bearward.verification=remembered: 2",
		"bearward.outcome=accepted bearward.verification=repeated: 1",
		"bearward.outcome=not_judged bearward.verification=none: 3",
		"bearward.outcome=refused bearward.verification=none: 3",
		"bearward.outcome=refused bearward.verification=remembered: 1",
		"bearward.outcome=reported bearward.verification=none: 2",
	})
	if b := duration.bounds; len(b) == 0 || b[0] != 1e-7 || b[len(b)-1] < 2 {
		t.Errorf("got bounds %v, want them from 100 ns to over the 2 s that a request may wait", b)
	}
}

func TestEveryReasonHasItsName(t *testing.T) {
	b := newBench(t, nil)
	var want []string
	for _, r := range auth.Reasons() {
		e := &auth.Error{Reason: r}
		b.OnDecision(context.Background(), auth.Decision{Operation: "op", Err: e})
		outcome := "refused"
		if e.Status() >= 500 {
			outcome = "not_judged"
		}
		want = append(want, fmt.Sprintf("bearward.operation=op bearward.outcome=%s error.type=%s: 1", outcome, r))
	}
	slices.Sort(want)
	same(t, "decisions", b.read(t)["bearward.decisions"].lines(), want)
}

// An adapter written elsewhere may name what the caller chose. It costs a bounded number of series,
// and nothing is lost.
func TestOperationsAreBounded(t *testing.T) {
	for _, most := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			b := newBench(t, &otelauth.Options{MaxOperations: most})
			const callers, each = 4, 300
			var wg sync.WaitGroup
			for caller := range callers {
				wg.Go(func() {
					for i := range each {
						b.OnDecision(context.Background(), auth.Decision{Operation: fmt.Sprintf("GET /%d/%d", caller, i)})
					}
				})
			}
			wg.Wait()
			if most == 0 {
				most = 200
			}
			points := b.read(t)["bearward.decisions"].points
			var sum, others float64
			for _, p := range points {
				sum += p.value
				if v, _ := p.attrs.Value("bearward.operation"); v.AsString() == "_OTHER" {
					others += p.value
				}
			}
			if len(points) != most+1 || sum != callers*each || others != float64(callers*each-most) {
				t.Errorf("got %d series, %v decisions, %v of them others; want %d, %d, %d", len(points), sum, others, most+1, callers*each, callers*each-most)
			}
		})
	}
}

func TestDeclaredOperationsKeepTheirPlace(t *testing.T) {
	b := newBench(t, &otelauth.Options{MaxOperations: 2})
	rules := auth.Rules{"GET /a": auth.AnyToken(), "GET /b": auth.Optional(), "GET /healthz": auth.Public()}
	for range 2 {
		if err := b.Declare(rules); err != nil {
			t.Fatal(err)
		}
	}
	err := b.Declare(auth.Rules{"GET /a": auth.AnyToken(), "GET /c": auth.AnyToken(), "GET /\xff": auth.AnyToken()})
	if want := `otelauth: Options.MaxOperations is 2: these operations count as "_OTHER": ["GET /c" "GET /\xff"]`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, name := range []string{"GET /chosen/by/a/caller", "GET /a", "GET /b", "GET /c", ""} {
		b.OnDecision(context.Background(), auth.Decision{Operation: name})
	}
	same(t, "decisions", b.read(t)["bearward.decisions"].lines(), []string{
		"bearward.operation=GET /a bearward.outcome=accepted: 1",
		"bearward.operation=GET /b bearward.outcome=accepted: 1",
		"bearward.operation=_OTHER bearward.outcome=accepted: 2",
		"bearward.outcome=accepted: 1",
	})
}

func TestOperationsThatNoAttributeMayHold(t *testing.T) {
	b := newBench(t, nil)
	for _, name := range []string{"GET /\xff", strings.Repeat("a", 257), strings.Repeat("b", 256)} {
		b.OnDecision(context.Background(), auth.Decision{Operation: name})
	}
	same(t, "decisions", b.read(t)["bearward.decisions"].lines(), []string{
		"bearward.operation=_OTHER bearward.outcome=accepted: 2",
		"bearward.operation=" + strings.Repeat("b", 256) + " bearward.outcome=accepted: 1",
	})
}

func TestRefusalsAreEventsOfTheRequestsSpan(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	unavailable := func(err error) *auth.Error { return &auth.Error{Reason: auth.ReasonUnavailable, Err: err} }
	noKeys := unavailable(fmt.Errorf("%w: %w", jwks.ErrUnavailable, context.DeadlineExceeded)) // the fetch's deadline
	for _, c := range []struct {
		name string
		ctx  context.Context
		d    auth.Decision
		want []string
	}{
		{"an accepted request leaves nothing", nil, auth.Decision{Operation: "op"}, nil},
		{"a refused one", nil, auth.Decision{Operation: "op", Err: &auth.Error{Reason: auth.ReasonSignatureInvalid}},
			[]string{"bearward.operation=op bearward.outcome=refused error.type=SIGNATURE_INVALID"}},
		{"one of no operation", nil, auth.Decision{Err: &auth.Error{Reason: auth.ReasonNoRule}},
			[]string{"bearward.outcome=refused error.type=NO_RULE"}},
		{"one that is reported on only", nil, auth.Decision{Operation: "op", Err: &auth.Error{Reason: auth.ReasonForbidden}, ReportOnly: true},
			[]string{"bearward.operation=op bearward.outcome=reported error.type=FORBIDDEN"}},
		{"keys that are not to be had", nil, auth.Decision{Operation: "op", Err: noKeys},
			[]string{"bearward.cause=keys bearward.operation=op bearward.outcome=not_judged error.type=UNAVAILABLE"}},
		{"a caller who went away", canceled, auth.Decision{Operation: "op", Err: noKeys},
			[]string{"bearward.cause=canceled bearward.operation=op bearward.outcome=not_judged error.type=UNAVAILABLE"}},
		{"a request whose time ran out", late, auth.Decision{Operation: "op", Err: noKeys},
			[]string{"bearward.cause=timeout bearward.operation=op bearward.outcome=not_judged error.type=UNAVAILABLE"}},
		{"a verifier that fails", nil, auth.Decision{Operation: "op", Err: unavailable(errors.New("the token eyJ is odd"))},
			[]string{"bearward.cause=_OTHER bearward.operation=op bearward.outcome=not_judged error.type=UNAVAILABLE"}},
		{"one that could not be judged and is reported on only", nil, auth.Decision{Operation: "op", Err: noKeys, ReportOnly: true},
			[]string{"bearward.cause=keys bearward.operation=op bearward.outcome=reported error.type=UNAVAILABLE"}},
		{"a guard that is wired wrongly", nil, auth.Decision{Operation: "op", Err: &auth.Error{Reason: auth.ReasonInternal}},
			[]string{"bearward.cause=wiring bearward.operation=op bearward.outcome=not_judged error.type=INTERNAL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			if c.ctx == nil {
				c.ctx = context.Background()
			}
			ctx, outer := b.tracer.Tracer("test").Start(c.ctx, "outer")
			ctx, inner := b.tracer.Tracer("test").Start(ctx, "inner")
			b.OnDecision(ctx, c.d)
			inner.End()
			outer.End()
			for i := range c.want {
				c.want[i] = "inner: bearward.refusal " + c.want[i]
			}
			same(t, "events", b.events(), c.want)
			for _, s := range b.spans.Ended() {
				if s.Status().Code != codes.Unset || len(s.Attributes()) > 0 {
					t.Errorf("%s: got status %v and attributes %v, want neither", s.Name(), s.Status(), s.Attributes())
				}
			}
		})
	}
}

func TestSpansThatAreNotRecordedAreLeftAlone(t *testing.T) {
	b := newBench(t, nil)
	never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()), sdktrace.WithSpanProcessor(b.spans))
	ctx, span := never.Tracer("test").Start(context.Background(), "not sampled")
	refused := auth.Decision{Operation: "op", Err: &auth.Error{Reason: auth.ReasonTokenExpired}}
	b.OnDecision(ctx, refused)
	span.End()
	b.OnDecision(context.Background(), refused) // no span at all
	if got := b.events(); len(got) > 0 {
		t.Errorf("got %v", got)
	}
	same(t, "decisions", b.read(t)["bearward.decisions"].lines(), []string{
		"bearward.operation=op bearward.outcome=refused error.type=TOKEN_EXPIRED: 2",
	})
}
