package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/client"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
)

const audience = "https://orders.test"

// startIssuer serves an authorization server and returns a token of it.
func startIssuer(t *testing.T) (as *authserver.Server, issuer, token string) {
	t.Helper()
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { as.ServeHTTP(w, r) }))
	t.Cleanup(ts.Close)
	as, err := authserver.New(authserver.Config{
		Issuer: ts.URL, Audiences: []string{audience},
		Scopes: []authserver.Scope{{Name: "read:orders", Meaning: "See the orders"}},
		Users:  []authserver.User{{Name: "alice", Password: "wonderland"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { as.Close() })
	md, err := client.Discover(t.Context(), http.DefaultClient, ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	app, err := client.Register(t.Context(), http.DefaultClient, md, client.Registration{
		Name: "Test", RedirectURIs: []string{"http://localhost:9/callback"}, Scope: "read:orders",
	}, audience)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := app.LogIn(t.Context(), client.Person{Name: "alice", Password: "wonderland"}, "read:orders")
	if err != nil {
		t.Fatal(err)
	}
	return as, ts.URL, tok.AccessToken
}

func start(t *testing.T, cfg api.Config) *api.Server {
	t.Helper()
	cfg.Addr, cfg.Audience = "127.0.0.1:0", audience
	s, err := api.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s) })
	return s
}

func shutdown(t *testing.T, s *api.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// until polls ask until it returns nil, for ten seconds at most.
func until(t *testing.T, ask func() error) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func get(t *testing.T, s *api.Server, path, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestStartsWhileTheIssuerIsDown(t *testing.T) {
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		t.Run(adapter, func(t *testing.T) {
			as, issuer, token := startIssuer(t)
			as.SetDown(true)
			s := start(t, api.Config{Adapter: adapter, Issuer: issuer})
			for path, want := range map[string]int{"/healthz": 200, "/public/ping": 200, "/readyz": 503, "/orders": 503, "/nowhere": 404} {
				if code, body := get(t, s, path, token); code != want {
					t.Errorf("down: %s: %d %s, want %d", path, code, body, want)
				}
			}
			as.SetDown(false)
			until(t, func() error {
				if code, body := get(t, s, "/readyz", ""); code != 200 {
					return fmt.Errorf("/readyz: %d %s", code, body)
				}
				return nil
			})
			if code, body := get(t, s, "/orders", token); code != 200 || !strings.Contains(body, `"sub":"alice","scope":"read:orders"`) {
				t.Errorf("up: %d %s", code, body)
			}
		})
	}
}

// log is a slog sink that tests can read while servers write.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestRefusalsAreLoggedWithoutTokens(t *testing.T) {
	_, issuer, token := startIssuer(t)
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		sink := &log{}
		s := start(t, api.Config{
			Adapter: adapter, Issuer: issuer,
			Logger: slog.New(slog.NewTextHandler(sink, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		until(t, s.Ready)
		get(t, s, "/admin/stats", token)
		get(t, s, "/orders", "canary-of-a-token")
		out := sink.String()
		for _, want := range []string{`operation="GET /admin/stats"`, `operation="GET /orders"`, "status=403", "status=401"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: the log has no %s:\n%s", adapter, want, out)
			}
		}
		if strings.Contains(out, token) || strings.Contains(out, "canary") {
			t.Errorf("%s: the log holds a token:\n%s", adapter, out)
		}
	}
}

func dial(t *testing.T, s *api.Server) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestHealthTellsReadiness(t *testing.T) {
	as, issuer, _ := startIssuer(t)
	as.SetDown(true)
	s := start(t, api.Config{Adapter: "grpc", Issuer: issuer})
	health := healthpb.NewHealthClient(dial(t, s))
	serving := func(service string, want healthpb.HealthCheckResponse_ServingStatus) error {
		resp, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err == nil && resp.Status != want {
			err = fmt.Errorf("health of %q is %s, want %s", service, resp.Status, want)
		}
		return err
	}
	const service = "bearward.orders.v1.Orders"
	if err := errors.Join(serving("", healthpb.HealthCheckResponse_SERVING), serving(service, healthpb.HealthCheckResponse_NOT_SERVING)); err != nil {
		t.Error(err)
	}
	as.SetDown(false)
	until(t, func() error { return serving(service, healthpb.HealthCheckResponse_SERVING) })
}

func TestGuardedHealthNeedsItsScope(t *testing.T) {
	_, issuer, token := startIssuer(t)
	s := start(t, api.Config{Adapter: "grpc", Issuer: issuer, GuardHealth: true})
	until(t, s.Ready)
	health := healthpb.NewHealthClient(dial(t, s))
	_, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{})
	if code := status.Code(err); code != codes.Unauthenticated {
		t.Errorf("Check without token: %s", code)
	}
	stream, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if code := status.Code(err); code != codes.Unauthenticated {
		t.Errorf("Watch without token: %s", code)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	if _, err := health.Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("Check with token: %v", err)
	}
}

func TestShutdownCutsOffAStreamThatDoesNotEnd(t *testing.T) {
	_, issuer, token := startIssuer(t)
	cfg := api.Config{Adapter: "grpc", Issuer: issuer, Addr: "127.0.0.1:0", Audience: audience}
	s, err := api.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	until(t, s.Ready)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	stream, err := orderspb.NewOrdersClient(dial(t, s)).WatchOrders(ctx, &orderspb.WatchOrdersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(stop); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want the deadline", err)
	}
	if err := s.Shutdown(stop); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second Shutdown: %v, want the same", err)
	}
}
