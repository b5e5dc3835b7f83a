package recipes

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func mcpTools() *server.MCPServer {
	tools := server.NewMCPServer("orders", "1")
	for _, name := range []string{"list_orders", "cancel_order", "forgotten"} {
		tools.AddTool(mcp.NewTool(name), func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			caller, _ := auth.PrincipalFrom(ctx)
			return mcp.NewToolResultText(fmt.Sprintf("%s ran for %s, authorization %q", name, caller.Subject(), req.Header["Authorization"])), nil
		})
	}
	return tools
}

func TestMCPGo(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	tools := mcpTools()
	guarded, open := newMCP(issuer.Guard(nil), tools), server.NewStreamableHTTPServer(tools, server.WithStateLess(true))
	token := issuer.Token("read:orders", authtest.Claims{"sub": "alice"})
	ask := func(h http.Handler, token, params string) (int, string) {
		r := httptest.NewRequest("POST", "/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`+params+`}}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	const smuggled = `"name":"list_orders","Name":"cancel_order"`
	for _, tt := range []struct {
		token, params string
		status        int
		ran           string
	}{
		{token, `"name":"list_orders"`, 200, "list_orders ran for alice, authorization []"},
		{token, `"name":"cancel_order"`, 403, ""},
		{token, `"name":"forgotten"`, 403, ""},
		{token, smuggled, 400, ""},
		{"", `"name":"list_orders"`, 401, ""},
	} {
		status, body := ask(guarded, tt.token, tt.params)
		if status != tt.status || !strings.Contains(body, tt.ran) || tt.ran == "" && strings.Contains(body, " ran ") {
			t.Errorf("%s: %d %s", tt.params, status, body)
		}
	}
	// The trap: what stands in front and reads "name" alone does not see the tool that runs.
	if _, body := ask(open, "", smuggled); !strings.Contains(body, "cancel_order ran") {
		t.Errorf("mcp-go ran another tool than its parser is known for: %s", body)
	}
}
