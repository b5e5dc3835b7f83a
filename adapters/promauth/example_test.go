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
	"github.com/bearward/bearward/middleware/introspect"
)

// An API, and its metrics on a listener that only operators reach.
func Example() {
	registry := prometheus.NewRegistry()
	issuer, audience := "https://issuer.example", "https://api.example"
	// region: metrics
	metrics, err := promauth.New(registry, nil)
	if err != nil {
		log.Fatal(err)
	}
	keys := &jwks.Options{OnRefresh: metrics.OnRefresh}
	guard, err := auth.New(issuer, audience, &auth.GuardOptions{OnDecision: metrics.OnDecision, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	metrics.Watch(guard)
	// endregion
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
		if strings.Contains(line, "CREDENTIALS_MISSING") && strings.Contains(line, "/orders") || strings.HasPrefix(line, "bearward_jwks_keys{") {
			fmt.Print(line)
		}
	}
	// Output:
	// bearward_decisions_total{operation="GET /orders",outcome="refused",reason="CREDENTIALS_MISSING"} 1
	// bearward_jwks_keys{issuer="https://issuer.example"} 0
}

// A hook that logs refusals and counts all decisions.
func ExampleMetrics_OnDecision() {
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	guard, err := auth.NewGuard(nobody{}, &auth.GuardOptions{OnDecision: auth.Hooks(auth.LogRefusals(logger), metrics.OnDecision)})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = guard.Authorize(context.Background(), auth.Credentials{Operation: "GET /orders"}, auth.Scopes("read:orders"))
	// Output:
	// level=INFO msg="request refused" operation="GET /orders" status=401 reason=CREDENTIALS_MISSING detail="no Authorization header"
}

// A hook that logs fetches of the keys and counts them.
func ExampleMetrics_OnRefresh() {
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	opts := jwks.Options{OnRefresh: jwks.Hooks(jwks.LogRefreshes(logger), metrics.OnRefresh)}
	opts.OnRefresh(jwks.RefreshEvent{Source: "https://issuer.example", Trigger: jwks.TriggerClock, Keys: 2, Err: errors.New("status 503")})
	// Output:
	// level=ERROR msg="keys not refreshed: those cached stay in use" refresh.trigger=clock refresh.url="" refresh.keys=2 refresh.elapsed=0s refresh.next=0s refresh.error="status 503"
}

// Opaque tokens: how the issuer answers about them.
func ExampleMetrics_OnCall() {
	registry := prometheus.NewRegistry()
	metrics, err := promauth.New(registry, nil)
	if err != nil {
		log.Fatal(err)
	}
	client := introspect.Basic("orders-api", introspect.FixedSecret("secret"))
	tokens, err := introspect.New("http://127.0.0.1:1/introspect", client, introspect.Config{
		Claims: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example"}},
		OnCall: metrics.OnCall, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	_, _ = tokens.VerifyToken(context.Background(), "2YotnFZFEjr1zCsicMWpAA") // nobody listens there

	families, err := registry.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetCounter().GetValue() == 1 {
				fmt.Println(f.GetName(), m.GetLabel()[1].GetValue(), err)
			}
		}
	}
	// Output:
	// bearward_introspection_calls_total unavailable <nil>
}

// The same, under a name of one's own.
func ExampleIssuer_OnCall() {
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	if err != nil {
		log.Fatal(err)
	}
	measured, err := metrics.Issuer("main")
	fmt.Println(introspect.Config{OnCall: measured.OnCall}.OnCall != nil, err)
	// Output: true <nil>
}

// A name of one's own for the keys of an issuer, here with a key cache of one's own.
func ExampleIssuer_OnRefresh() {
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	if err != nil {
		log.Fatal(err)
	}
	measured, err := metrics.Issuer("main")
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwks.New("https://issuer.example/keys", &jwks.Options{OnRefresh: measured.OnRefresh})
	fmt.Println(err, keys.Close())
	// Output:
	// <nil> <nil>
}

// Two guards that are told apart in one registry.
func ExampleNew() {
	registry := prometheus.NewRegistry()
	for _, listener := range []string{"public", "internal"} {
		metrics, err := promauth.New(prometheus.WrapRegistererWith(prometheus.Labels{"listener": listener}, registry), nil)
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
