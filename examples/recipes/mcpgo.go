package recipes

import (
	"context"
	"net/http"

	"github.com/mark3labs/mcp-go/server"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
)

// newMCP puts a guard in front of a server of mark3labs/mcp-go.
//
// region: mcpgo
func newMCP(guard *auth.Guard, tools *server.MCPServer) http.Handler {
	rules := mcpauth.Protocol()
	rules["tools/call list_orders"] = auth.Scopes("read:orders")
	rules["tools/call cancel_order"] = auth.Scopes("write:orders")
	withCaller := func(ctx context.Context, r *http.Request) context.Context {
		caller, _ := mcpauth.RequestPrincipal(r)
		return auth.WithPrincipal(ctx, caller) // for auth.PrincipalFrom in tools
	}
	return mcpauth.Handler(server.NewStreamableHTTPServer(tools, server.WithStateLess(true), server.WithHTTPContextFunc(withCaller)), guard, rules, nil)
}

// endregion
