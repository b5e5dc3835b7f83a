//go:build unix

package soak_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/adapters/mcpauth"
	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/mtls"
)

const (
	origin        = "https://soak.example"
	refresh       = time.Second // of keys
	opaqueAge     = 2 * time.Second
	proofAge      = 2 * time.Second
	proofLeeway   = time.Second
	replayTimeout = time.Second // a loaded machine is slow, too
)

// A front is one adapter of a replica.
type front struct {
	name    string
	url     string // "" for gRPC
	path    string // of what is called
	body    string
	checked bool // it asks Redis about revocation
}

// A replica is an API behind every adapter, with two Guards over one Issuers and one Introspector:
// one asks Redis which tokens are revoked, the other does not.
type replica struct {
	fronts  []front
	issuers *auth.Issuers
	guest   *jwks.Cache

	plain, shown *http.Client // without a client certificate, and with one
	grpc         map[bool]*grpc.ClientConn
	closes       []func()
}

func (w *world) newReplica(ca *authtest.CA, quiet *slog.Logger) *replica {
	t := w.t
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r := &replica{grpc: map[bool]*grpc.ClientConn{}}
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	must(err)
	var verifiers []*auth.Verifier
	for _, n := range w.tenants[:len(w.tenants)-1] {
		keys, v := verifierOf(t, n, metrics, quiet)
		verifiers = append(verifiers, v)
		r.closes = append(r.closes, func() { _ = keys.Close() })
	}
	r.issuers, err = auth.NewIssuers(verifiers...)
	must(err)
	asked, err := introspect.New(w.opaque.url, introspect.Basic("soak", introspect.FixedSecret("a secret")), introspect.Config{
		Claims: auth.Config{Issuer: opaqueIssuer, Audiences: []string{audience}}, MaxAge: opaqueAge, Logger: quiet, OnCall: metrics.OnCall,
	})
	must(err)
	r.closes = append(r.closes, func() { _ = asked.Close() })
	tokens, err := auth.NewForms(r.issuers, asked)
	must(err)
	store := w.redis.store(quiet)
	r.closes = append(r.closes, func() { _ = store.Close() })
	bound, err := dpop.New([]string{origin}, store, &dpop.Options{MaxAge: proofAge, Leeway: proofLeeway, ReplayTimeout: replayTimeout})
	must(err)
	certificates, err := mtls.New(&mtls.Options{Logger: quiet})
	must(err)
	guard := func(revoked func(context.Context, *auth.Principal) (bool, error)) *auth.Guard {
		g, err := auth.NewGuard(tokens, &auth.GuardOptions{
			OnDecision: metrics.OnDecision, Bindings: []auth.Binding{bound, certificates}, Revoked: revoked,
		})
		must(err)
		return g
	}
	r.serve(w, ca, guard(store.Revoked), guard(nil))
	return r
}

func verifierOf(t *testing.T, n *tenant, metrics *promauth.Metrics, quiet *slog.Logger) (*jwks.Cache, *auth.Verifier) {
	opts := &jwks.Options{RefreshEvery: refresh, Cooldown: time.Second, Timeout: time.Second, Logger: quiet}
	if metrics != nil {
		opts.OnRefresh = metrics.OnRefresh
	}
	keys, err := jwks.FromIssuer(n.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.NewVerifier(keys, auth.Config{Issuer: n.URL, Audiences: []string{audience}})
	if err != nil {
		t.Fatal(err)
	}
	return keys, v
}

// admit has the replica trust n.
func (r *replica) admit(t *testing.T, n *tenant) {
	keys, v := verifierOf(t, n, nil, slog.New(slog.DiscardHandler))
	if err := r.issuers.Add(v); err != nil {
		t.Error(err)
	}
	r.guest = keys
}

// dismiss has the replica trust n no longer.
func (r *replica) dismiss(t *testing.T, n *tenant) {
	if r.issuers.Remove(n.URL) == nil {
		t.Errorf("%s was not trusted", n.URL)
	}
	_ = r.guest.Close()
	r.guest = nil
}

func done(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.PrincipalFrom(r.Context())
	_, _ = fmt.Fprintf(w, "orders of %s\n", caller.Subject())
}

// serve starts a server for each adapter.
func (r *replica) serve(w *world, ca *authtest.CA, checked, unchecked *auth.Guard) {
	orders, live := auth.Scopes("read:orders"), w.live.Rules()["GET /live"]

	mux := httpauth.NewMux(checked)
	mux.HandleFunc("GET /orders", orders, done)
	mux.HandleFunc("GET /live", live, done)
	r.listen(w, ca, "net/http", true, mux)

	plain := chi.NewRouter()
	router := chiauth.NewRouter(unchecked, plain)
	router.Get("/orders", orders, done)
	router.Get("/live", live, done)
	r.listen(w, ca, "chi", false, plain)

	e := echo.New()
	routes := echoauth.NewRouter(checked, e)
	routes.GET("/orders", orders, echo.WrapHandler(http.HandlerFunc(done)))
	routes.GET("/live", live, echo.WrapHandler(http.HandlerFunc(done)))
	r.listen(w, ca, "Echo", true, e)

	server := mcp.NewServer(&mcp.Implementation{Name: "soak", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "list_orders"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{}, nil, nil
	})
	rules := mcpauth.Protocol()
	rules["tools/call list_orders"] = orders
	r.listen(w, ca, "MCP", false, mcpauth.Guard(server, unchecked, rules, &mcpauth.Options{HTTP: &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}}))
	tools := &r.fronts[len(r.fronts)-1]
	tools.path, tools.body = "/", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_orders","arguments":{}}}`

	r.listenGRPC(w, ca, unchecked, auth.Rules{orderspb.Orders_ListOrders_FullMethodName: orders})
}

// listen starts a server over TLS that asks for client certificates and requires none.
func (r *replica) listen(w *world, ca *authtest.CA, name string, checked bool, h http.Handler) {
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnContext = auth.ConnContext
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLS = serverTLS(ca)
	s.StartTLS()
	r.closes = append([]func(){s.Close}, r.closes...)
	if r.plain == nil {
		r.plain, r.shown = clientOf(ca), clientOf(ca, w.certificate.TLS())
	}
	r.fronts = append(r.fronts, front{name: name, url: s.URL, path: "/orders", checked: checked})
}

func serverTLS(ca *authtest.CA) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{ca.Certificate("127.0.0.1").TLS()}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
}

func clientTLS(ca *authtest.CA, shown ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: ca.Pool(), Certificates: shown, MinVersion: tls.VersionTLS13}
}

func clientOf(ca *authtest.CA, shown ...tls.Certificate) *http.Client {
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: clientTLS(ca, shown...), MaxIdleConnsPerHost: 64},
		Timeout:   20 * time.Second,
	}
}

func (r *replica) listenGRPC(w *world, ca *authtest.CA, guard *auth.Guard, rules auth.Rules) {
	server := grpc.NewServer(append(grpcauth.ServerOptions(guard, rules), grpc.Creds(credentials.NewTLS(serverTLS(ca))))...)
	orderspb.RegisterOrdersServer(server, service{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	for _, shown := range []bool{false, true} {
		config := clientTLS(ca)
		if shown {
			config = clientTLS(ca, w.certificate.TLS())
		}
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			w.t.Fatal(err)
		}
		r.grpc[shown] = conn
	}
	r.closes = append([]func(){func() {
		_ = r.grpc[false].Close()
		_ = r.grpc[true].Close()
		server.Stop()
	}}, r.closes...)
	r.fronts = append(r.fronts, front{name: "gRPC", path: orderspb.Orders_ListOrders_FullMethodName})
}

type service struct {
	orderspb.UnimplementedOrdersServer
}

func (service) ListOrders(context.Context, *orderspb.ListOrdersRequest) (*orderspb.Answer, error) {
	return &orderspb.Answer{}, nil
}

func (r *replica) close() {
	r.plain.CloseIdleConnections()
	r.shown.CloseIdleConnections()
	for _, c := range r.closes {
		c()
	}
	if r.guest != nil {
		_ = r.guest.Close()
	}
}
