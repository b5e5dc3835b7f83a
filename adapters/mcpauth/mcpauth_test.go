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
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

const metadata = "https://mcp.example/.well-known/oauth-protected-resource/mcp"

// orders is a server with what the tests need of each kind. Ran has the operations that ran, with
// what they saw of their caller.
type orders struct {
	*mcp.Server
	mu  sync.Mutex
	ran []string
}

func (o *orders) note(ctx context.Context, what string, req mcp.Request) {
	caller := "nobody"
	if p, ok := mcpauth.PrincipalFrom(req); ok {
		caller = p.Subject()
	}
	if _, ok := auth.PrincipalFrom(ctx); ok {
		caller += ", and one in the context"
	}
	var header http.Header
	if extra := req.GetExtra(); extra != nil {
		header = extra.Header
	}
	for name, values := range header {
		if name == "Authorization" || strings.Contains(strings.Join(values, " "), "eyJ") {
			caller += ", and a token in " + name
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ran = append(o.ran, what+" for "+caller)
}

// took returns what ran since it was asked last.
func (o *orders) took() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	ran := o.ran
	o.ran = nil
	return ran
}

func newOrders() *orders {
	o := &orders{Server: mcp.NewServer(&mcp.Implementation{Name: "orders", Version: "1"}, nil)}
	for _, name := range []string{"list_orders", "cancel_order", "hello"} {
		mcp.AddTool(o.Server, &mcp.Tool{Name: name}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			o.note(ctx, name, req)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name}}}, nil, nil
		})
	}
	read := func(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		o.note(ctx, req.Params.URI, req)
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: req.Params.URI, Text: "text"}}}, nil
	}
	o.AddResource(&mcp.Resource{Name: "all", URI: "orders://all"}, read)
	o.AddResourceTemplate(&mcp.ResourceTemplate{Name: "one", URITemplate: "orders://one/{id}"}, read)
	o.AddResourceTemplate(&mcp.ResourceTemplate{Name: "secret", URITemplate: "orders://one/{+path}"}, read)
	o.AddPrompt(&mcp.Prompt{Name: "greet"}, func(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		o.note(ctx, "greet", req)
		return &mcp.GetPromptResult{}, nil
	})
	return o
}

func rules() auth.Rules {
	rules := mcpauth.Protocol()
	rules["tools/call list_orders"] = auth.Scopes("read:orders")
	rules["tools/call cancel_order"] = auth.Scopes("write:orders")
	rules["tools/call hello"] = auth.AnyToken()
	rules["resources/read orders://all"] = auth.Scopes("read:orders")
	rules["resources/read orders://one/{id}"] = auth.Scopes("read:orders")
	rules["resources/read orders://one/{+path}"] = auth.Scopes("read:secrets")
	rules["prompts/get greet"] = auth.Scopes("read:orders")
	return rules
}

// stateless is the way of the SDK without sessions.
var stateless = &mcpauth.Options{HTTP: &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}}

// serve starts the server behind a guard of the issuer.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func guardOf(issuer *authtest.Issuer) *auth.Guard {
	return issuer.Guard(&auth.GuardOptions{ResourceMetadata: metadata})
}

// bearer is an http.RoundTripper that adds the token of the moment.
type bearer struct {
	mu    sync.Mutex
	token string
}

func (b *bearer) use(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.token = token
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	token := b.token
	b.mu.Unlock()
	r = r.Clone(r.Context())
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// connect is the SDK's own client.
func connect(t *testing.T, url string, b *bearer) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: b}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// An answer is what a raw request got.
type answer struct {
	status    int
	challenge []string
	header    http.Header
	body      string
}

// send posts a body; header lines are "Name: value".
func send(t *testing.T, url, token, body string, lines ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header[name] = append(r.Header[name], value)
	}
	return do(t, r)
}

func do(t *testing.T, r *http.Request) answer {
	t.Helper()
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header["Www-Authenticate"], res.Header, string(text)}
}

func call(tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":{}}}`, tool)
}

// It is asked with the SDK's client, with sessions and without.
func TestMC13_EveryRequestOfASessionIsAuthorized(t *testing.T) {
	for name, opts := range map[string]*mcpauth.Options{"with sessions": nil, "stateless": stateless} {
		t.Run(name, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			o := newOrders()
			server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), rules(), opts))
			b := &bearer{token: issuer.Token("read:orders", authtest.Claims{"sub": "alice"})}
			session := connect(t, server.URL, b)
			try := func(tool string) bool {
				res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool})
				return err == nil && !res.IsError
			}
			if tools, err := session.ListTools(t.Context(), nil); err != nil || len(tools.Tools) != 3 {
				t.Fatalf("%v, %v", tools, err)
			}
			if !try("list_orders") || !try("hello") || try("cancel_order") {
				t.Error("read:orders calls list_orders and hello alone")
			}
			if _, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "orders://all"}); err != nil {
				t.Error(err)
			}
			if _, err := session.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "greet"}); err != nil {
				t.Error(err)
			}
			b.use(issuer.Token("write:orders", authtest.Claims{"sub": "alice"}))
			if try("list_orders") || !try("cancel_order") {
				t.Error("write:orders calls cancel_order alone, in the same session")
			}
			want := []string{"list_orders for alice", "hello for alice", "orders://all for alice", "greet for alice", "cancel_order for alice"}
			if got := o.took(); !slices.Equal(got, want) {
				t.Errorf("ran %q, want %q", got, want)
			}
		})
	}
}

// initialize begins a session, and returns its header line.
func initialize(t *testing.T, url, token string) string {
	t.Helper()
	a := send(t, url, token, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}`)
	id := a.header.Get("Mcp-Session-Id")
	if a.status != 200 || id == "" {
		t.Fatalf("%+v", a)
	}
	line := "Mcp-Session-Id: " + id
	if a := send(t, url, token, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, line); a.status != 202 {
		t.Fatalf("%+v", a)
	}
	return line
}

// A session belongs to who began it. Within it, tools see the caller of their own request, also
// where the context is the first one's.
func TestW21_ToolsSeeThePrincipalOfTheirOwnRequest(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), rules(), nil))
	alice := func(scope string) string { return issuer.Token(scope, authtest.Claims{"sub": "alice"}) }
	session := initialize(t, server.URL, alice("read:orders"))
	if a := send(t, server.URL, alice("write:orders"), call("cancel_order"), session); a.status != 200 {
		t.Errorf("%+v", a)
	}
	if got := o.took(); !slices.Equal(got, []string{"cancel_order for alice"}) {
		t.Errorf("ran %q", got)
	}
	mallory := issuer.Token("read:orders", authtest.Claims{"sub": "mallory"})
	client := issuer.Token("read:orders", authtest.Claims{"sub": "alice", "client_id": "alice"}) // is no user
	for _, token := range []string{mallory, client} {
		if a := send(t, server.URL, token, call("list_orders"), session); a.status != 403 {
			t.Errorf("another caller in the session: %+v", a)
		}
	}
	if got := o.took(); got != nil {
		t.Errorf("ran %q", got)
	}
}

// A tool that calls another API has no token to pass on by mistake.
func TestMC09_TheTokenIsNotPassedOn(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), rules(), stateless))
	if a := send(t, server.URL, issuer.Token("read:orders", authtest.Claims{"sub": "alice"}), call("list_orders")); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	if got := o.took(); !slices.Equal(got, []string{"list_orders for alice"}) {
		t.Errorf("ran %q", got)
	}
}

// What is wrong with a request is refused by the guard before any tool runs.
func TestMC03_MC04_MC05_MC06_MC07_MC08_MC12_Refusals(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	table := rules()
	table["tools/call cancel_order"] = auth.Scopes("write:orders", "confirm:orders")
	server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), table, &mcpauth.Options{HTTP: stateless.HTTP, EntryScopes: []string{"read:orders", "basic"}}))
	named := func(tool string) []string { return []string{"Mcp-Method: tools/call", "Mcp-Name: " + tool} }
	challenge := `Bearer realm="api", resource_metadata="` + metadata + `"`
	short := `, error="insufficient_scope", error_description="The access token lacks a scope that this operation needs"`
	for name, tt := range map[string]struct {
		got       answer
		status    int
		challenge string
	}{
		"MC-02, MC-03: no token, and the header names the tool": {got: send(t, server.URL, "", call("cancel_order"), named("cancel_order")...), status: 401, challenge: challenge + `, scope="confirm:orders write:orders"`},
		"MC-03: no token, and the header names nothing":         {got: send(t, server.URL, "", call("cancel_order")), status: 401, challenge: challenge + `, scope="basic read:orders"`},
		"no token, and the rule has no scopes":                  {got: send(t, server.URL, "", call("hello"), named("hello")...), status: 401, challenge: challenge + `, scope="basic read:orders"`},
		"no token, and a tool without a rule":                   {got: send(t, server.URL, "", call("drop"), named("drop")...), status: 401, challenge: challenge + `, scope="basic read:orders"`},
		"MC-04: an expired token":                               {got: send(t, server.URL, issuer.Token("read:orders", authtest.Claims{"exp": 1}), call("list_orders")), status: 401, challenge: `error="invalid_token"`},
		"MC-08: a token for another API":                        {got: send(t, server.URL, issuer.Token("read:orders", authtest.Claims{"aud": "https://other.example"}), call("list_orders")), status: 401, challenge: `error="invalid_token"`},
		"MC-07: two tokens":                                     {got: send(t, server.URL, issuer.Token("read:orders"), call("list_orders"), "Authorization: Bearer x"), status: 400, challenge: `error="invalid_request"`},
		"MC-12: a token in the query":                           {got: send(t, server.URL+"?access_token="+issuer.Token("read:orders"), "", call("list_orders")), status: 401, challenge: challenge + `, scope="basic read:orders"`},
		"MC-05, MC-06: a scope is missing":                      {got: send(t, server.URL, issuer.Token("read:orders unknown write:orders"), call("cancel_order")), status: 403, challenge: challenge + short + `, scope="confirm:orders read:orders write:orders"`},
		"MC-05: a scope is missing, by the header":              {got: send(t, server.URL, issuer.Token("unknown"), "junk", named("cancel_order")...), status: 403, challenge: challenge + short + `, scope="confirm:orders write:orders"`},
		"a tool without a rule":                                 {got: send(t, server.URL, issuer.Token("read:orders"), call("drop")), status: 403},
		"a method without a rule":                               {got: send(t, server.URL, issuer.Token("read:orders"), `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{}}`), status: 403},
		"a method that is no method":                            {got: send(t, server.URL, issuer.Token("read:orders"), `{"jsonrpc":"2.0","id":1,"method":"GET","params":{}}`), status: 403},
		"the catch-all's own name":                              {got: send(t, server.URL, issuer.Token("read:orders"), call("*")), status: 403},
	} {
		if got := strings.Join(tt.got.challenge, ", "); tt.got.status != tt.status || !strings.Contains(got, tt.challenge) || tt.challenge == "" && got != "" {
			t.Errorf("%s: %d %s, want %d %s", name, tt.got.status, got, tt.status, tt.challenge)
		}
		if strings.HasPrefix(tt.challenge, challenge) && tt.challenge != strings.Join(tt.got.challenge, "") {
			t.Errorf("%s: the challenge is %s, want %s", name, tt.got.challenge, tt.challenge)
		}
	}
	if got := o.took(); got != nil {
		t.Errorf("ran %q", got)
	}
}

// The URI decides by the templates that match it: the server picks one of them, and we do not know
// which.
func TestTemplates(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), rules(), stateless))
	for _, tt := range []struct {
		scope, uri string
		want       int
	}{
		{"read:orders", "orders://all", 200},
		{"read:secrets", "orders://all", 403},
		{"read:orders", "orders://one/7", 403}, // matches both
		{"read:secrets", "orders://one/7", 403},
		{"read:orders read:secrets", "orders://one/7", 200},
		{"read:secrets", "orders://one/a/b", 200},
		{"read:orders", "orders://one/a/b", 403},
		{"read:orders read:secrets", "orders://two/7", 403},
		{"read:orders read:secrets", "orders://all?", 403},
	} {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":%q}}`, tt.uri)
		if a := send(t, server.URL, issuer.Token(tt.scope), body); a.status != tt.want {
			t.Errorf("%s with %s: %d %s", tt.uri, tt.scope, a.status, a.body)
		}
		if a := send(t, server.URL, issuer.Token(tt.scope), body, "Mcp-Method: resources/read", "Mcp-Name: "+tt.uri); a.status != tt.want {
			t.Errorf("%s with %s, named in the header: %d %s", tt.uri, tt.scope, a.status, a.body)
		}
	}
}

// Operations that take no token are served without one, and the others are not.
func TestOperationsWithoutAToken(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told []auth.Decision
	var mu sync.Mutex
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, d)
	}})
	o := newOrders()
	table := rules()
	table["tools/call hello"] = auth.Public()
	table["tools/call list_orders"] = auth.Optional()
	table["resources/read orders://all"] = auth.Scopes("read:orders").ReportOnly()
	server := serve(t, mcpauth.Guard(o.Server, guard, table, stateless))
	token := issuer.Token("none", authtest.Claims{"sub": "alice"})
	read := `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"orders://all"}}`
	for _, tt := range []struct {
		token, body string
		header      []string
		want        int
		ran         string
	}{
		{"", call("hello"), nil, 200, "hello for nobody"},
		{"", call("hello"), []string{"Mcp-Method: tools/call", "Mcp-Name: hello"}, 200, "hello for nobody"},
		{token, call("hello"), nil, 200, "hello for alice"},
		{"x.y.z", call("hello"), nil, 401, ""},
		{"", call("list_orders"), nil, 200, "list_orders for nobody"},
		{token, call("list_orders"), nil, 200, "list_orders for alice"},
		{"", read, nil, 200, "orders://all for nobody"},
		{token, read, nil, 200, "orders://all for alice"},
		{"", call("cancel_order"), nil, 401, ""},
		{"", call("cancel_order"), []string{"Mcp-Method: tools/call", "Mcp-Name: cancel_order"}, 401, ""},
		{"", call("cancel_order"), []string{"Mcp-Method: tools/call", "Mcp-Name: hello"}, 400, ""},
	} {
		a := send(t, server.URL, tt.token, tt.body, tt.header...)
		if ran := strings.Join(o.took(), ", "); a.status != tt.want || ran != tt.ran {
			t.Errorf("%s %q: %d %s, ran %q, want %d %q", tt.body, tt.header, a.status, a.body, ran, tt.want, tt.ran)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.ContainsFunc(told, func(d auth.Decision) bool { return d.ReportOnly && d.Operation == "resources/read orders://all" }) {
		t.Error("no decision tells of the rule that is only reported on")
	}
}

// The errors of the transport are JSON-RPC's, as the SDK's are.
func TestFaultsAreErrorsOfJSONRPC(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	server := serve(t, mcpauth.Guard(newOrders().Server, guardOf(issuer), rules(), stateless))
	a := send(t, server.URL, issuer.Token("read:orders"), `[`+call("list_orders")+`]`)
	var got struct {
		Error struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Error.Code != -32600 || got.Error.Message != "The request was refused: the body is a batch of messages" {
		t.Errorf("%v, %s", err, a.body)
	}
	if len(a.challenge) != 0 || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", a.header)
	}
}

// Of two issuers whose names differ by what a subject may hold, none can take the other's session.
func TestSessionsOfTwoIssuersWithABar(t *testing.T) {
	const shared = "https://issuer.example/tenant"
	barred := authtest.NewIssuer(t, &authtest.Options{URL: shared + "|a"})
	plain := authtest.NewIssuer(t, &authtest.Options{URL: shared})
	issuers, err := auth.NewIssuers(barred.Verifier(barred.Config()), plain.Verifier(plain.Config()))
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewGuard(issuers, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := newOrders()
	server := serve(t, mcpauth.Guard(o.Server, guard, rules(), nil))
	session := initialize(t, server.URL, barred.Token("read:orders", authtest.Claims{"sub": "bob"}))
	if a := send(t, server.URL, plain.Token("read:orders", authtest.Claims{"sub": "a|bob"}), call("list_orders"), session); a.status != 403 {
		t.Errorf("another issuer's caller in the session: %+v", a)
	}
}
