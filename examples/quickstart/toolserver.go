package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	"github.com/bearward/bearward/examples/internal/orders"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/resource"
)

// toolServer is an MCP server for the orders, with a rule for each tool, on its listener.
type toolServer struct {
	url      string // of the endpoint, which is its name in tokens
	link     link
	listener net.Listener
	guard    *auth.Guard  // nil until it is started
	http     *http.Server // likewise
}

// listenTools takes a port for the MCP server: the issuer has to know its name, and is started
// first.
func listenTools(l link) (*toolServer, error) {
	listener, err := listen(anyPort)
	if err != nil {
		return nil, err
	}
	return &toolServer{url: l.scheme() + listener.Addr().String() + "/mcp", link: l, listener: listener}, nil
}

// start serves the tools to callers with tokens of an issuer.
func (s *toolServer) start(issuer string, log *slog.Logger) error {
	metadata, err := resource.URL(s.url)
	if err != nil {
		return err
	}
	options := &jwks.Options{Cooldown: cooldown, Logger: log}
	if s.link.client != nil {
		options.Client = &http.Client{Transport: s.link.transport()}
	}
	keys, err := jwks.FromIssuer(issuer, options)
	if err != nil {
		return err
	}
	config := auth.Config{Issuer: issuer, Audiences: []string{s.url}, Leeway: -1} // one machine, one clock
	s.guard, err = auth.NewWithKeys(keys, config, &auth.GuardOptions{ResourceMetadata: metadata, OnDecision: auth.LogRefusals(log)})
	if err != nil {
		return errors.Join(err, keys.Close())
	}
	rules := mcpauth.Protocol()
	rules["tools/call list_orders"] = auth.Scopes("read:orders")
	rules["tools/call place_order"] = auth.Scopes("write:orders")
	document, err := resource.New(s.guard, resource.Metadata{Name: "Orders"}, rules)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(document.Pattern(), document)
	mux.Handle("/mcp", mcpauth.Guard(newTools(orders.NewBook()), s.guard, rules, &mcpauth.Options{
		EntryScopes: []string{"read:orders"}, Logger: log,
		HTTP: &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}, // one answer to each request: easy to show
	}))
	s.http = httpServer(mux, log)
	go func() { _ = s.http.Serve(s.link.wrap(s.listener)) }() // ends with Shutdown
	return nil
}

// shutdown stops what was started.
func (s *toolServer) shutdown(ctx context.Context) error {
	var err error
	if s.http == nil {
		err = s.listener.Close()
	} else if err = s.http.Shutdown(ctx); err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if s.guard != nil {
		err = errors.Join(err, s.guard.Close())
	}
	return err
}

// toolAnswer is what each tool answers: who it takes the caller for, and orders.
type toolAnswer struct {
	Caller string         `json:"caller"`
	Orders []orders.Order `json:"orders"`
}

// newTools is an MCP server with two tools on a book.
func newTools(book *orders.Book) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "orders", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "list_orders", Description: "Lists the orders"}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, toolAnswer, error) {
		all := book.List()
		return textOf(fmt.Sprintf("%d orders", len(all))), toolAnswer{callerOf(req), all}, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "place_order", Description: "Places an order for tea"}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, toolAnswer, error) {
		order, err := book.Place(callerOf(req), "", 0)
		return textOf("placed order " + order.ID), toolAnswer{callerOf(req), []orders.Order{order}}, err
	})
	return server
}

// callerOf is who the guard says is calling.
func callerOf(req *mcp.CallToolRequest) string {
	caller, ok := mcpauth.PrincipalFrom(req)
	if !ok {
		return ""
	}
	return caller.Subject()
}

func textOf(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}
