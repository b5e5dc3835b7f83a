package webapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/orders"
)

// A toolClient is the MCP client of one login: the official SDK's for Go. The nil one has no token.
type toolClient struct {
	vault *vault
	owner string // of what is sealed
	auth  *sdkauth.AuthorizationCodeHandler

	mu     sync.Mutex
	sealed []byte // its token
	call   *toolCall
}

// newToolClient returns the client of a login.
func (a *App) newToolClient(handle string) (_ *toolClient, err error) {
	c := &toolClient{vault: a.vault, owner: handle}
	c.auth, err = sdkauth.NewAuthorizationCodeHandler(&sdkauth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &sdkauth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "MCP client", RedirectURIs: []string{a.callbackURL()}, TokenEndpointAuthMethod: "none",
			Scope: strings.Join(toolScopes(), " "),
		}},
		AuthorizationCodeFetcher: fetchCode,
		NewTokenSource:           c.keep,
		Client:                   a.hc,
	})
	return c, err
}

// toolToken is what is sealed.
type toolToken struct{ Access, Type, Scope string }

// keep keeps a token, sealed, as all that this application keeps. It is sent even when it has
// expired: the server's answer is what shows that.
func (c *toolClient) keep(_ context.Context, _ *oauth2.Config, tok *oauth2.Token) (oauth2.TokenSource, error) {
	scope, _ := tok.Extra("scope").(string)
	sealed, err := c.vault.seal(c.owner, toolToken{tok.AccessToken, tok.TokenType, scope})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = sealed
	return c, nil
}

// Token opens the token for one request.
func (c *toolClient) Token() (*oauth2.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kept toolToken
	if err := c.vault.open(c.owner, c.sealed, &kept); err != nil {
		return nil, err
	}
	return (&oauth2.Token{AccessToken: kept.Access, TokenType: kept.Type}).WithExtra(map[string]any{"scope": kept.Scope}), nil
}

// token is the client's access token; "" when it has none.
func (c *toolClient) token() string {
	if c == nil {
		return ""
	}
	tok, err := c.Token()
	if err != nil {
		return ""
	}
	return tok.AccessToken
}

// waitingCall is the call that waits for a person; nil: none does.
func (c *toolClient) waitingCall() *toolCall {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call == nil || c.call.asked == nil || c.call.over() {
		return nil
	}
	return c.call
}

// abandoned is a call that has ended since it began to wait; nil: none has. It is told once.
func (c *toolClient) abandoned() *toolCall {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.call
	if call == nil || call.asked == nil || !call.over() {
		return nil
	}
	c.call, call.asked, call.late = nil, nil, true
	return call
}

// forget ends a call that waits.
func (c *toolClient) forget() {
	if call := c.waitingCall(); call != nil {
		call.stop() // and so the goroutine that waits
		<-call.done
	}
}

// A toolCall is one call of a tool, from the first request to the answer. A goroutine makes it,
// which is the SDK's client. When that needs a person, it asks, and goes on with the answer.
type toolCall struct {
	app     *App
	client  *toolClient
	tool    tool
	rec     *recorder
	stop    context.CancelFunc
	asks    chan *url.URL   // where a person is to log in
	answers chan url.Values // what the issuer sends back
	done    chan struct{}   // closed when the call is over

	// What came of it. The goroutine writes it, and it is read while that waits or is over.
	answer toolAnswer
	err    error

	mu      sync.Mutex
	refused refusal // the last one
	again   bool    // an answer that does not know the token's key is not the last one

	// asked is where the person is asked, nil when the call does not wait. It changes under the
	// login's lock.
	asked   *url.URL
	allowed bool // the person was asked, and the issuer gave a code
	denied  bool
	late    bool // it waited for too long
}

// toolAnswer is what a tool answers.
type toolAnswer struct {
	Caller string
	Orders []orders.Order
}

// A refusal is what the server refused, and with what.
type refusal struct {
	status int
	token  string // that it was sent
}

type toolCallKey struct{}

// startTool has the client call a tool.
func (a *App) startTool(rec *recorder, client *toolClient, t tool) (*toolCall, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, errors.New("webapp: the application is closed")
	}
	ctx, stop := context.WithTimeout(context.WithValue(context.Background(), recorderKey{}, rec), a.cfg.Tools.Patience)
	c := &toolCall{
		app: a, client: client, tool: t, rec: rec, stop: stop,
		asks: make(chan *url.URL), answers: make(chan url.Values), done: make(chan struct{}),
	}
	rec.names = c.name
	client.mu.Lock()
	client.call = c
	client.mu.Unlock()
	a.toolCalls[c] = true
	a.toolsDone.Go(func() {
		defer close(c.done)
		defer a.endTool(c)
		c.answer, c.err = c.run(context.WithValue(ctx, toolCallKey{}, c))
	})
	return c, nil
}

func (a *App) endTool(c *toolCall) {
	c.stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.toolCalls, c)
}

// stopTools ends all calls and waits for their ends.
func (a *App) stopTools() {
	a.mu.Lock()
	a.closed = true
	for c := range a.toolCalls {
		c.stop()
	}
	a.mu.Unlock()
	a.toolsDone.Wait()
}

// run connects and calls the tool.
func (c *toolCall) run(ctx context.Context) (toolAnswer, error) {
	var said toolAnswer
	client := mcp.NewClient(&mcp.Implementation{Name: "quickstart", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: c.app.cfg.Tools.URL, HTTPClient: c.httpClient(), OAuthHandler: c.client.auth, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	if err != nil {
		return said, fmt.Errorf("webapp: connect: %w", err)
	}
	defer session.Close()
	res, err := session.CallTool(ctx, &mcp.CallToolParams{Name: c.tool.name})
	if err != nil {
		return said, fmt.Errorf("webapp: call: %w", err)
	}
	raw, err := json.Marshal(res.StructuredContent)
	if err == nil {
		err = json.Unmarshal(raw, &said)
	}
	if err != nil || res.IsError {
		return said, errors.Join(errors.New("webapp: the tool failed"), err)
	}
	return said, nil
}

var errDenied = errors.New("webapp: the person said no")

// fetchCode has a person log in, and returns what the issuer sends back.
func fetchCode(ctx context.Context, args *sdkauth.AuthorizationArgs) (*sdkauth.AuthorizationResult, error) {
	c, _ := ctx.Value(toolCallKey{}).(*toolCall)
	at, err := url.Parse(args.URL)
	if c == nil || err != nil {
		return nil, errors.Join(errors.New("webapp: there is nobody to ask"), err)
	}
	select {
	case c.asks <- at:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case answer := <-c.answers:
		if answer.Get("error") != "" {
			c.stop() // or the SDK would begin again, and ask once more
			return nil, errDenied
		}
		return &sdkauth.AuthorizationResult{Code: answer.Get("code"), State: answer.Get("state"), Iss: answer.Get("iss")}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wait waits until the call is over, or waits for a person.
func (c *toolCall) wait(ctx context.Context) {
	c.client.mu.Lock()
	c.asked = nil
	c.client.mu.Unlock()
	var asked *url.URL
	select {
	case asked = <-c.asks:
	case <-c.done:
	case <-ctx.Done():
		c.stop()
		<-c.done
	}
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	c.asked = asked
}

// over tells whether the call is over.
func (c *toolCall) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// scopes are those that the client asks the person for, sorted.
func (c *toolCall) scopes() []string { return sorted(strings.Fields(c.asked.Query().Get("scope"))) }

// take goes on with what the issuer sent back.
func (c *toolCall) take(ctx context.Context, answer url.Values) {
	there := c.asked.Query()
	issuer := *c.asked
	issuer.RawQuery = ""
	c.rec.add(drawn(throughBrowser("client", issuer.String(), there, there.Get("redirect_uri"), answer))...)
	c.denied = answer.Get("error") != ""
	c.allowed = c.allowed || !c.denied
	select {
	case c.answers <- answer:
	case <-c.done:
	}
	c.wait(ctx)
}
