package interop_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	auth "github.com/bearward/bearward/middleware"
)

// A guarded is an API whose tokens are bound to their senders.
type guarded struct {
	adapter string
	base    string // what clients call
	log     *reasons
}

// startGuarded starts an API for each adapter.
func startGuarded(t *testing.T, config api.Config) []*guarded {
	t.Helper()
	var all []*guarded
	for _, adapter := range api.Adapters() {
		all = append(all, startOne(t, adapter, config))
	}
	return all
}

func startOne(t *testing.T, adapter string, config api.Config) *guarded {
	t.Helper()
	g := &guarded{adapter: adapter, log: new(reasons)}
	config.Adapter, config.Logger = adapter, slog.New(g.log)
	scheme := "http://"
	if config.TLS != nil {
		scheme = "https://"
	}
	g.base = scheme + startAPI(t, config).Addr()
	return g
}

// methods are what the API's operations are called over gRPC.
var methods = map[string]string{
	"GET /orders":  orderspb.Orders_ListOrders_FullMethodName, // needs read:orders
	"POST /orders": orderspb.Orders_PlaceOrder_FullMethodName, // needs write:orders
	"GET /me":      orderspb.Orders_WhoAmI_FullMethodName,     // needs a token
}

// ask has a client call an operation.
func (g *guarded) ask(t *testing.T, c *client, operation string) told {
	t.Helper()
	method, path, _ := strings.Cut(operation, " ")
	args := map[string]any{"method": method, "url": g.base + path}
	if method == http.MethodPost {
		args["body"] = `{"item":"tea","quantity":1}`
	}
	if g.adapter == "grpc" {
		args = map[string]any{"method": http.MethodPost, "url": g.base + methods[operation], "grpc": true}
	}
	return c.do(t, "call", args)
}

// steal sends the fields of a request again, by a client of our own, and returns HTTP's status.
// What is nil in config.Certificates is not shown.
func (g *guarded) steal(t *testing.T, s sent, config *tls.Config) int {
	t.Helper()
	if g.adapter == "grpc" {
		return g.stealOverGRPC(t, s, config)
	}
	r, err := http.NewRequestWithContext(t.Context(), s.Method, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range s.Headers {
		r.Header.Set(name, value)
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (g *guarded) stealOverGRPC(t *testing.T, s sent, config *tls.Config) int {
	t.Helper()
	transport := insecure.NewCredentials()
	if config != nil {
		transport = credentials.NewTLS(config.Clone())
	}
	conn, err := grpc.NewClient(strings.TrimPrefix(strings.TrimPrefix(g.base, "https://"), "http://"), grpc.WithTransportCredentials(transport))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fields := map[string]string{}
	for _, name := range []string{"authorization", "dpop"} {
		if value, ok := s.Headers[name]; ok {
			fields[name] = value
		}
	}
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.New(fields))
	err = conn.Invoke(ctx, strings.TrimPrefix(s.URL, g.base), &orderspb.WhoAmIRequest{}, new(orderspb.Answer))
	if code := status.Code(err); code != codes.OK && statusOf[code] == 0 {
		t.Fatal(err)
	}
	return statusOf[status.Code(err)]
}

// refuses reports an error unless the API has answered with a status, and logged a reason.
func (g *guarded) refuses(t *testing.T, what string, status, want int, reason auth.Reason) {
	t.Helper()
	if status != want {
		t.Errorf("%s: %s: %d, want %d", g.adapter, what, status, want)
		return
	}
	var logged string
	until(t, "a refusal is logged", func() bool { logged = g.log.take(); return logged != "" })
	if logged != string(reason) {
		t.Errorf("%s: %s: %s, want %s", g.adapter, what, logged, reason)
	}
}

// reasons keeps the reason of the last refusal that was logged.
type reasons struct {
	mu   sync.Mutex
	last string
}

func (r *reasons) Enabled(context.Context, slog.Level) bool { return true }
func (r *reasons) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *reasons) WithGroup(string) slog.Handler            { return r }

func (r *reasons) Handle(_ context.Context, record slog.Record) error {
	if record.Message != "request refused" {
		return nil
	}
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "reason" {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.last = a.Value.String()
		}
		return true
	})
	return nil
}

// take returns the last reason, and forgets it.
func (r *reasons) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.last
	r.last = ""
	return last
}
