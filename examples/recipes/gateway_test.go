package recipes

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/bearward/bearward/examples/recipes/internal/orderspb"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// pbOrders are the orders over gRPC.
type pbOrders struct {
	orderspb.UnimplementedOrdersServer
}

func (pbOrders) ListOrders(ctx context.Context, _ *orderspb.ListOrdersRequest) (*orderspb.ListOrdersAnswer, error) {
	caller, _ := auth.PrincipalFrom(ctx)
	return &orderspb.ListOrdersAnswer{Of: caller.Subject()}, nil
}

// WatchOrders sends an answer and waits for the caller to go, or for its token to end.
func (pbOrders) WatchOrders(_ *orderspb.ListOrdersRequest, stream grpc.ServerStreamingServer[orderspb.ListOrdersAnswer]) error {
	caller, _ := auth.PrincipalFrom(stream.Context())
	if err := stream.Send(&orderspb.ListOrdersAnswer{Of: caller.Subject()}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// serveOrders serves gRPC until the test ends, and returns its address.
func serveOrders(t *testing.T, guard *auth.Guard) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := newOrders(guard, pbOrders{}), make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ended by Stop
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return l.Addr().String()
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestGateway(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	h, err := newGateway(t.Context(), dial(t, serveOrders(t, guard)))
	if err != nil {
		t.Fatal(err)
	}
	good := "Bearer " + issuer.Token("read:orders", authtest.Claims{"sub": "alice"})
	for _, c := range []struct {
		name          string
		authorization []string
		fields        http.Header
		status        int
		challenge     string
	}{
		{"a good token", []string{good}, nil, 200, ""},
		{"no token", nil, nil, 401, `Bearer realm="api"`},
		{"an expired token", []string{"Bearer " + issuer.Token("read:orders", authtest.Expired)}, nil, 401, `Bearer realm="api", error="invalid_token"`},
		{"another scope", []string{"Bearer " + issuer.Token("write:orders")}, nil, 403, `Bearer realm="api", error="insufficient_scope"`},
		{"two tokens", []string{good, good}, nil, 400, `Bearer realm="api", error="invalid_request"`},
		{"one as metadata, which counts for nothing", nil, http.Header{"Grpc-Metadata-Authorization": {good}}, 401, `Bearer realm="api"`},
		{"a second one as metadata", []string{good}, http.Header{"Grpc-Metadata-Authorization": {"Bearer x"}}, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := get(t, "http://"+serve(t, h)+"/v1/orders", c.authorization, c.fields)
			challenges := got.header["Www-Authenticate"]
			if got.status != c.status || (len(challenges) != 1) != (c.challenge == "") || !strings.HasPrefix(got.header.Get("Www-Authenticate"), c.challenge) {
				t.Errorf("got %d %q, want %d %q\n%s", got.status, challenges, c.status, c.challenge, got.body)
			}
			if c.status == 200 && got.body != `{"of":"alice"}` {
				t.Errorf("got %s", got.body)
			}
		})
	}
	t.Run("keys are not available", func(t *testing.T) {
		down := authtest.NewIssuer(t, nil)
		down.Fail(503)
		h, err := newGateway(t.Context(), dial(t, serveOrders(t, down.Guard(nil))))
		if err != nil {
			t.Fatal(err)
		}
		got := get(t, "http://"+serve(t, h)+"/v1/orders", []string{"Bearer " + down.Token("read:orders")}, nil)
		if got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get("Www-Authenticate") != "" {
			t.Errorf("got %d %v, want 503 and Retry-After", got.status, got.header)
		}
	})
}

func TestGatewayIsGuarded(t *testing.T) {
	rules := auth.Rules{"GET /v1/orders": auth.Scopes("read:orders")}
	t.Run("to a guarded server", func(t *testing.T) {
		issuer, guard := newGuard(t, nil)
		h, err := newGateway(t.Context(), dial(t, serveOrders(t, guard)))
		if err != nil {
			t.Fatal(err)
		}
		authtest.AssertGuarded(t, issuer, h, rules, nil)
	})
	t.Run("in the process, behind a guarded mux", func(t *testing.T) {
		issuer, guard := newGuard(t, nil)
		h, err := newGatewayInProcess(t.Context(), guard, pbOrders{})
		if err != nil {
			t.Fatal(err)
		}
		authtest.AssertGuarded(t, issuer, h, rules, nil)
		got := get(t, "http://"+serve(t, h)+"/v1/orders", []string{"Bearer " + issuer.Token("read:orders", authtest.Claims{"sub": "alice"})}, nil)
		if got.status != 200 || got.body != `{"of":"alice"}` {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

// A client proves possession for the URL that it calls, which is the gateway's.
func TestGatewayWithDPoP(t *testing.T) {
	const origin = "https://api.example"
	proofs, err := dpop.New([]string{origin}, dpop.NewMemory(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer, guard := newGuard(t, &auth.GuardOptions{Bindings: []auth.Binding{proofs}, RequireBound: true})
	client := authtest.NewProver(t, auth.ES256)
	token := issuer.Token("read:orders", client.Confirmation(), authtest.Claims{"sub": "alice"})
	ask := func(t *testing.T, h http.Handler, proof string) *answer {
		return get(t, "http://"+serve(t, h)+"/v1/orders?page=2", []string{"DPoP " + token}, http.Header{"Dpop": {proof}})
	}
	good := func() string { return client.Proof("GET", origin+"/v1/orders", token) }

	h, err := newGatewayInProcess(t.Context(), guard, pbOrders{})
	if err != nil {
		t.Fatal(err)
	}
	used := good()
	for _, c := range []struct {
		name, proof string
		status      int
	}{
		{"a proof for the URL", used, 200},
		{"the same proof", used, 401},
		{"a proof for the gRPC method", client.Proof("POST", origin+"/bearward.recipes.v1.Orders/ListOrders", token), 401},
		{"another client's proof", authtest.NewProver(t, auth.ES256).Proof("GET", origin+"/v1/orders", token), 401},
	} {
		got := ask(t, h, c.proof)
		if got.status != c.status || got.status == 200 && got.body != `{"of":"alice"}` || got.status == 401 && !strings.HasPrefix(got.header.Get("Www-Authenticate"), "DPoP ") {
			t.Errorf("%s: %d %q %s, want %d", c.name, got.status, got.header["Www-Authenticate"], got.body, c.status)
		}
	}
	t.Run("trap: to a guarded server", func(t *testing.T) {
		h, err := newGateway(t.Context(), dial(t, serveOrders(t, guard)))
		if err != nil {
			t.Fatal(err)
		}
		if got := ask(t, h, good()); got.status != 401 {
			t.Errorf("got %d: the trap is gone", got.status)
		}
	})
}

// TestGatewayTraps shows what the recipe is for.
func TestGatewayTraps(t *testing.T) {
	_, guard := newGuard(t, nil)
	t.Run("in the process, no interceptor runs", func(t *testing.T) {
		server := newOrders(guard, pbOrders{}) // guarded, and not asked
		defer server.Stop()
		mux := runtime.NewServeMux()
		if err := orderspb.RegisterOrdersHandlerServer(t.Context(), mux, pbOrders{}); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if mux.ServeHTTP(w, httptest.NewRequest("GET", "/v1/orders", nil)); w.Code != 200 {
			t.Errorf("got %d: the trap is gone", w.Code)
		}
	})
	t.Run("in the process, a posted form is served by another method", func(t *testing.T) {
		for _, c := range []struct {
			options []runtime.ServeMuxOption
			name    string // of a method, in the header
			want    int
		}{
			{nil, "GET", 200},
			{nil, "", 200},
			{[]runtime.ServeMuxOption{runtime.WithDisableHTTPMethodOverride()}, "", 200},
			{[]runtime.ServeMuxOption{runtime.WithDisableHTTPMethodOverride(), runtime.WithDisablePathLengthFallback()}, "", 501},
			{[]runtime.ServeMuxOption{runtime.WithDisableHTTPMethodOverride(), runtime.WithDisablePathLengthFallback()}, "GET", 501},
		} {
			mux := runtime.NewServeMux(c.options...)
			if err := orderspb.RegisterOrdersHandlerServer(t.Context(), mux, pbOrders{}); err != nil {
				t.Fatal(err)
			}
			w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/v1/orders", nil)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if c.name != "" {
				r.Header.Set("X-HTTP-Method-Override", c.name)
			}
			if mux.ServeHTTP(w, r); w.Code != c.want {
				t.Errorf("with %d options and the header %q: got %d, want %d", len(c.options), c.name, w.Code, c.want)
			}
		}
	})
	t.Run("the gateway's own error handler has no challenge", func(t *testing.T) {
		mux := runtime.NewServeMux()
		if err := orderspb.RegisterOrdersHandler(t.Context(), mux, dial(t, serveOrders(t, guard))); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/v1/orders", nil))
		if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || strings.HasPrefix(got, "Bearer") {
			t.Errorf("got %d %q: the trap is gone", w.Code, got)
		}
	})
}
