package otelauth_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// serve serves h, instrumented, until the test ends, and returns its URL.
func serve(t *testing.T, b *bench, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(otelhttp.NewHandler(h, "api", otelhttp.WithTracerProvider(b.tracer), otelhttp.WithMeterProvider(b.meters)))
	t.Cleanup(server.Close)
	return server.URL
}

func get(t *testing.T, b *bench, url, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport, otelhttp.WithTracerProvider(b.tracer))}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// byKind returns how the spans that ended fared, as lines "status: events", those of one kind.
func byKind(spans []sdktrace.ReadOnlySpan, kind trace.SpanKind) []string {
	var lines []string
	for _, s := range spans {
		if s.SpanKind() != kind {
			continue
		}
		line := s.Status().Code.String() + ":"
		for _, e := range s.Events() {
			if strings.HasPrefix(e.Name, "bearward.") {
				line += " " + e.Name + " " + text(e.Attributes)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestEventsOfAnHTTPServer(t *testing.T) {
	b := newBench(t, nil)
	issuer, down := authtest.NewIssuer(t, nil), authtest.NewIssuer(t, &authtest.Options{URL: "https://down.example"})
	down.Fail(http.StatusInternalServerError)
	hook := &auth.GuardOptions{OnDecision: b.OnDecision}
	both, err := auth.NewIssuers(issuer.Verifier(auth.Config{}), down.Verifier(auth.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	mux := httpauth.NewMux(must(auth.NewGuard(both, hook)))
	ok := func(http.ResponseWriter, *http.Request) {}
	mux.HandleFunc("GET /orders/{id}", auth.Scopes("read:orders"), ok)
	mux.HandleFunc("GET /new", auth.Scopes("read:orders").ReportOnly(), ok)
	url := serve(t, b, mux)
	for _, c := range []struct {
		path, token string
		status      int
	}{
		{"/orders/1", issuer.Token("read:orders"), 200},
		{"/orders/secret-id", "", 401},
		{"/orders/1", issuer.Token("read:orders", authtest.WrongAudience), 401},
		{"/orders/1", issuer.Token("write:orders"), 403},
		{"/orders/1", down.Token("read:orders"), 503},
		{"/new", "", 200},
	} {
		if got := get(t, b, url+c.path, c.token); got != c.status {
			t.Errorf("%s: got %d, want %d", c.path, got, c.status)
		}
	}
	// The status is otelhttp's: unset for what the caller did, Error for a 503.
	const on = "bearward.operation=GET /orders/{id} "
	same(t, "server spans", byKind(b.spans.Ended(), trace.SpanKindServer), []string{
		"Unset:",
		"Unset: bearward.refusal " + on + "bearward.outcome=refused error.type=CREDENTIALS_MISSING",
		`Unset: bearward.refusal bearward.claim=aud bearward.expected=https://api.example ` + on + "bearward.outcome=refused error.type=AUDIENCE_MISMATCH",
		"Unset: bearward.refusal " + on + "bearward.outcome=refused error.type=INSUFFICIENT_SCOPE",
		"Error: bearward.refusal bearward.cause=keys " + on + "bearward.outcome=not_judged error.type=UNAVAILABLE",
		"Unset: bearward.refusal bearward.operation=GET /new bearward.outcome=reported error.type=CREDENTIALS_MISSING",
	})
	for _, line := range byKind(b.spans.Ended(), trace.SpanKindClient) { // the callers' spans, of the same traces
		if strings.Contains(line, "bearward.") {
			t.Errorf("a client's span has %s", line)
		}
	}
}

// A span of the program's own, inside the server's, has the event.
func TestEventsAreOnTheInnermostSpan(t *testing.T) {
	b := newBench(t, nil)
	guarded := authtest.NewIssuer(t, nil).Guard(&auth.GuardOptions{OnDecision: b.OnDecision}).Require("read:orders")(http.NotFoundHandler())
	url := serve(t, b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := b.tracer.Tracer("test").Start(r.Context(), "admission")
		defer span.End()
		guarded.ServeHTTP(w, r.WithContext(ctx))
	}))
	if got := get(t, b, url, ""); got != 401 {
		t.Errorf("got %d", got)
	}
	same(t, "events", b.events(), []string{"admission: bearward.refusal bearward.outcome=refused error.type=CREDENTIALS_MISSING"})
}

func TestEventsOfAGRPCServer(t *testing.T) {
	b := newBench(t, nil)
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: b.OnDecision})
	rules := auth.Rules{rpctest.Unary: auth.Scopes("read:orders"), rpctest.Bidi: auth.Scopes("read:orders")}
	server := grpc.NewServer(append(grpcauth.ServerOptions(guard, rules),
		grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(b.tracer), otelgrpc.WithMeterProvider(b.meters))))...)
	rpctest.Register(server, new(rpctest.Talk))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	cc, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(otelgrpc.WithTracerProvider(b.tracer))))
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{rpctest.Unary, rpctest.Bidi, rpctest.Client} {
		for _, token := range []string{issuer.Token("read:orders"), issuer.Token("read:orders", authtest.Expired), issuer.Token("write:orders")} {
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
			_, _, _ = rpctest.Call(ctx, cc, method, "hello")
		}
	}
	cc.Close()
	server.GracefulStop()
	if err := <-done; err != nil {
		t.Error(err)
	}

	var want []string
	for _, method := range []string{rpctest.Unary, rpctest.Bidi} {
		on := "bearward.operation=" + method + " "
		want = append(want, "Unset:", "Unset: bearward.refusal bearward.claim=exp bearward.expected=a time to come "+on+"bearward.outcome=refused error.type=TOKEN_EXPIRED",
			"Unset: bearward.refusal "+on+"bearward.outcome=refused error.type=INSUFFICIENT_SCOPE")
	}
	for range 3 {
		want = append(want, "Unset: bearward.refusal bearward.outcome=refused error.type=NO_RULE")
	}
	got := byKind(b.spans.Ended(), trace.SpanKindServer)
	slices.Sort(got) // a span ends when its call does, which the next one does not wait for
	slices.Sort(want)
	same(t, "server spans", got, want)
	for _, line := range byKind(b.spans.Ended(), trace.SpanKindClient) {
		if strings.Contains(line, "bearward.") {
			t.Errorf("a client's span has %s", line)
		}
	}
}
