package promauth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// An API, and its metrics on a listener that only operators reach.
func Example() {
	registry := prometheus.NewRegistry()
	metrics, err := promauth.New(registry, nil)
	if err != nil {
		log.Fatal(err)
	}
	measured, err := metrics.Issuer("main")
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwks.FromIssuer("https://issuer.example", &jwks.Options{OnRefresh: measured.OnRefresh})
	if err != nil {
		log.Fatal(err)
	}
	if err := measured.Watch(keys); err != nil {
		log.Fatal(err)
	}
	config := auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example"}}
	guard, err := auth.NewWithKeys(keys, config, &auth.GuardOptions{OnDecision: metrics.OnDecision})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()

	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), http.NotFound)
	if err := metrics.Declare(mux.Rules()); err != nil {
		log.Fatal(err)
	}
	operators := http.NewServeMux() // for a listener of its own
	operators.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/orders", nil)) // without a token
	scrape := httptest.NewRecorder()
	operators.ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(scrape.Body.String()) {
		if strings.Contains(line, "CREDENTIALS_MISSING") && strings.Contains(line, "/orders") {
			fmt.Print(line)
		}
	}
	// Output:
	// bearward_decisions_total{operation="GET /orders",outcome="refused",reason="CREDENTIALS_MISSING"} 1
}

// A hook that logs refusals and counts all decisions.
func ExampleMetrics_OnDecision() {
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	if err != nil {
		log.Fatal(err)
	}
	logged := auth.LogRefusals(slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
	guard, err := auth.NewGuard(nobody{}, &auth.GuardOptions{OnDecision: func(ctx context.Context, d auth.Decision) {
		logged(ctx, d)
		metrics.OnDecision(ctx, d)
	}})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = guard.Authorize(context.Background(), auth.Credentials{Operation: "GET /orders"}, auth.Scopes("read:orders"))
	// Output:
	// level=INFO msg="request refused" operation="GET /orders" status=401 reason=CREDENTIALS_MISSING
}

// A hook that logs fetches of the keys and counts them.
func ExampleIssuer_OnRefresh() {
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	if err != nil {
		log.Fatal(err)
	}
	measured, err := metrics.Issuer("main")
	if err != nil {
		log.Fatal(err)
	}
	logged := jwks.LogRefreshes(slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
	opts := jwks.Options{OnRefresh: func(e jwks.RefreshEvent) {
		logged(e)
		measured.OnRefresh(e)
	}}
	opts.OnRefresh(jwks.RefreshEvent{Trigger: jwks.TriggerClock, Keys: 2, Err: errors.New("status 503")})
	// Output:
	// level=ERROR msg="keys not refreshed: those held stay in use" refresh.trigger=clock refresh.url="" refresh.keys=2 refresh.elapsed=0s refresh.next=0s refresh.error="status 503"
}

// Two guards that are told apart in one registry.
func ExampleNew() {
	registry := prometheus.NewRegistry()
	for _, door := range []string{"public", "internal"} {
		metrics, err := promauth.New(prometheus.WrapRegistererWith(prometheus.Labels{"door": door}, registry), nil)
		if err != nil {
			log.Fatal(err)
		}
		_ = must(auth.NewGuard(nobody{}, &auth.GuardOptions{OnDecision: metrics.OnDecision}))
	}
	_, err := promauth.New(nil, nil)
	fmt.Println(err)
	// Output:
	// promauth: New needs a Registerer
}

func ExampleMetrics_Declare() {
	metrics, err := promauth.New(prometheus.NewRegistry(), &promauth.Options{MaxOperations: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(metrics.Declare(auth.Rules{
		"GET /healthz": auth.Public(), // is never judged
		"GET /orders":  auth.Scopes("read:orders"),
		"POST /orders": auth.Scopes("write:orders"),
	}))
	// Output:
	// promauth: Declare: over Options.MaxOperations (1), or no label, and counted as "other": ["POST /orders"]
}

func ExampleMetrics_Issuer() {
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"staff", "partners", "staff"} {
		_, err := metrics.Issuer(name)
		fmt.Println(name, err)
	}
	// Output:
	// staff <nil>
	// partners <nil>
	// staff promauth: Issuer: the name "staff" is taken
}

func ExampleIssuer_Watch() {
	registry := prometheus.NewRegistry()
	metrics, err := promauth.New(registry, nil)
	if err != nil {
		log.Fatal(err)
	}
	measured, err := metrics.Issuer("main")
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwks.New("https://issuer.example/keys", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	if err := measured.Watch(keys); err != nil {
		log.Fatal(err)
	}
	families, err := registry.Gather()
	for _, f := range families {
		if f.GetName() == "bearward_jwks_max_stale_seconds" {
			fmt.Println(f.GetMetric()[0].GetGauge().GetValue(), err)
		}
	}
	// Output:
	// 86400 <nil>
}

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignatureInvalid}
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
