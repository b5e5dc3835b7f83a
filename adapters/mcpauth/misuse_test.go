package mcpauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/resource"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func httpRequest(t *testing.T, body io.Reader, token string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// What cannot work is named at start.
func TestMC11_Misconfigured(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	with := func(changes auth.Rules) auth.Rules {
		table := rules()
		for key, req := range changes {
			table[key] = req
		}
		return table
	}
	without := func(key string) auth.Rules {
		table := rules()
		delete(table, key)
		return table
	}
	server := func() *mcp.Server { return newOrders().Server }
	next := http.NotFoundHandler()
	for want, start := range map[string]func(){
		"needs a server":                                    func() { mcpauth.Guard(nil, guard, rules(), nil) },
		"needs a handler and a Guard":                       func() { mcpauth.Guard(server(), nil, rules(), nil) },
		"mcpauth: Handler needs a handler and a Guard":      func() { mcpauth.Handler(nil, guard, rules(), nil) },
		`no rule for "tools/call cancel_order"`:             func() { mcpauth.Guard(server(), guard, without("tools/call cancel_order"), nil) },
		`no rule for "prompts/get greet"`:                   func() { mcpauth.Guard(server(), guard, without("prompts/get greet"), nil) },
		`no rule for "resources/read orders://all"`:         func() { mcpauth.Guard(server(), guard, without("resources/read orders://all"), nil) },
		`no rule for "resources/read orders://one/{+path}"`: func() { mcpauth.Guard(server(), guard, without("resources/read orders://one/{+path}"), nil) },
		`no rule for "initialize"`:                          func() { mcpauth.Guard(server(), guard, without("initialize"), nil) },
		`nothing that the server has uses rule "tools/call list_order"`: func() {
			mcpauth.Guard(server(), guard, with(auth.Rules{"tools/call list_order": auth.AnyToken()}), nil)
		},
		`rule "tools/call" is none of`:                func() { mcpauth.Handler(next, guard, with(auth.Rules{"tools/call": auth.AnyToken()}), nil) },
		`rule "tools/call " is none of`:               func() { mcpauth.Handler(next, guard, with(auth.Rules{"tools/call ": auth.AnyToken()}), nil) },
		`rule "ping pong" is none of`:                 func() { mcpauth.Enforce(with(auth.Rules{"ping pong": auth.AnyToken()})) },
		`rule "resources/read *" is none of`:          func() { mcpauth.Enforce(with(auth.Rules{"resources/read *": auth.AnyToken()})) },
		`rule "resources/read a{" is no URI template`: func() { mcpauth.Enforce(with(auth.Rules{"resources/read a{": auth.AnyToken()})) },
		`rule "ping": `:                               func() { mcpauth.Handler(next, guard, with(auth.Rules{"ping": auth.AnyToken().ReportOnly()}), nil) },
		"Options.EntryScopes: ":                       func() { mcpauth.Handler(next, guard, rules(), &mcpauth.Options{EntryScopes: []string{"a b"}}) },
		"the scope offline_access": func() {
			mcpauth.Handler(next, guard, rules(), &mcpauth.Options{EntryScopes: []string{"offline_access"}})
		},
		"the scope offline_access is the client's affair": func() {
			mcpauth.Handler(next, guard, with(auth.Rules{"ping": auth.Scopes("offline_access")}), nil)
		},
		"Options.Origins: ": func() {
			mcpauth.Handler(next, guard, rules(), &mcpauth.Options{Origins: []string{"https://app.example/"}})
		},
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panicked with %s", got)
				}
			}()
			start()
		})
	}
}

// The rules of a table may be changed while the server runs.
func TestLiveRules(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	live := must(auth.NewLiveRules(rules()))
	o := newOrders()
	server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), live.Rules(), stateless))
	token := issuer.Token("read:orders")
	if a := send(t, server.URL, token, call("cancel_order")); a.status != 403 {
		t.Errorf("%+v", a)
	}
	changed := rules()
	changed["tools/call cancel_order"] = auth.Scopes("read:orders")
	if err := live.Swap(changed); err != nil {
		t.Fatal(err)
	}
	if a := send(t, server.URL, token, call("cancel_order")); a.status != 200 {
		t.Errorf("%+v", a)
	}
}

// The rule for the other tools is for those that no rule names.
func TestTheOtherTools(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	table := rules()
	delete(table, "tools/call list_orders")
	delete(table, "tools/call hello")
	table["tools/call *"] = auth.Scopes("other")
	server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), table, stateless))
	for tool, want := range map[string]int{"list_orders": 200, "hello": 200, "cancel_order": 403} {
		if a := send(t, server.URL, issuer.Token("other"), call(tool)); a.status != want {
			t.Errorf("%s: %+v", tool, a)
		}
	}
}

// Scripts of other origins are refused, as the protocol demands.
func TestOrigin(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token("read:orders")
	for _, tt := range []struct {
		opts   mcpauth.Options
		origin string
		want   int
	}{
		{mcpauth.Options{}, "https://mcp.example", 200}, // of the resource metadata
		{mcpauth.Options{}, "https://evil.example", 403},
		{mcpauth.Options{}, "http://mcp.example", 403},
		{mcpauth.Options{}, "null", 403},
		{mcpauth.Options{Origins: []string{"https://app.example:8443"}}, "https://app.example:8443", 200},
		{mcpauth.Options{Origins: []string{"https://app.example"}}, "https://mcp.example", 403},
		{mcpauth.Options{Origins: []string{}}, "https://mcp.example", 403},
	} {
		tt.opts.HTTP = stateless.HTTP
		server := serve(t, mcpauth.Guard(newOrders().Server, guardOf(issuer), rules(), &tt.opts))
		if a := send(t, server.URL, token, call("list_orders"), "Origin: "+tt.origin); a.status != tt.want {
			t.Errorf("%v from %s: %+v", tt.opts.Origins, tt.origin, a)
		}
	}
}

// HTTP methods that the protocol does not use are answered by nobody.
func TestOtherMethodsOfHTTP(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	server := serve(t, mcpauth.Guard(newOrders().Server, guardOf(issuer), rules(), nil))
	for method, want := range map[string]int{"GET": 401, "DELETE": 401, "HEAD": 405, "PUT": 405, "OPTIONS": 405, "post": 405} {
		r := must(http.NewRequestWithContext(t.Context(), method, server.URL, nil))
		if a := do(t, r); a.status != want || want == 405 && a.header.Get("Allow") != "GET, POST, DELETE" {
			t.Errorf("%s: %+v", method, a)
		}
	}
}

// A token that is bound to a key needs its proof, and the tool sees neither.
func TestBoundTokens(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	const origin = "https://mcp.example"
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{must(dpop.New([]string{origin}, dpop.NewMemory(0), nil))}})
	seen := make(chan http.Header, 1)
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() })
	h := mcpauth.Handler(next, guard, rules(), nil)
	prover := authtest.NewProver(t, auth.ES256)
	token := issuer.Token("read:orders", prover.Confirmation())
	r := httpRequest(t, strings.NewReader(call("list_orders")), "")
	prover.Prove(r, origin, token)
	w := newRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if header := <-seen; header.Get("Authorization") != "" || header.Get("Dpop") != "" || header.Get("Accept") == "" {
		t.Errorf("%v", header)
	}
	w = newRecorder()
	h.ServeHTTP(w, httpRequest(t, strings.NewReader(call("list_orders")), token))
	if w.Code != 401 || len(seen) != 0 {
		t.Errorf("without its proof: %d %s", w.Code, w.Body)
	}
}

// Nothing but a Handler says who a caller is.
func TestPrincipalFrom(t *testing.T) {
	for _, req := range []mcp.Request{nil, &mcp.CallToolRequest{}, &mcp.CallToolRequest{Extra: &mcp.RequestExtra{}}} {
		if p, ok := mcpauth.PrincipalFrom(req); ok || p != nil {
			t.Errorf("%v of %v", p, req)
		}
	}
	if p, ok := mcpauth.RequestPrincipal(httpRequest(t, nil, "x.y.z")); ok || p != nil {
		t.Errorf("%v of a request that nobody authorized", p)
	}
}

// Who asks for a list that fails is told at start.
func TestCheckTellsWhyItCannotList(t *testing.T) {
	o := newOrders()
	o.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "tools/list" {
				return nil, fmt.Errorf("no list today")
			}
			return next(ctx, method, req)
		}
	})
	if err := mcpauth.Check(o.Server, rules()); err == nil || !strings.Contains(err.Error(), "no list today") {
		t.Errorf("%v", err)
	}
}

// A scope that implies another opens its tools. The challenge names the least scope, and what the
// token's scopes imply.
func TestMC10_ScopesThatImplyOthers(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{Implies: map[string][]string{"staff": {"read:orders"}, "admin": {"staff", "write:orders"}}})
	server := serve(t, mcpauth.Guard(newOrders().Server, guard, rules(), stateless))
	for _, tt := range []struct {
		scope, tool string
		status      int
		challenge   string
	}{
		{"staff", "list_orders", 200, ""},
		{"admin", "cancel_order", 200, ""},
		{"staff", "cancel_order", 403, `scope="read:orders write:orders"`},
		{"none", "list_orders", 403, `scope="read:orders"`},
	} {
		a := send(t, server.URL, issuer.Token(tt.scope), call(tt.tool))
		if challenge := strings.Join(a.challenge, ""); a.status != tt.status || !strings.HasSuffix(challenge, tt.challenge) {
			t.Errorf("%s with %s: %d %s, want %d %s", tt.tool, tt.scope, a.status, challenge, tt.status, tt.challenge)
		}
	}
}

// A log-in that is too weak is asked for again, with all the scopes that the client works with.
func TestStepUp(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	table := rules()
	table["tools/call cancel_order"] = auth.AllOf(auth.Scopes("write:orders"), auth.ACR("mfa"))
	server := serve(t, mcpauth.Guard(newOrders().Server, guardOf(issuer), table, stateless))
	a := send(t, server.URL, issuer.Token("read:orders write:orders"), call("cancel_order"))
	challenge := strings.Join(a.challenge, "")
	for _, want := range []string{`error="insufficient_user_authentication"`, `acr_values="mfa"`, `scope="read:orders write:orders"`} {
		if a.status != 401 || !strings.Contains(challenge, want) {
			t.Errorf("%d %s, want %s", a.status, challenge, want)
		}
	}
	if a := send(t, server.URL, issuer.Token("write:orders", authtest.Claims{"acr": "mfa"}), call("cancel_order")); a.status != 200 {
		t.Errorf("%+v", a)
	}
}

// The document is where the 401 says, and at the well-known place of the server's URL, which are
// the same.
func TestMC01_MC02_ClientsFindTheMetadata(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	const api = "https://mcp.example/mcp"
	config := issuer.Config()
	config.Audiences = []string{api}
	guard := must(auth.NewGuard(issuer.Verifier(config), &auth.GuardOptions{ResourceMetadata: must(resource.URL(api))}))
	document := must(resource.New(guard, resource.Metadata{}, rules()))
	mux := http.NewServeMux()
	mux.Handle(document.Pattern(), document)
	mux.Handle("/mcp", mcpauth.Guard(newOrders().Server, guard, rules(), stateless))
	server := serve(t, mux)
	a := send(t, server.URL+"/mcp", "", call("list_orders"))
	if want := `resource_metadata="https://mcp.example` + resource.WellKnown + `/mcp"`; a.status != 401 || !strings.Contains(strings.Join(a.challenge, ""), want) {
		t.Errorf("%+v, want %s", a, want)
	}
	a = do(t, must(http.NewRequestWithContext(t.Context(), "GET", server.URL+resource.WellKnown+"/mcp", nil)))
	var got struct {
		Resource string
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Resource != api || !slices.Equal(got.Servers, []string{config.Issuer}) || !slices.Equal(got.Scopes, []string{"read:orders", "read:secrets", "write:orders"}) {
		t.Errorf("%v, %+v", err, a)
	}
}
