package mcpauth_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
)

// everybody takes every token for one of alice's.
type everybody struct{}

func (everybody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return auth.NewPrincipal([]byte(`{"iss":"https://issuer.example","sub":"alice","scope":"read:orders"}`))
}

// shop is a server with two tools.
func shop() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1"}, nil)
	for _, name := range []string{"list_orders", "cancel_order"} {
		mcp.AddTool(server, &mcp.Tool{Name: name}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			caller, _ := mcpauth.PrincipalFrom(req)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name + " for " + caller.Subject()}}}, nil, nil
		})
	}
	return server
}

// try calls a tool over HTTP.
func try(h http.Handler, tool string) {
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool+`","arguments":{}}}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Authorization", "Bearer xyz")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	for _, challenge := range w.Header()["Www-Authenticate"] {
		fmt.Println(challenge)
	}
}

var inOneAnswer = &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}

// Each tool has its own rule.
func ExampleGuard() {
	server, guard, opts := shop(), must(auth.NewGuard(everybody{}, nil)), &mcpauth.Options{HTTP: inOneAnswer}
	// region: guard
	rules := mcpauth.Protocol() // what every client sends: any token
	rules["tools/call list_orders"] = auth.Scopes("read:orders")
	rules["tools/call cancel_order"] = auth.Scopes("write:orders")
	handler := mcpauth.Guard(server, guard, rules, opts)
	// endregion
	try(handler, "list_orders")
	try(handler, "cancel_order")
	// Output:
	// 200 {"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"list_orders for alice"}]}}
	// 403 {"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"The access token lacks a scope that this operation needs","data":{"type":"about:blank","title":"Forbidden","status":403,"detail":"The access token lacks a scope that this operation needs","code":"INSUFFICIENT_SCOPE","scope":"read:orders write:orders"}}}
	// Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a scope that this operation needs", scope="read:orders write:orders"
}

// The parts of Guard, for a program that makes the SDK's handler by itself.
func ExampleHandler() {
	rules := mcpauth.Protocol()
	rules["tools/call *"] = auth.Scopes("read:orders")
	server := shop()
	if err := mcpauth.Check(server, rules); err != nil {
		fmt.Println(err)
	}
	server.AddReceivingMiddleware(mcpauth.Enforce(rules))
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, inOneAnswer)
	try(mcpauth.Handler(sdk, must(auth.NewGuard(everybody{}, nil)), rules, nil), "cancel_order")
	// Output: 200 {"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"cancel_order for alice"}]}}
}

// What came by no Handler was not authorized.
func ExampleEnforce() {
	rules := mcpauth.Protocol()
	rules["tools/call *"] = auth.Scopes("read:orders")
	server := shop()
	server.AddReceivingMiddleware(mcpauth.Enforce(rules))
	try(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, inOneAnswer), "cancel_order")
	// Output: 200 {"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"This operation was not authorized"}}
}

// What the rules forgot is found at start.
func ExampleCheck() {
	rules := mcpauth.Protocol()
	rules["tools/call list_orders"] = auth.Scopes("read:orders")
	rules["tools/call cancel_orders"] = auth.Scopes("write:orders")
	fmt.Println(mcpauth.Check(shop(), rules))
	// Output:
	// mcpauth: no rule for "tools/call cancel_order": every request is denied
	// mcpauth: nothing that the server has uses rule "tools/call cancel_orders"
}

// The rules of tools can stand in a file, which `bearward rules` checks and compares.
func ExampleProtocol_text() {
	rules := mcpauth.Protocol()
	tools, err := auth.ParseRules("tools/call list_orders  = read:orders\ntools/call cancel_order = write:orders\n")
	maps.Copy(rules, tools)
	fmt.Println(mcpauth.Check(shop(), rules), err)
	// Output: <nil> <nil>
}

// What every client sends needs a token, whosever it is.
func ExampleProtocol() {
	fmt.Println(mcpauth.Protocol()["tools/list"], len(mcpauth.Protocol()))
	// Output: any token 15
}

// A tool asks who is calling.
func ExamplePrincipalFrom() {
	server := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		caller, ok := mcpauth.PrincipalFrom(req)
		fmt.Println(caller.Subject(), caller.HasScope("read:orders"), ok)
		return &mcp.CallToolResult{}, nil, nil
	})
	rules := mcpauth.Protocol()
	rules["tools/call whoami"] = auth.AnyToken()
	try(mcpauth.Guard(server, must(auth.NewGuard(everybody{}, nil)), rules, &mcpauth.Options{HTTP: inOneAnswer}), "whoami")
	// Output:
	// alice true true
	// 200 {"jsonrpc":"2.0","id":1,"result":{"content":[]}}
}

// A handler that is not the SDK's.
func ExampleRequestPrincipal() {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, ok := mcpauth.RequestPrincipal(r)
		fmt.Fprintln(w, caller.Subject(), ok, r.Header["Authorization"])
	})
	rules := mcpauth.Protocol()
	rules["tools/call *"] = auth.Scopes("read:orders")
	try(mcpauth.Handler(next, must(auth.NewGuard(everybody{}, nil)), rules, nil), "list_orders")
	// Output: 200 alice true []
}
