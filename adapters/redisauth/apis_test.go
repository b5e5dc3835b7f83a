//go:build unix

package redisauth_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/adapters/redisauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// The APIs of the matrix: one Guard, whose store is a redis-server of the test, behind a server of
// each adapter.

// A reply is what a caller sees, in HTTP's terms.
type reply struct {
	status     int
	code       string // of the problem document, or the ErrorInfo's reason
	retry      int    // seconds that Retry-After or the RetryInfo say; 0: neither is there
	challenges []string
}

// An ask calls the operation of one adapter with these fields, which are metadata in gRPC.
type ask func(t *testing.T, fields map[string]string) reply

// apis is one Guard over every adapter.
type apis struct {
	redis  *redisServer
	store  *redisauth.Store
	issuer *authtest.Issuer
	prover *authtest.Prover
	bound  string // a token for the prover's key
	plain  string
	asks   map[string]ask             // by the name that the conformance page counts
	last   atomic.Pointer[auth.Error] // why the last request was refused
	ran    atomic.Int64               // times that a handler ran
	used   map[string][]string        // accepted proofs, by name
	lost   map[string][]string        // proofs that were answered with 503, by name
}

const requires = "read:orders"

// newAPIs serves them. Without a leeway in proofs there is none.
func newAPIs(t *testing.T, redis *redisServer, opts redisauth.Options, proofs dpop.Options) *apis {
	t.Helper()
	a := &apis{redis: redis, store: newStore(t, redis.addr, &opts), issuer: authtest.NewIssuer(t, nil), prover: authtest.NewProver(t, auth.ES256),
		used: make(map[string][]string), lost: make(map[string][]string)}
	a.bound, a.plain = a.issuer.Token(requires, a.prover.Confirmation()), a.issuer.Token(requires)
	proofs.ReplayTimeout = time.Second
	if proofs.Leeway == 0 {
		proofs.Leeway = -1
	}
	binding, err := dpop.New([]string{origin}, a.store, &proofs)
	if err != nil {
		t.Fatal(err)
	}
	a.serve(t, &auth.GuardOptions{Bindings: []auth.Binding{binding}})
	return a
}

// serve opens a server of each adapter.
func (a *apis) serve(t *testing.T, opts *auth.GuardOptions) {
	t.Helper()
	opts.OnDecision = func(_ context.Context, d auth.Decision) { a.last.Store(d.Err) }
	guard, need := a.issuer.Guard(opts), auth.Scopes(requires)
	orders := func(w http.ResponseWriter, _ *http.Request) { a.ran.Add(1); _, _ = io.WriteString(w, "orders") }
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", need, orders)
	router := chi.NewRouter()
	chiauth.NewRouter(guard, router).Get("/orders", need, orders)
	e := echo.New()
	e.GET("/orders", echo.WrapHandler(http.HandlerFunc(orders)), echoauth.Enforce(guard, need))
	a.asks = map[string]ask{"nethttp": overHTTP(t, mux), "chi": overHTTP(t, router), "echo": overHTTP(t, e)}
	talk := &rpctest.Talk{
		OnUnary:  func(_ context.Context, m *rpctest.Message) (*rpctest.Message, error) { a.ran.Add(1); return m, nil },
		OnStream: func(ss grpc.ServerStream) error { a.ran.Add(1); return ss.SendMsg(new(rpctest.Message)) },
	}
	rules := auth.Rules{}
	for _, method := range rpctest.Methods {
		rules[method] = need
	}
	server := grpc.NewServer(grpcauth.ServerOptions(guard, rules)...)
	rpctest.Register(server, talk)
	conn := dialGRPC(t, server)
	for _, method := range rpctest.Methods {
		a.asks[nameOf(method)] = overGRPC(conn, method)
	}
}

func nameOf(method string) string {
	return "grpc-" + strings.ToLower(method[strings.LastIndexByte(method, '/')+1:])
}

func overHTTP(t *testing.T, h http.Handler) ask {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return func(t *testing.T, fields map[string]string) reply {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			r.Header.Set(name, value)
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got := reply{status: resp.StatusCode, challenges: resp.Header["Www-Authenticate"]}
		if value := resp.Header.Get("Retry-After"); value != "" {
			if got.retry, err = strconv.Atoi(value); err != nil {
				t.Error(err)
			}
		}
		var problem struct{ Code string }
		if got.status != 200 {
			if err := json.NewDecoder(resp.Body).Decode(&problem); err != nil {
				t.Errorf("%d: the body is no problem document: %v", got.status, err)
			}
		}
		got.code = problem.Code
		return got
	}
}

func dialGRPC(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); server.Stop(); <-served })
	return conn
}

// httpStatus is HTTP's image of the codes that there can be.
var httpStatus = map[codes.Code]int{codes.OK: 200, codes.Unauthenticated: 401, codes.Unavailable: 503}

func overGRPC(conn *grpc.ClientConn, method string) ask {
	return func(t *testing.T, fields map[string]string) reply {
		t.Helper()
		ctx := metadata.NewOutgoingContext(t.Context(), metadata.New(fields))
		_, header, trailer, err := rpctest.CallHeader(ctx, conn, method, "orders")
		st := status.Convert(err)
		got := reply{status: httpStatus[st.Code()], challenges: append(header["www-authenticate"], trailer["www-authenticate"]...)}
		if got.status == 0 {
			t.Errorf("%v", st)
		}
		for _, detail := range st.Details() {
			switch d := detail.(type) {
			case *errdetails.ErrorInfo:
				got.code = d.Reason
			case *errdetails.RetryInfo:
				got.retry = int(d.RetryDelay.AsDuration().Seconds())
			}
		}
		return got
	}
}

// each runs a test for row over every adapter.
func (a *apis) each(t *testing.T, row, name string, test func(t *testing.T, adapter string)) {
	t.Helper()
	for _, adapter := range slices.Sorted(maps.Keys(a.asks)) {
		t.Run(row+"/"+adapter+"/"+name, func(t *testing.T) { test(t, adapter) })
	}
}

// proof returns a new proof for the operation of an adapter.
func (a *apis) proof(adapter string, changes ...authtest.Change) string {
	for _, method := range rpctest.Methods {
		if nameOf(method) == adapter {
			return a.prover.Proof("POST", origin+method, a.bound, changes...)
		}
	}
	return a.prover.Proof("GET", origin+"/orders", a.bound, changes...)
}

func (a *apis) send(t *testing.T, adapter, proof string) reply {
	t.Helper()
	return a.asks[adapter](t, map[string]string{"Authorization": "DPoP " + a.bound, "DPoP": proof})
}

// sendPlain calls with a token that is bound to nothing.
func (a *apis) sendPlain(t *testing.T, adapter string) reply {
	t.Helper()
	return a.asks[adapter](t, map[string]string{"Authorization": "Bearer " + a.plain})
}

// unavailable wants what the caller is told when Redis cannot tell: to try again later, without
// a challenge. No handler runs.
func (a *apis) unavailable(t *testing.T, call func() reply) {
	t.Helper()
	before := a.ran.Load()
	if got := call(); got.status != 503 || got.code != "UNAVAILABLE" || got.retry < 1 || len(got.challenges) != 0 {
		t.Errorf("%+v, refused for %v; want 503 UNAVAILABLE with a time to try again, and no challenge", got, a.last.Load())
	}
	if a.ran.Load() != before {
		t.Error("the handler ran")
	}
}

// replayed wants the refusal of a proof that was used.
func (a *apis) replayed(t *testing.T, adapter, proof string) {
	t.Helper()
	before := a.ran.Load()
	got, why := a.send(t, adapter, proof), a.last.Load()
	if got.status != 401 || got.code != "INVALID_DPOP_PROOF" || len(got.challenges) == 0 || why == nil || why.Reason != auth.ReasonProofReplayed && why.Reason != auth.ReasonProofExpired {
		t.Errorf("%+v, refused for %v; want 401 INVALID_DPOP_PROOF", got, why)
	}
	if a.ran.Load() != before {
		t.Error("the handler ran")
	}
}

// accepted wants the handler to run.
func (a *apis) accepted(t *testing.T, got reply) {
	t.Helper()
	if got.status != 200 {
		t.Errorf("%+v, refused for %v; want 200", got, a.last.Load())
	}
}
