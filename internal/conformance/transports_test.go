package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"broken": auth.AnyToken().With(func(context.Context, *auth.Principal) error {
		return &auth.Error{Reason: auth.ReasonInternal, Err: errors.New(detail)}
	}),
}

// detail is what only operators may be told of a guard that is wired wrongly.
const detail = "a cable is loose"

// An answer is what a caller sees, in HTTP's terms.
type answer struct {
	status     int
	challenges []string // one for each field line of WWW-Authenticate
	retryAfter string
	code       string // of the problem document, or the ErrorInfo's reason
	bodiless   bool   // an answer to HEAD, which has no document
	scope      string
	body       string            // what the handler answered, when it is 200
	all        string            // everything that came back: header fields, body, trailer, status and details
	metadata   map[string]string // the ErrorInfo's; nil in HTTP
	stored     string            // Cache-Control, in HTTP
	header     http.Header       // HTTP's, or gRPC's
	nonces     []string          // DPoP-Nonce; in gRPC of the header when the call is accepted, and of the trailer otherwise
}

// A request is one call. What HTTP alone can express is in shape.
type request struct {
	need          string
	authorization []string
	field         [2]string   // a header field or metadata more, when its name is not empty
	more          [][2]string // and others
	shape         func(*http.Request)
	client        *authtest.Certificate // what a client shows a server of TLS; nil for none
}

// A transport asks one adapter.
type transport func(t *testing.T, r request) answer

// transports returns a running server of each kind, guarded by guard. Their names go into the
// report.
func transports(t *testing.T, guard *auth.Guard) map[string]transport {
	return setup{guard: guard, needs: needs}.transports(t)
}

// A setup is what servers are made of.
type setup struct {
	guard *auth.Guard
	needs map[string]auth.Requirement             // by operation
	front func(http.Handler) http.Handler         // what stands before the router, nil for nothing
	outer func(method string) []grpc.ServerOption // and before gRPC's guard
	over  *secured                                // nil for plain text
}

// httpRouters are what each kind of HTTP server is made by.
var httpRouters = map[string]func(*auth.Guard, map[string]auth.Requirement) http.Handler{
	"nethttp": netHTTP, "nethttp-plain": plain, "chi": chiRouter, "chi-table": chiTable, "echo": echoRouter, "echo-table": echoTable,
}

func (s setup) transports(t *testing.T) map[string]transport {
	all := map[string]transport{}
	for name, router := range httpRouters {
		h := router(s.guard, s.needs)
		if s.front != nil {
			h = s.front(h)
		}
		all[name] = s.overHTTP(t, h)
	}
	for kind, server := range rpcServers {
		for _, method := range rpctest.Methods {
			all[kind+"-"+strings.ToLower(method[strings.LastIndexByte(method, '/')+1:])] = s.overRPC(t, server, method)
		}
	}
	return all
}

// An rpcServer serves one method of rpctest, of which callers must meet a requirement, and returns
// connections to it.
type rpcServer func(s setup, t *testing.T, method string, req auth.Requirement) func(*authtest.Certificate) *grpc.ClientConn

// rpcServers are what each kind of server that clients of gRPC call is made by.
var rpcServers = map[string]rpcServer{"grpc": grpcServer}

// isRPC reports whether a transport calls methods of rpctest.
func isRPC(transport string) bool { return methodOf(transport) != "" }

// methodOf returns the full name of the method that a transport calls, and "" when it calls none.
func methodOf(transport string) string {
	kind, method, _ := strings.Cut(strings.TrimSuffix(transport, "-under-http"), "-")
	i := slices.IndexFunc(rpctest.Methods, func(m string) bool { return strings.HasSuffix(strings.ToLower(m), "/"+method) })
	if i < 0 || kind != "grpc" && kind != "connect" {
		return ""
	}
	return rpctest.Methods[i]
}

func hello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, callerOf(r.Context())) }

func callerOf(ctx context.Context) string {
	p, ok := auth.PrincipalFrom(ctx)
	if !ok {
		return "anonymous" + p.Subject() + strings.Join(p.Roles(), " ") // of a nil Principal
	}
	said := p.Subject() + " may " + strings.Join(p.Scopes(), " ")
	for kind, list := range map[string][]string{"role": p.Roles(), "group": p.Groups(), "entitlement": p.Entitlements()} {
		if len(list) > 0 {
			said += " as " + kind + " " + strings.Join(list, " ")
		}
	}
	return said
}

func netHTTP(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
	mux := httpauth.NewMux(guard)
	for name, req := range needs {
		mux.HandleFunc("GET /"+name, req, hello)
	}
	return mux
}

func plain(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
	mux := http.NewServeMux()
	for name, req := range needs {
		mux.Handle("GET /"+name, guard.Enforce(req)(http.HandlerFunc(hello)))
	}
	return mux
}

func chiRouter(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
	r := chi.NewRouter()
	for name, req := range needs {
		chiauth.NewRouter(guard, r).Get("/"+name, req, hello)
		chiauth.NewRouter(guard, r).Head("/"+name, req, hello)
	}
	return r
}

func rulesOf(needs map[string]auth.Requirement) auth.Rules {
	all := auth.Rules{}
	for name, req := range needs {
		all["GET /"+name] = req
		all["HEAD /"+name] = req
	}
	return all
}

func chiTable(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
	r := chi.NewRouter()
	r.Use(chiauth.Enforce(guard, rulesOf(needs), r))
	for name := range needs {
		r.Get("/"+name, hello)
		r.Head("/"+name, hello)
	}
	return r
}

func echoHello(c echo.Context) error { return c.String(200, callerOf(c.Request().Context())) }

func echoRouter(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
	e := echo.New()
	for name, req := range needs {
		e.Match([]string{"GET", "HEAD"}, "/"+name, echoHello, echoauth.Enforce(guard, req))
	}
	return e
}

func echoTable(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
	e := echo.New()
	e.Use(echoauth.EnforceRules(guard, rulesOf(needs)))
	for name := range needs {
		e.Match([]string{"GET", "HEAD"}, "/"+name, echoHello)
	}
	return e
}

func overHTTP(t *testing.T, h http.Handler) transport { return setup{}.overHTTP(t, h) }

func (s setup) overHTTP(t *testing.T, h http.Handler) transport {
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnContext = auth.ConnContext
	client := s.over.start(t, server)
	return func(t *testing.T, ask request) answer {
		r, err := http.NewRequest("GET", server.URL+"/"+ask.need+"?q="+canary, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ask.authorization != nil {
			r.Header["Authorization"] = ask.authorization
		}
		r.Header.Set("X-Request-Id", canary)
		if ask.field[0] != "" {
			r.Header.Set(ask.field[0], ask.field[1])
		}
		for _, f := range ask.more {
			r.Header.Add(f[0], f[1])
		}
		if ask.shape != nil {
			ask.shape(r)
		}
		resp, err := client(ask.client).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		a := answer{status: resp.StatusCode, header: resp.Header, challenges: resp.Header["Www-Authenticate"], retryAfter: resp.Header.Get("Retry-After"), nonces: resp.Header["Dpop-Nonce"], stored: resp.Header.Get("Cache-Control"),
			all: fmt.Sprintf("%v\n%s", resp.Header, body)}
		if a.status == 200 {
			a.body = string(body)
			return a
		}
		if resp.Header.Get("Content-Type") != "application/problem+json" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", resp.Header)
		}
		if a.bodiless = r.Method == http.MethodHead; a.bodiless {
			return a
		}
		var problem struct {
			Status      int
			Code, Scope string
		}
		if err := json.Unmarshal(body, &problem); err != nil {
			t.Errorf("the body is no problem document: %v: %s", err, body)
		}
		if problem.Status != a.status {
			t.Errorf("the problem document says %d under %d", problem.Status, a.status)
		}
		a.code, a.scope = problem.Code, problem.Scope
		return a
	}
}

// statusOf is the fixed image of gRPC's codes (G-20).
var statusOf = map[codes.Code]int{
	codes.OK: 200, codes.InvalidArgument: 400, codes.Unauthenticated: 401, codes.PermissionDenied: 403,
	codes.Internal: 500, codes.Unavailable: 503,
}

func grpcServer(s setup, t *testing.T, method string, req auth.Requirement) func(*authtest.Certificate) *grpc.ClientConn {
	talk := &rpctest.Talk{
		OnUnary: func(ctx context.Context, _ *rpctest.Message) (*rpctest.Message, error) {
			return &rpctest.Message{Value: callerOf(ctx)}, nil
		},
		OnStream: func(ss grpc.ServerStream) error {
			return ss.SendMsg(&rpctest.Message{Value: callerOf(ss.Context())})
		},
	}
	var options []grpc.ServerOption
	if s.outer != nil {
		options = s.outer(method)
	}
	options = append(options, s.over.serverOptions()...)
	server := grpc.NewServer(append(options, grpcauth.ServerOptions(s.guard, auth.Rules{method: req})...)...)
	rpctest.Register(server, talk)
	return s.over.serve(t, server)
}

func (s setup) overRPC(t *testing.T, server rpcServer, method string) transport {
	conns := map[string]func(*authtest.Certificate) *grpc.ClientConn{}
	for name, req := range s.needs {
		conns[name] = server(s, t, method, req)
	}
	return func(t *testing.T, ask request) answer {
		md := metadata.MD{"authorization": ask.authorization, "x-request-id": {canary}}
		if ask.field[0] != "" {
			md.Set(ask.field[0], ask.field[1])
		}
		for _, f := range ask.more {
			md.Append(f[0], f[1])
		}
		ctx := metadata.NewOutgoingContext(t.Context(), md)
		body, header, trailer, err := rpctest.CallHeader(ctx, conns[ask.need](ask.client), method, canary)
		st := status.Convert(err)
		a := answer{status: statusOf[st.Code()], challenges: trailer["www-authenticate"], body: body, nonces: header["dpop-nonce"], header: http.Header{}}
		for name, values := range header {
			a.header[http.CanonicalHeaderKey(name)] = values
		}
		if err != nil {
			a.nonces = trailer["dpop-nonce"]
		}
		a.challenges = append(header["www-authenticate"], a.challenges...) // where HTTP has no such trailer
		if err == nil {
			return a
		}
		a.all = fmt.Sprintf("%v\n%v\n%v", trailer, st, st.Details())
		for _, d := range st.Details() {
			switch d := d.(type) {
			case *errdetails.ErrorInfo:
				a.code, a.scope, a.metadata = d.Reason, d.Metadata["scope"], d.Metadata
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
	return (*secured)(nil).serve(t, server)(nil)
}
