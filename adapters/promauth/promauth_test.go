package promauth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bearward/bearward/adapters/promauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// setUp returns Metrics and the registry that they are collected by.
func setUp(t testing.TB, opts *promauth.Options) (*promauth.Metrics, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	m, err := promauth.New(reg, opts)
	if err != nil {
		t.Fatal(err)
	}
	return m, reg
}

// gathered returns every series as text, such as `name{a="1",b="2"}`, with its value; of a
// histogram, the count.
func gathered(t testing.TB, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			slices.Sort(labels)
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return all
}

func decisions(operation, outcome, reason string) string {
	return fmt.Sprintf("bearward_decisions_total{operation=%q,outcome=%q,reason=%q}", operation, outcome, reason)
}

func durations(verification string) string {
	return fmt.Sprintf("bearward_decision_duration_seconds{verification=%q}", verification)
}

// wants compares some series with what was gathered.
func wants(t *testing.T, all map[string]float64, want map[string]float64) {
	t.Helper()
	for series, value := range want {
		if got, ok := all[series]; !ok || got != value {
			t.Errorf("%s is %v (there: %t), want %v", series, got, ok, value)
		}
	}
}

// total adds up the series that begin so.
func total(all map[string]float64, prefix string) (sum float64, series int) {
	for name, value := range all {
		if strings.HasPrefix(name, prefix) {
			sum += value
			series++
		}
	}
	return sum, series
}

func TestARealGuardsDecisionsAreCounted(t *testing.T) {
	m, reg := setUp(t, nil)
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: m.OnDecision})
	ask := func(operation, token string, req auth.Requirement) context.Context {
		c := auth.Credentials{Operation: operation}
		if token != "" {
			c.Authorization = []string{"Bearer " + token}
		}
		ctx, _ := guard.Authorize(t.Context(), c, req) // the metrics tell
		return ctx
	}
	read := auth.Scopes("read:orders")
	good := issuer.Token("read:orders")
	ask("GET /orders", good, read)
	ask("GET /orders", good, read)
	ctx := ask("GET /orders", good, read)
	if _, err := guard.Authorize(ctx, auth.Credentials{Operation: "GET /orders", Authorization: []string{"Bearer " + good}}, read); err != nil {
		t.Fatal(err)
	}
	ask("GET /orders", issuer.Token("other"), read)
	ask("GET /orders", issuer.Token("read:orders", authtest.BadSignature), read)
	ask("GET /optional", "", auth.Optional())
	ask("GET /new", issuer.Token("read:orders", authtest.Expired), read.ReportOnly())
	ask("", "", auth.Requirement{})
	ask("GET /public", "", auth.Public())

	all := gathered(t, reg)
	wants(t, all, map[string]float64{
		decisions("GET /orders", "accepted", "none"):              4,
		decisions("GET /orders", "refused", "INSUFFICIENT_SCOPE"): 1,
		decisions("GET /orders", "refused", "SIGNATURE_INVALID"):  1,
		decisions("GET /orders", "refused", "TOKEN_EXPIRED"):      0,
		decisions("GET /optional", "accepted", "none"):            1,
		decisions("GET /new", "reported", "TOKEN_EXPIRED"):        1,
		decisions("GET /new", "refused", "TOKEN_EXPIRED"):         0,
		decisions("none", "refused", "NO_RULE"):                   1,
		durations("full"):                                         2,
		durations("remembered"):                                   2,
		durations("repeated"):                                     1,
		durations("none"):                                         4,
	})
	if got, _ := total(all, "bearward_decisions_total"); got != 9 {
		t.Errorf("%v decisions, want 9", got)
	}
}

func TestEveryReasonHasItsOutcome(t *testing.T) {
	for _, r := range auth.Reasons() {
		m, reg := setUp(t, nil)
		m.OnDecision(t.Context(), auth.Decision{Operation: "GET /a", Err: &auth.Error{Reason: r}})
		outcome := "refused"
		if (&auth.Error{Reason: r}).Status() >= 500 {
			outcome = "not_judged"
		}
		all := gathered(t, reg)
		wants(t, all, map[string]float64{decisions("GET /a", outcome, string(r)): 1})
		if got, _ := total(all, "bearward_decisions_total"); got != 1 {
			t.Errorf("%v: counted %v times", r, got)
		}
	}
}

func TestAReasonThatIsNoneIsInternal(t *testing.T) {
	m, reg := setUp(t, nil)
	for _, r := range []auth.Reason{"", "MADE_UP", "TOKEN_EXPIRED\n"} {
		m.OnDecision(t.Context(), auth.Decision{Operation: "GET /a", Err: &auth.Error{Reason: r}})
		m.OnDecision(t.Context(), auth.Decision{Operation: "GET /a", Err: &auth.Error{Reason: r}, ReportOnly: true})
	}
	wants(t, gathered(t, reg), map[string]float64{
		decisions("GET /a", "not_judged", "INTERNAL"): 3,
		decisions("GET /a", "reported", "INTERNAL"):   3,
	})
}

// A program's own adapter may pass what a caller chose for the operation.
func TestOperationsAreBounded(t *testing.T) {
	m, reg := setUp(t, &promauth.Options{MaxOperations: 3})
	if err := m.Declare(auth.Rules{"GET /declared": auth.AnyToken()}); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		m.OnDecision(t.Context(), auth.Decision{Operation: fmt.Sprintf("GET /%d", i)})
	}
	m.OnDecision(t.Context(), auth.Decision{Operation: "GET /declared"})
	all := gathered(t, reg)
	wants(t, all, map[string]float64{
		decisions("GET /0", "accepted", "none"):        1,
		decisions("GET /1", "accepted", "none"):        1,
		decisions("other", "accepted", "none"):         998,
		decisions("GET /declared", "accepted", "none"): 1,
	})
	if _, got := total(all, "bearward_decisions_total"); got != 5*(1+len(auth.Reasons())) { // three, none and other
		t.Errorf("%d series", got)
	}
}

func TestAnOperationThatIsNoLabelIsOther(t *testing.T) {
	m, reg := setUp(t, nil)
	for _, name := range []string{"GET /\xff", "GET /" + strings.Repeat("x", 252)} {
		m.OnDecision(t.Context(), auth.Decision{Operation: name})
	}
	longest := "GET /" + strings.Repeat("x", 251)
	m.OnDecision(t.Context(), auth.Decision{Operation: longest})
	wants(t, gathered(t, reg), map[string]float64{
		decisions("other", "accepted", "none"): 2,
		decisions(longest, "accepted", "none"): 1,
	})
}

func TestDeclaredOperationsAreThereFromTheStart(t *testing.T) {
	m, reg := setUp(t, &promauth.Options{MaxOperations: 2})
	rules := auth.Rules{"GET /a": auth.AnyToken(), "GET /b": auth.Optional(), "GET /public": auth.Public()}
	for range 2 { // again, as when rules are read again
		if err := m.Declare(rules); err != nil {
			t.Fatal(err)
		}
	}
	all := gathered(t, reg)
	for _, operation := range []string{"GET /a", "GET /b", "none", "other"} {
		for _, r := range auth.Reasons() {
			outcome := "refused"
			if (&auth.Error{Reason: r}).Status() >= 500 {
				outcome = "not_judged"
			}
			wants(t, all, map[string]float64{decisions(operation, outcome, string(r)): 0})
		}
		wants(t, all, map[string]float64{decisions(operation, "accepted", "none"): 0})
	}
	if _, got := total(all, `bearward_decisions_total{operation="GET /public"`); got != 0 {
		t.Errorf("%d series of a public operation, which is never judged", got)
	}

	err := m.Declare(auth.Rules{"GET /a": auth.AnyToken(), "GET /c": auth.AnyToken(), "GET /d": auth.AnyToken()})
	want := `promauth: Declare: over Options.MaxOperations (2), or no label, and counted as "other": ["GET /c" "GET /d"]`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDecisionsCostNoAllocation(t *testing.T) {
	m, _ := setUp(t, &promauth.Options{MaxOperations: 1})
	good := authtest.Principal(t, authtest.Claims{})
	for name, d := range map[string]auth.Decision{
		"accepted":           {Operation: "GET /a", Principal: good, Cached: true, Elapsed: 300},
		"refused":            {Operation: "GET /a", Err: &auth.Error{Reason: auth.ReasonSignatureInvalid}, Elapsed: 30_000},
		"of no operation":    {},
		"of other operation": {Operation: "GET /b"},
	} {
		m.OnDecision(t.Context(), auth.Decision{Operation: "GET /a"})
		ctx := t.Context()
		if got := testing.AllocsPerRun(1000, func() { m.OnDecision(ctx, d) }); got != 0 {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	const callers, each = 8, 200
	m, reg := setUp(t, &promauth.Options{MaxOperations: 50})
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				m.OnDecision(t.Context(), auth.Decision{Operation: fmt.Sprintf("GET /%d", i%100), Elapsed: time.Microsecond})
				if i%50 == 0 {
					if _, err := m.Issuer(fmt.Sprint(c, " ", i)); err != nil {
						t.Error(err)
					}
					if err := m.Declare(auth.Rules{fmt.Sprintf("GET /%d", c): auth.AnyToken()}); err != nil && c < 50 && i == 0 {
						t.Error(err)
					}
					gathered(t, reg)
				}
			}
		})
	}
	wg.Wait()
	all := gathered(t, reg)
	if got, series := total(all, "bearward_decisions_total"); got != callers*each || series != 52*(1+len(auth.Reasons())) {
		t.Errorf("%v decisions in %d series, want %d in %d", got, series, callers*each, 52*(1+len(auth.Reasons())))
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	taken := prometheus.NewRegistry()
	if _, err := promauth.New(taken, nil); err != nil {
		t.Fatal(err)
	}
	var nobody *prometheus.Registry
	for name, c := range map[string]struct {
		reg  prometheus.Registerer
		opts *promauth.Options
		want string
	}{
		"no Registerer":             {nil, nil, "promauth: New needs a Registerer"},
		"a nil Registry":            {nobody, nil, "promauth: New needs a Registerer"},
		"a negative bound":          {prometheus.NewRegistry(), &promauth.Options{MaxOperations: -1}, "promauth: Options.MaxOperations is -1"},
		"no issuers":                {prometheus.NewRegistry(), &promauth.Options{MaxIssuers: -1}, "promauth: Options.MaxIssuers is -1"},
		"a bound over the greatest": {prometheus.NewRegistry(), &promauth.Options{MaxOperations: 2001}, "promauth: Options.MaxOperations is 2001"},
		"names that are taken":      {taken, nil, "promauth: Registerer: duplicate metrics collector registration"},
	} {
		if m, err := promauth.New(c.reg, c.opts); m != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if _, err := promauth.New(taken, nil); !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
		t.Errorf("got %T, want an AlreadyRegisteredError inside", err)
	}
	if _, err := promauth.New(prometheus.WrapRegistererWith(prometheus.Labels{"listener": "inner"}, prometheus.NewRegistry()), nil); err != nil {
		t.Error(err)
	}
}

// Whatever a caller sends, no label holds a part of it.
func TestNoLabelHoldsWhatACallerSent(t *testing.T) {
	m, reg := setUp(t, nil)
	issuer := authtest.NewIssuer(t, nil)
	const canary = "canary-7f3a"
	var before int
	for i, d := range issuer.Defects() {
		v := issuer.Verifier(d.Config(auth.Config{}))
		guard := must(auth.NewGuard(v, &auth.GuardOptions{OnDecision: m.OnDecision}))
		token := issuer.Token(canary, authtest.Claims{"sub": canary, "client_id": canary, "jti": canary}, d)
		_, err := guard.Authorize(t.Context(), auth.Credentials{Operation: "GET /a", Authorization: []string{"Bearer " + token}}, auth.AnyToken())
		if err == nil {
			t.Errorf("%v is accepted", d)
		}
		all := gathered(t, reg)
		for series := range all {
			if strings.Contains(series, canary) || strings.Contains(series, issuer.URL) || strings.Contains(series, issuer.KeyID()) {
				t.Errorf("after %v: %s", d, series)
			}
		}
		if i == 0 {
			before = len(all)
		} else if len(all) != before {
			t.Errorf("%v made a series: %d of them, and %d before", d, len(all), before)
		}
	}
}

func BenchmarkOnDecision(b *testing.B) {
	m, _ := setUp(b, nil)
	d := auth.Decision{Operation: "GET /orders", Principal: authtest.Principal(b, authtest.Claims{}), Cached: true, Elapsed: 300}
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.OnDecision(ctx, d)
		}
	})
}
