package otelauth_test

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/bearward/bearward/adapters/otelauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/introspect"
)

// column parts the columns of a table.
var column = regexp.MustCompile(` {2,}`)

// documented returns the rows of the table of the package's documentation whose first column is
// titled so.
func documented(t *testing.T, title string) (rows [][]string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(f.Doc.Text()) {
		cells := column.Split(strings.TrimSpace(line), -1)
		switch {
		case !strings.HasPrefix(line, "\t"):
			inside = false
		case cells[0] == title:
			inside = true
		case inside:
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("no table of %q", title)
	}
	return rows
}

// everything makes b record each metric and each event, with each attribute there and, where it may
// be, missing.
func everything(t *testing.T, b *bench) {
	ctx, span := b.tracer.Tracer("test").Start(t.Context(), "request")
	unavailable := &auth.Error{Reason: auth.ReasonUnavailable}
	issuer := authtest.NewIssuer(t, nil)
	_, refusal := issuer.Verifier(auth.Config{}).VerifyToken(ctx, issuer.Token("read:orders", authtest.Expired))
	for _, d := range []auth.Decision{
		{Operation: "GET /orders"}, {}, {Err: auth.AsError(refusal)}, {Err: unavailable, ReportOnly: true}, {Operation: "GET /orders", Err: unavailable},
	} {
		b.OnDecision(ctx, d)
	}
	span.End()

	i, err := b.Issuer("main")
	if err != nil {
		t.Fatal(err)
	}
	issuer.Garbage(`{"keys":[{"kty":"AKP"},{"kty":"OKP","crv":"Ed25519","kid":"e","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	keys := issuer.Source(nil)
	if err := keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := i.Watch(keys); err != nil {
		t.Fatal(err)
	}
	i.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerClock, Added: keys.Status().Keys})
	i.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerClock, Err: context.Canceled, DiscoveryErr: context.Canceled, SnapshotErr: context.Canceled})
	i.OnCall(introspect.Call{Outcome: introspect.Active})
	b.OnCall(introspect.Call{Issuer: "https://issuer.example", Outcome: introspect.Unavailable, Err: context.DeadlineExceeded, Background: true})
}

// attributes returns the names of the points' attributes, in brackets those that not all have.
func (r reading) attributes() []string {
	count := map[string]int{}
	for _, p := range r.points {
		for _, a := range p.attrs.ToSlice() {
			count[string(a.Key)]++
		}
	}
	var names []string
	for name, n := range count {
		if n < len(r.points) {
			name = "[" + name + "]"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestTheDocumentationHasEveryMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		everything(t, b)
		var got, want []string
		for _, r := range b.read(t) {
			got = append(got, fmt.Sprint(r.name, " ", r.kind, " ", r.unit, " ", r.attributes()))
		}
		for _, row := range documented(t, "metric") {
			attrs := strings.Split(row[3], ", ")
			slices.Sort(attrs)
			want = append(want, fmt.Sprint(row[0], " ", row[1], " ", row[2], " ", attrs))
		}
		slices.Sort(got)
		slices.Sort(want)
		same(t, "metrics", got, want)
	})
}

func TestTheDocumentationHasEveryAttribute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		everything(t, b)
		used := map[string]bool{}
		rows := documented(t, "attribute")
		look := func(attrs []attribute.KeyValue) {
			for _, a := range attrs {
				name, value := string(a.Key), a.Value.String()
				used[name] = true
				for _, row := range rows {
					if row[0] == name && closed[name] && !regexp.MustCompile(`\b`+value+`\b`).MatchString(row[1]) {
						t.Errorf("%s is %s, which its row does not have: %s", name, value, row[1])
					}
				}
			}
		}
		for _, r := range b.read(t) {
			for _, p := range r.points {
				look(p.attrs.ToSlice())
			}
		}
		for _, s := range b.spans.Ended() {
			look(s.Attributes())
			for _, e := range s.Events() {
				look(e.Attributes)
			}
		}
		var want []string
		for _, row := range rows {
			want = append(want, row[0])
		}
		slices.Sort(want)
		same(t, "attributes", slices.Sorted(maps.Keys(used)), want)
	})
}

// closed are the attributes whose rows have every value.
var closed = map[string]bool{
	"bearward.outcome": true, "bearward.verification": true, "bearward.cause": true, "bearward.jwks.trigger": true,
	"bearward.jwks.result": true, "bearward.jwks.change": true, "bearward.jwks.state": true,
	"bearward.introspection.outcome": true, "bearward.introspection.renewal": true,
}

func TestTwoTelemetryCountTogether(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	for range 2 {
		telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: meters})
		if err != nil {
			t.Fatal(err)
		}
		telemetry.OnDecision(t.Context(), auth.Decision{Operation: "GET /orders"})
	}
	b := &bench{reader: reader}
	same(t, "decisions", b.read(t)["bearward.decisions"].lines(), []string{"bearward.operation=GET /orders bearward.outcome=accepted: 2"})
}
