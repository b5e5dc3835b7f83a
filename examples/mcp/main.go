// Mcp is an MCP server with a rule for each tool, at http://127.0.0.1:8080/mcp. Its clients find
// the authorization server that it starts beside it, register there, and log in as alice
// (wonderland). A client that calls cancel_order with a token for list_orders asks for more.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	"github.com/bearward/bearward/examples/internal/authserver"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/resource"
)

func main() {
	const issuer, api = "http://127.0.0.1:9000", "http://127.0.0.1:8080/mcp"
	authority := must(authserver.New(authserver.Config{
		Issuer: issuer, Audiences: []string{api}, AnyScope: true,
		Scopes: []authserver.Scope{{Name: "read:orders", Meaning: "See your orders"}, {Name: "write:orders", Meaning: "Cancel your orders"}},
		Users:  []authserver.User{{Name: "alice", Password: "wonderland", FullName: "Alice"}},
	}))
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:9000", authority)) }()
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", newHandler(issuer, api)))
}

func newHandler(issuer, api string) http.Handler {
	// region: mcp
	guard := must(auth.New(issuer, api, &auth.GuardOptions{ResourceMetadata: must(resource.URL(api))}))
	rules := mcpauth.Protocol()
	rules["tools/call list_orders"] = auth.Scopes("read:orders")
	rules["tools/call cancel_order"] = auth.Scopes("write:orders")
	document := must(resource.New(guard, resource.Metadata{Name: "Orders"}, rules))
	mux := http.NewServeMux()
	mux.Handle(document.Pattern(), document)
	mux.Handle("/mcp", mcpauth.Guard(newServer(), guard, rules, &mcpauth.Options{EntryScopes: []string{"read:orders"}}))
	// endregion
	return mux
}

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "orders", Version: "1"}, nil)
	for name, did := range map[string]string{"list_orders": "orders", "cancel_order": "cancelled an order"} {
		mcp.AddTool(server, &mcp.Tool{Name: name}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			caller, _ := mcpauth.PrincipalFrom(req)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: did + " of " + caller.Subject()}}}, nil, nil
		})
	}
	return server
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
