package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/middleware/introspect"
)

// scrape returns the metrics of s.
func scrape(t *testing.T, s *api.Server) string {
	t.Helper()
	resp, err := http.Get("http://" + s.MetricsAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET /metrics: %s, %v", resp.Status, err)
	}
	return string(text)
}

// list asks for the orders over the transport of s.
func list(t *testing.T, s *api.Server, adapter, token string) {
	t.Helper()
	if adapter != "grpc" {
		get(t, s, "/orders", token)
		return
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	_, _ = orderspb.NewOrdersClient(dial(t, s)).ListOrders(ctx, &orderspb.ListOrdersRequest{}) // the metrics tell
}

func TestMetricsOfEveryAdapter(t *testing.T) {
	_, issuer, token := startIssuer(t)
	for _, adapter := range api.Adapters() {
		t.Run(adapter, func(t *testing.T) {
			s := start(t, api.Config{Adapter: adapter, Issuer: issuer, Metrics: "127.0.0.1:0"})
			until(t, s.Ready)
			orders, stats := "GET /orders", "GET /admin/stats"
			if adapter == "grpc" {
				orders, stats = orderspb.Orders_ListOrders_FullMethodName, orderspb.Orders_GetStats_FullMethodName
			}
			for range 2 {
				list(t, s, adapter, token)
			}
			list(t, s, adapter, "canary-of-a-token")
			text := scrape(t, s)
			for _, want := range []string{
				fmt.Sprintf("bearward_decisions_total{operation=%q,outcome=\"accepted\",reason=\"none\"} 2\n", orders),
				fmt.Sprintf("bearward_decisions_total{operation=%q,outcome=\"refused\",reason=\"TOKEN_MALFORMED\"} 1\n", orders),
				fmt.Sprintf("bearward_decisions_total{operation=%q,outcome=\"accepted\",reason=\"none\"} 0\n", stats), // declared
				`bearward_decision_duration_seconds_count{verification="remembered"} 1` + "\n",
				`bearward_jwks_state{issuer="main",state="fresh"} 1` + "\n",
				`bearward_jwks_max_stale_seconds{issuer="main"} 86400` + "\n",
				"go_goroutines ", "process_start_time_seconds ",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in\n%s", want, text)
				}
			}
			for _, secret := range []string{token, "canary", "alice", issuer} {
				if strings.Contains(text, secret) {
					t.Errorf("the metrics hold %q", secret)
				}
			}
		})
	}
}

func TestCallersDoNotReadTheMetrics(t *testing.T) {
	_, issuer, token := startIssuer(t)
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		s := start(t, api.Config{Adapter: adapter, Issuer: issuer, Metrics: "127.0.0.1:0"})
		for _, bearer := range []string{"", token} {
			if code, body := get(t, s, "/metrics", bearer); code != http.StatusNotFound && code != http.StatusForbidden || strings.Contains(body, "bearward_") {
				t.Errorf("%s: /metrics of the API: %d %s", adapter, code, body)
			}
		}
		resp, err := http.Get("http://" + s.MetricsAddr() + "/orders")
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: /orders of the metrics' listener: %s", adapter, resp.Status)
		}
	}
	if s := start(t, api.Config{Adapter: "chi", Issuer: issuer}); s.MetricsAddr() != "" {
		t.Errorf("metrics at %s, which nobody asked for", s.MetricsAddr())
	}
}

func TestMetricsNeedAnAddressOfTheirOwn(t *testing.T) {
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	addr := free()
	cfg := api.Config{Adapter: "chi", Issuer: "http://127.0.0.1:1", Audience: audience, Addr: addr, Metrics: addr}
	if s, err := api.Start(cfg); s != nil || err == nil || !strings.Contains(err.Error(), "Config.Metrics is Config.Addr") {
		t.Errorf("the same address: got %v", err)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg.Metrics = taken.Addr().String()
	if s, err := api.Start(cfg); s != nil || !errors.Is(err, api.ErrListen) || !strings.Contains(err.Error(), "Config.Metrics") {
		t.Errorf("a taken address: got %v", err)
	}

	cfg.Addr, cfg.Metrics = taken.Addr().String(), free()
	if s, err := api.Start(cfg); s != nil || !errors.Is(err, api.ErrListen) {
		t.Errorf("a taken Addr: got %v", err)
	}
	if conn, err := net.Dial("tcp", cfg.Metrics); err == nil {
		conn.Close()
		t.Error("an API that did not start serves metrics")
	}
}

func TestShutdownEndsTheMetrics(t *testing.T) {
	s, err := api.Start(api.Config{Adapter: "nethttp", Issuer: "http://127.0.0.1:1", Audience: audience, Addr: "127.0.0.1:0", Metrics: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", s.MetricsAddr()); err == nil {
		conn.Close()
		t.Error("the metrics are still served")
	}
}

// What introspection asks is measured, and nothing of a token is in it.
func TestMetricsOfIntrospection(t *testing.T) {
	_, issuer, jwt := startIssuer(t)
	asked := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"active":%t,"aud":"https://orders.example","sub":"alice","client_id":"app","scope":"read:orders"}`, r.PostFormValue("token") == "canary-of-a-good-token")
	}))
	asked.Start()
	defer asked.Close()
	for _, adapter := range api.Adapters() {
		t.Run(adapter, func(t *testing.T) {
			s := start(t, api.Config{
				Adapter: adapter, Issuer: issuer, Metrics: "127.0.0.1:0",
				Introspection: api.Introspection{Endpoint: asked.URL, Client: introspect.NoClientAuth()},
			})
			until(t, s.Ready)
			for _, token := range []string{"canary-of-a-good-token", "canary-of-a-good-token", "canary-of-another", jwt, jwt} {
				list(t, s, adapter, token)
			}
			text := scrape(t, s)
			for _, want := range []string{
				`bearward_introspection_calls_total{issuer="main",outcome="inactive",renewal="false"} 1` + "\n",
				`bearward_introspection_calls_total{issuer="main",outcome="active",renewal="false"} 1` + "\n",
				`bearward_introspection_call_duration_seconds_count{issuer="main",outcome="active"} 1` + "\n",
				`bearward_decision_duration_seconds_count{verification="remembered"} 1` + "\n", // the JWT
			} {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in\n%s", want, text)
				}
			}
			for _, secret := range []string{"canary", jwt, "alice"} {
				if strings.Contains(text, secret) {
					t.Errorf("the metrics hold %q", secret)
				}
			}
		})
	}
}
