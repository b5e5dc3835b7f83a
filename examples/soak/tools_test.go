//go:build unix

package soak_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// callOf is a message that calls a tool, and asks for its progress.
func callOf(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{},"_meta":{"progressToken":"p"}}}`
}

// serveTools serves the operations as tools of MCP, and a tool whose answer is a stream.
func (r *replica) serveTools(w *world, ca *authtest.CA, guard *auth.Guard) {
	server := mcp.NewServer(&mcp.Implementation{Name: "soak", Version: "1"}, nil)
	rules, targets := mcpauth.Protocol(), map[operation]target{}
	for what, rule := range w.rules() {
		name := fmt.Sprint("tool_", int(what))
		rules["tools/call "+name] = rule
		targets[what] = target{"/", callOf(name)}
		mcp.AddTool(server, &mcp.Tool{Name: name}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			caller, _ := mcpauth.PrincipalFrom(req)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: saying(caller.Subject())}}}, nil, nil
		})
	}
	rules["tools/call watch"] = w.rules()[list]
	mcp.AddTool(server, &mcp.Tool{Name: "watch"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		caller, _ := mcpauth.PrincipalFrom(req)
		err := tell(ctx, func() error {
			return req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "p", Message: saying(caller.Subject())})
		})
		return nil, nil, err
	})
	handler := func(json bool) string {
		options := &mcpauth.Options{HTTP: &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: json}}
		sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, options.HTTP)
		return r.listen(ca, mcpauth.Handler(sdk, guard, rules, options))
	}
	if err := mcpauth.Check(server, rules); err != nil {
		w.t.Fatal(err)
	}
	server.AddReceivingMiddleware(mcpauth.Enforce(rules))
	streams := handler(false)
	r.addHTTP(front{
		name: "MCP", method: http.MethodPost, url: handler(true), targets: targets, checked: true,
		open: func(ctx context.Context, c call) (*stream, error) { return r.openTool(ctx, streams, c) },
	})
}

// A statusError is an answer of HTTP in the place of a stream.
type statusError int

func (s statusError) Error() string { return fmt.Sprint("status ", int(s)) }

// openTool calls the tool whose answer is a stream. That ends without a status, so the end of one
// that had begun counts as 401.
func (r *replica) openTool(ctx context.Context, url string, c call) (*stream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(callOf("watch")))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	c.into(req.Header)
	resp, err := r.client(c).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, statusError(resp.StatusCode)
	}
	lines := bufio.NewScanner(resp.Body)
	return &stream{close: func() { _ = resp.Body.Close() }, next: func() (string, error) {
		for lines.Scan() {
			if text := lines.Text(); strings.Contains(text, "notifications/progress") {
				return heard(text), nil
			} else if strings.Contains(text, `"result"`) || strings.Contains(text, `"error"`) {
				return "", errors.New(text) // the tool came back before the end
			}
		}
		return "", statusError(http.StatusUnauthorized)
	}}, nil
}

// tell calls send each tick, until the stream ends.
func tell(ctx context.Context, send func() error) error {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		if err := send(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
	}
}
