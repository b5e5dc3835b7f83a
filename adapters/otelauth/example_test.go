package otelauth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/adapters/otelauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/introspect"
)

// exampleT stands in for the *testing.T that a test is given and an example is not.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Context() context.Context          { return context.Background() }
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Error(args ...any)                 { fmt.Println(args...) }
func (t *exampleT) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (t *exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

// print prints the points of the metrics called names, as an exporter gets them.
func print(reader sdkmetric.Reader, names ...string) {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		panic(err)
	}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			if !slices.Contains(names, m.Name) {
				continue
			}
			for _, line := range readingOf(new(exampleT), m).lines() {
				fmt.Println(m.Name, line)
			}
		}
	}
}

// An API whose requests are traced by otelhttp, with what an operator sees of one caller who has a
// token and one whose token has expired.
func Example() {
	t := new(exampleT)
	defer t.end()
	idp := authtest.NewIssuer(t, nil) // in a program: an authorization server

	reader, spans := sdkmetric.NewManualReader(), tracetest.NewSpanRecorder() // in a program: exporters
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: meters, TracerProvider: tracers})
	if err != nil {
		t.Fatal(err)
	}
	defer telemetry.Close()
	guard, err := auth.New(idp.URL, idp.Audience, &auth.GuardOptions{
		OnDecision: telemetry.OnDecision,
		Keys:       &jwks.Options{Client: idp.Client(), OnRefresh: telemetry.OnRefresh},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := telemetry.Watch(guard); err != nil {
		t.Fatal(err)
	}
	defer guard.Close()

	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders/{id}", auth.Scopes("read:orders"), func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "an order") })
	if err := telemetry.Declare(mux.Rules()); err != nil {
		t.Fatal(err)
	}
	api := otelhttp.NewHandler(mux, "api", otelhttp.WithTracerProvider(tracers)) // outside the guard

	for _, token := range []string{idp.Token("read:orders"), idp.Token("read:orders", authtest.Expired)} {
		r := httptest.NewRequest("GET", "/orders/7", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	print(reader, "bearward.decisions", "bearward.jwks.keys")
	for _, span := range spans.Ended() {
		for _, event := range span.Events() {
			fmt.Println("span", span.Name(), "has", event.Name, text(event.Attributes))
		}
	}
	// Output:
	// 200
	// 401
	// bearward.decisions bearward.operation=GET /orders/{id} bearward.outcome=accepted: 1
	// bearward.decisions bearward.operation=GET /orders/{id} bearward.outcome=refused error.type=TOKEN_EXPIRED: 1
	// bearward.jwks.keys bearward.issuer=https://issuer.example: 2
	// span GET /orders/{id} has bearward.refusal bearward.claim=exp bearward.expected=a time to come bearward.operation=GET /orders/{id} bearward.outcome=refused error.type=TOKEN_EXPIRED
}

func ExampleNew() {
	// The global providers, and a bound for an API of many routes.
	telemetry, err := otelauth.New(&otelauth.Options{MaxOperations: 500})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer telemetry.Close()

	_, err = otelauth.New(&otelauth.Options{MaxOperations: 50_000})
	fmt.Println(err)
	// Output: otelauth: Options.MaxOperations is 50000, not within 1 to 2000
}

// Metrics and a log.
func ExampleTelemetry_OnDecision() {
	reader := sdkmetric.NewManualReader()
	telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer telemetry.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // which no Output could foretell
			}
			return a
		},
	}))
	opts := &auth.GuardOptions{OnDecision: auth.Hooks(telemetry.OnDecision, auth.LogRefusals(logger))}

	opts.OnDecision(context.Background(), auth.Decision{Operation: "GET /orders", Err: &auth.Error{Reason: auth.ReasonSignatureInvalid}})
	print(reader, "bearward.decisions", "bearward.decision.duration")
	// Output:
	// level=INFO msg="request refused" operation="GET /orders" status=401 reason=SIGNATURE_INVALID
	// bearward.decisions bearward.operation=GET /orders bearward.outcome=refused error.type=SIGNATURE_INVALID: 1
	// bearward.decision.duration bearward.outcome=refused bearward.verification=none: 1
}

func ExampleTelemetry_Declare() {
	telemetry, err := otelauth.New(&otelauth.Options{MaxOperations: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer telemetry.Close()
	fmt.Println(telemetry.Declare(auth.Rules{"GET /orders": auth.Scopes("read:orders"), "GET /healthz": auth.Public()}))
	fmt.Println(telemetry.Declare(auth.Rules{"GET /me": auth.AnyToken()}))
	// Output:
	// <nil>
	// otelauth: Options.MaxOperations is 1: these operations count as "_OTHER": ["GET /me"]
}

func ExampleIssuer_Watch() {
	t := new(exampleT)
	defer t.end()
	reader := sdkmetric.NewManualReader()
	telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	defer telemetry.Close()
	for _, name := range []string{"main", "partner"} {
		issuer, err := telemetry.Issuer(name)
		if err != nil {
			t.Fatal(err)
		}
		idp := authtest.NewIssuer(t, &authtest.Options{URL: "https://" + name + ".example"})
		if name == "partner" {
			idp.Fail(http.StatusServiceUnavailable)
		}
		keys := idp.Source(&jwks.Options{OnRefresh: issuer.OnRefresh}) // in a program: jwks.New
		if err := issuer.Watch(keys); err != nil {
			t.Fatal(err)
		}
		_ = keys.Refresh(context.Background())
	}
	print(reader, "bearward.jwks.keys", "bearward.jwks.max_stale")
	// Output:
	// bearward.jwks.max_stale bearward.issuer=main: 86400
	// bearward.jwks.max_stale bearward.issuer=partner: 86400
	// bearward.jwks.keys bearward.issuer=main: 2
	// bearward.jwks.keys bearward.issuer=partner: 0
}

// Opaque tokens: how the issuer answers about them.
func ExampleTelemetry_OnCall() {
	reader := sdkmetric.NewManualReader()
	telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		panic(err)
	}
	defer telemetry.Close()
	tokens, err := introspect.New("http://127.0.0.1:1/introspect", introspect.NoClientAuth(), introspect.Config{
		Claims: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example"}},
		OnCall: telemetry.OnCall, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	defer tokens.Close()
	_, _ = tokens.VerifyToken(context.Background(), "2YotnFZFEjr1zCsicMWpAA") // nobody listens there
	printCalls(reader)
	// Output:
	// bearward.introspection.calls unavailable 1
}

// The same, under a name of one's own.
func ExampleIssuer_OnCall() {
	reader := sdkmetric.NewManualReader()
	telemetry, err := otelauth.New(&otelauth.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		panic(err)
	}
	defer telemetry.Close()
	measured, err := telemetry.Issuer("main")
	if err != nil {
		panic(err)
	}
	measured.OnCall(introspect.Call{Outcome: introspect.Active}) // as Config.OnCall it is called so
	printCalls(reader)
	// Output:
	// bearward.introspection.calls active 1
}

func printCalls(reader *sdkmetric.ManualReader) {
	var read metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &read); err != nil {
		panic(err)
	}
	for _, m := range read.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			outcome, _ := sum.DataPoints[0].Attributes.Value("bearward.introspection.outcome")
			fmt.Println(m.Name, outcome.AsString(), sum.DataPoints[0].Value)
		}
	}
}
