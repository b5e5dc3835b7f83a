// Package adapters_test asks the same of every adapter.
package adapters_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// needs are the requirements that every adapter has an operation for.
var needs = map[string]auth.Requirement{
	"orders":   auth.Scopes("read:orders"),
	"admin":    auth.Scopes("write:orders", "admin:all"),
	"any":      auth.AnyToken(),
	"optional": auth.Optional(),
	"public":   auth.Public(),
}

// An answer is what a caller sees, in HTTP's terms.
type answer struct {
	status     int
	challenge  string
	retryAfter string
	code       string // of the problem document, or the ErrorInfo's reason
	scope      string
	body       string // when it is 200
}

// A door asks one adapter for one operation with these Authorization values.
type door func(t *testing.T, need string, authorization []string) answer

// doors returns a running server of each kind, guarded by guard.
func doors(t *testing.T, guard *auth.Guard) map[string]door {
	all := map[string]door{
		"net/http":           overHTTP(t, netHTTP(guard)),
		"net/http, Enforce":  overHTTP(t, plain(guard)),
		"chi":                overHTTP(t, chiRouter(guard)),
		"chi, Enforce":       overHTTP(t, chiTable(guard)),
		"Echo":               overHTTP(t, echoRouter(guard)),
		"Echo, EnforceRules": overHTTP(t, echoTable(guard)),
	}
	for _, method := range rpctest.Methods {
		all["gRPC "+method[strings.LastIndexByte(method, '/')+1:]] = overGRPC(t, guard, method)
	}
	return all
}

func hello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, callerOf(r.Context())) }

func callerOf(ctx context.Context) string {
	p, ok := auth.PrincipalFrom(ctx)
	if !ok {
		return "anonymous"
	}
	return p.Subject() + " may " + strings.Join(p.Scopes(), " ")
}

func netHTTP(guard *auth.Guard) http.Handler {
	mux := httpauth.NewMux(guard)
	for name, req := range needs {
		mux.HandleFunc("GET /"+name, req, hello)
	}
	return mux
}

func plain(guard *auth.Guard) http.Handler {
	mux := http.NewServeMux()
	for name, req := range needs {
		mux.Handle("GET /"+name, guard.Enforce(req)(http.HandlerFunc(hello)))
	}
	return mux
}

func chiRouter(guard *auth.Guard) http.Handler {
	r := chi.NewRouter()
	for name, req := range needs {
		chiauth.NewRouter(guard, r).Get("/"+name, req, hello)
	}
	return r
}

func rules() auth.Rules {
	all := auth.Rules{}
	for name, req := range needs {
		all["GET /"+name] = req
	}
	return all
}

func chiTable(guard *auth.Guard) http.Handler {
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(guard, rules(), r))
	for name := range needs {
		r.Get("/"+name, hello)
	}
	return r
}

func echoHello(c echo.Context) error { return c.String(200, callerOf(c.Request().Context())) }

func echoRouter(guard *auth.Guard) http.Handler {
	e := echo.New()
	for name, req := range needs {
		e.GET("/"+name, echoHello, echoauth.Enforce(guard, req))
	}
	return e
}

func echoTable(guard *auth.Guard) http.Handler {
	e := echo.New()
	e.Use(echoauth.EnforceRules(guard, rules()))
	for name := range needs {
		e.GET("/"+name, echoHello)
	}
	return e
}

func overHTTP(t *testing.T, h http.Handler) door {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return func(t *testing.T, need string, authorization []string) answer {
		r, err := http.NewRequest("GET", server.URL+"/"+need, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = authorization
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		a := answer{status: resp.StatusCode, challenge: strings.Join(resp.Header["Www-Authenticate"], "|"), retryAfter: resp.Header.Get("Retry-After")}
		if a.status == 200 {
			a.body = string(body)
			return a
		}
		var problem struct{ Code, Scope string }
		if err := json.Unmarshal(body, &problem); err != nil {
			t.Errorf("the body is no problem document: %v: %s", err, body)
		}
		a.code, a.scope = problem.Code, problem.Scope
		if resp.Header.Get("Content-Type") != auth.ProblemType || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", resp.Header)
		}
		return a
	}
}

// statusOf is the fixed image of gRPC's codes (G-20).
var statusOf = map[codes.Code]int{
	codes.OK: 200, codes.InvalidArgument: 400, codes.Unauthenticated: 401, codes.PermissionDenied: 403,
	codes.Internal: 500, codes.Unavailable: 503,
}

func overGRPC(t *testing.T, guard *auth.Guard, method string) door {
	conns := map[string]*grpc.ClientConn{}
	for name, req := range needs {
		talk := &rpctest.Talk{
			OnUnary: func(ctx context.Context, _ *rpctest.Message) (*rpctest.Message, error) {
				return &rpctest.Message{Value: callerOf(ctx)}, nil
			},
			OnStream: func(ss grpc.ServerStream) error {
				return ss.SendMsg(&rpctest.Message{Value: callerOf(ss.Context())})
			},
		}
		server := grpc.NewServer(grpcauth.ServerOptions(guard, auth.Rules{method: req})...)
		rpctest.Register(server, talk)
		conns[name] = serve(t, server)
	}
	return func(t *testing.T, need string, authorization []string) answer {
		ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": authorization})
		body, trailer, err := rpctest.Call(ctx, conns[need], method, "x")
		st := status.Convert(err)
		a := answer{status: statusOf[st.Code()], challenge: strings.Join(trailer["www-authenticate"], "|"), body: body}
		if err == nil {
			return a
		}
		for _, d := range st.Details() {
			switch d := d.(type) {
			case *errdetails.ErrorInfo:
				a.code, a.scope = d.Reason, d.Metadata["scope"]
				if d.Domain != grpcauth.Domain {
					t.Errorf("domain %q", d.Domain)
				}
			case *errdetails.RetryInfo:
				a.retryAfter = fmt.Sprint(int(d.RetryDelay.AsDuration().Seconds()))
			}
		}
		return a
	}
}

func serve(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestParity asks every adapter, and every kind of call, the same, and wants the same of each (rows G-12, G-20, O-04).
func TestParity(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource"})
	all := doors(t, guard)

	const realm = `Bearer realm="api", resource_metadata="https://api.example/.well-known/oauth-protected-resource"`
	said := func(code, text string) string {
		return realm + `, error="` + code + `", error_description="` + text + `"`
	}
	invalid := func(reason auth.Reason) answer {
		return answer{status: 401, challenge: said("invalid_token", (&auth.Error{Reason: reason}).Description()), code: "INVALID_TOKEN"}
	}
	missing := answer{status: 401, challenge: realm, code: "CREDENTIALS_MISSING"}
	malformed := answer{status: 400, challenge: said("invalid_request", "The request needs exactly one well-formed Authorization header"), code: "INVALID_REQUEST"}
	short := func(scopes string) answer {
		return answer{status: 403, challenge: said("insufficient_scope", "The access token lacks a scope that this operation needs") + `, scope="` + scopes + `"`,
			code: "INSUFFICIENT_SCOPE", scope: scopes}
	}
	const sub = "alice"
	reader := issuer.Token("read:orders", authtest.Claims{"sub": sub})
	type ask struct {
		name          string
		need          string
		authorization []string
		want          answer
	}
	asks := []ask{
		{"a good token", "orders", []string{"Bearer " + reader}, answer{status: 200, body: "alice may read:orders"}},
		{"the scheme in lower case", "orders", []string{"bearer " + reader}, answer{status: 200, body: "alice may read:orders"}},
		{"any token", "any", []string{"Bearer " + reader}, answer{status: 200, body: "alice may read:orders"}},
		{"short of scopes", "admin", []string{"Bearer " + reader}, short("admin:all write:orders")},
		{"no token", "orders", nil, missing},
		{"another scheme", "orders", []string{"Basic eDp5"}, missing},
		{"two values", "orders", []string{"Bearer " + reader, "Bearer " + reader}, malformed},
		{"no token after the scheme", "orders", []string{"Bearer"}, malformed},
		{"two tokens in one value", "orders", []string{"Bearer " + reader + " " + reader}, malformed},
		{"a list of tokens", "orders", []string{"Bearer " + reader + "," + reader}, malformed},
		{"a byte outside token68", "orders", []string{"Bearer " + reader + "!"}, invalid(auth.ReasonMalformedToken)},
		{"optional, without token", "optional", nil, answer{status: 200, body: "anonymous"}},
		{"optional, with a token", "optional", []string{"Bearer " + reader}, answer{status: 200, body: "alice may read:orders"}},
		{"optional, with a bad token", "optional", []string{"Bearer x"}, invalid(auth.ReasonMalformedToken)},
		{"public, with a bad token", "public", []string{"Bearer x"}, answer{status: 200, body: "anonymous"}},
	}
	for _, d := range issuer.Defects() {
		token := issuer.Token("read:orders", d)
		want := invalid(d.Reason())
		if strings.ContainsAny(token, " \t,") {
			want = malformed // the header is, before the token is looked at
		}
		asks = append(asks, ask{"defect " + string(d), "orders", []string{"Bearer " + token}, want})
	}
	check := func(t *testing.T, asks []ask) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			t.Run(name, func(t *testing.T) {
				for _, a := range asks {
					if got := all[name](t, a.need, a.authorization); got != a.want {
						t.Errorf("%s:\n got %+v\nwant %+v", a.name, got, a.want)
					}
				}
			})
		}
	}
	check(t, asks)

	down := authtest.NewIssuer(t, nil)
	down.Fail(503)
	all = doors(t, down.Guard(nil))
	unjudged := answer{status: 503, retryAfter: "5", code: "UNAVAILABLE"}
	check(t, []ask{
		{"a good token while the keys cannot be had", "orders", []string{"Bearer " + down.Token("read:orders")}, unjudged},
		{"optional, while the keys cannot be had", "optional", []string{"Bearer " + down.Token("read:orders")}, unjudged},
		{"no token while the keys cannot be had", "orders", nil, answer{status: 401, challenge: `Bearer realm="api"`, code: "CREDENTIALS_MISSING"}},
		{"an expired token while the keys cannot be had", "orders", []string{"Bearer " + down.Token("read:orders", authtest.Expired)},
			answer{status: 401, challenge: `Bearer realm="api", error="invalid_token", error_description="The access token expired"`, code: "INVALID_TOKEN"}},
	})
}
