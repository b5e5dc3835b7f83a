package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/promise"
)

// toolWalk is a client of MCP with somebody before it, and what passed between it and the servers.
type toolWalk struct {
	server  string // its URL
	session *mcp.ClientSession
	asked   []string          // the scopes that it asked for, login by login
	refused []promise.Outcome // of the server, to what was sent
	token   string            // that it used last
}

// RoundTrip watches what the client sends and gets.
func (t *toolWalk) RoundTrip(req *http.Request) (*http.Response, error) {
	if scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " "); scheme == "Bearer" {
		t.token = token
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden) {
		t.refused = append(t.refused, outcomeOf(resp))
	}
	return resp, err
}

// outcomeOf is what promises are about in an answer of the server.
func outcomeOf(resp *http.Response) promise.Outcome {
	return promise.Outcome{
		Status: resp.StatusCode, Shown: fmt.Sprint(resp.StatusCode),
		Challenge: strings.Join(resp.Header.Values("WWW-Authenticate"), "\n"),
	}
}

// fetchCode has alice log in and allow all that the client asks for.
func (t *toolWalk) fetchCode(ctx context.Context, args *sdkauth.AuthorizationArgs) (*sdkauth.AuthorizationResult, error) {
	at, err := url.Parse(args.URL)
	if err != nil {
		return nil, err
	}
	query := at.Query()
	if query.Get("resource") != t.server || query.Get("code_challenge_method") != "S256" {
		return nil, fmt.Errorf("it asks without PKCE, or for another resource: %s", args.URL)
	}
	scopes := strings.Fields(query.Get("scope"))
	slices.Sort(scopes)
	t.asked = append(t.asked, strings.Join(scopes, " "))
	back, err := alice.Walk(ctx, nil, args.URL, query.Get("redirect_uri"))
	if err != nil {
		return nil, err
	}
	answer := back.Query()
	return &sdkauth.AuthorizationResult{Code: answer.Get("code"), State: answer.Get("state"), Iss: answer.Get("iss")}, nil
}

// connect connects the official SDK's client, which logs alice in when it has to.
func (t *toolWalk) connect(ctx context.Context) error {
	hc := &http.Client{Transport: t, Timeout: callTimeout}
	handler, err := sdkauth.NewAuthorizationCodeHandler(&sdkauth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &sdkauth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "Quickstart check of MCP", RedirectURIs: []string{"http://localhost:9/callback"}, TokenEndpointAuthMethod: "none",
			Scope: "read:orders write:orders",
		}},
		AuthorizationCodeFetcher: t.fetchCode, Client: hc,
	})
	if err != nil {
		return err
	}
	t.session, err = mcp.NewClient(&mcp.Implementation{Name: "check", Version: "1"}, nil).Connect(ctx,
		&mcp.StreamableClientTransport{Endpoint: t.server, OAuthHandler: handler, HTTPClient: hc, DisableStandaloneSSE: true}, nil)
	return err
}

// call calls a tool, and tells how the answer differs from what is promised to alice.
func (t *toolWalk) call(ctx context.Context, name string, orders int) error {
	res, err := t.session.CallTool(ctx, &mcp.CallToolParams{Name: name})
	if err != nil {
		return err
	}
	var said toolAnswer
	raw, err := json.Marshal(res.StructuredContent)
	if err == nil {
		err = json.Unmarshal(raw, &said)
	}
	if err == nil && (said.Caller != alice.Name || len(said.Orders) != orders) {
		err = fmt.Errorf("it answered %s, promised %d orders for alice", raw, orders)
	}
	return err
}

// wantRefusal tells how the last refusal, of n, differs from what is promised.
func (t *toolWalk) wantRefusal(n int, p promise.Promise) error {
	if len(t.refused) != n {
		return fmt.Errorf("%d requests were refused, promised %d", len(t.refused), n)
	}
	if fault := p.Broken(t.refused[n-1]); fault != "" {
		return errors.New(fault)
	}
	return nil
}

// wantAsked tells how what the client asked for differs from what is promised.
func (t *toolWalk) wantAsked(want ...string) error {
	if !slices.Equal(t.asked, want) {
		return fmt.Errorf("it asked for %q, promised %q", t.asked, want)
	}
	return nil
}

// tools: a client of MCP that knows nothing but the server's URL gets a token, and a better one
// when a tool needs it.
func (w *walk) tools(ctx context.Context, _, _ *oauth2.Token) error {
	foreign, err := w.app.LogIn(ctx, alice, "read:orders")
	if err != nil {
		return err
	}
	if err := w.toolServer.start(w.issuer.url, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	server := w.toolServer.url
	metadata := strings.TrimSuffix(server, "/mcp") + "/.well-known/oauth-protected-resource/mcp"
	t := &toolWalk{server: server}
	w.chapter("11. An MCP server, and a client that knows nothing but its URL")
	err = t.connect(ctx)
	w.fact("without a token it is refused: 401 with the metadata's address, and read:orders", errors.Join(err, t.wantRefusal(1, promise.LogIn(metadata, "read:orders"))))
	if err != nil {
		return nil
	}
	defer t.session.Close()
	w.fact("the metadata name the server, its issuer and its scopes", w.wantMetadata(ctx, metadata))
	w.fact("it registers, and logs alice in for read:orders, with PKCE and the server as resource", t.wantAsked("read:orders"))
	w.fact("list_orders answers alice", t.call(ctx, "list_orders", 2))
	first := t.token
	err = t.call(ctx, "place_order", 1)
	w.fact("place_order is refused: 403 with both scopes", t.wantRefusal(2, promise.Needs("read:orders write:orders")))
	w.fact("it logs alice in for both", t.wantAsked("read:orders", "read:orders write:orders"))
	w.fact("place_order answers alice", err)
	err = errors.Join(t.call(ctx, "list_orders", 3), t.wantRefusal(2, promise.Needs("read:orders write:orders")))
	if t.token == first {
		err = errors.Join(err, errors.New("the token is the first one"))
	}
	w.fact("list_orders goes on, with the new token", err)
	w.ask(ctx, list, token{name: "alice's, for the tools", raw: t.token}, promise.BadToken())
	w.fact("the MCP server refuses alice's token for the orders API: 401", wantForeign(ctx, server, foreign.AccessToken))
	return nil
}

// wantMetadata tells how the server's metadata differ from what is promised.
func (w *walk) wantMetadata(ctx context.Context, at string) error {
	md, err := oauthex.GetProtectedResourceMetadata(ctx, at, w.toolServer.url, http.DefaultClient)
	if err != nil {
		return err
	}
	if !slices.Equal(md.AuthorizationServers, []string{w.issuer.url}) || !slices.Equal(md.ScopesSupported, []string{"read:orders", "write:orders"}) {
		return fmt.Errorf("they name %q and %q", md.AuthorizationServers, md.ScopesSupported)
	}
	return nil
}

// wantForeign tells how the server's answer to a token for another API differs from what is
// promised.
func wantForeign(ctx context.Context, server, raw string) error {
	body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_orders","arguments":{}}}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := httpClient().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if fault := promise.BadToken().Broken(outcomeOf(resp)); fault != "" {
		return errors.New(fault)
	}
	return nil
}
