package webapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearward/bearward/examples/internal/promise"
)

// The header fields by which a client of MCP names what its message is for.
const (
	mcpMethod = "Mcp-Method"
	mcpName   = "Mcp-Name"
)

// httpClient is how the client's messages are sent.
func (c *toolCall) httpClient() *http.Client {
	return &http.Client{Transport: settled{c, c.app.hc.Transport}, Timeout: c.app.hc.Timeout}
}

// settled sends a message again to a server that has not met the token's key yet, for a while. The
// SDK would have the person log in once more.
type settled struct {
	call *toolCall
	next http.RoundTripper
}

func (s settled) RoundTrip(req *http.Request) (*http.Response, error) {
	kid := keyOfTools(tokenOf(req))
	for deadline := time.Now().Add(settleTime); ; {
		again := kid != "" && !s.call.app.hasMet(kid) && time.Now().Before(deadline) && !s.call.app.cfg.Issuer.Down()
		s.call.mu.Lock()
		s.call.again = again
		s.call.mu.Unlock()
		resp, err := s.next.RoundTrip(req)
		if err != nil || !again || resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusServiceUnavailable {
			return resp, err
		}
		resp.Body.Close()
		pause(req.Context(), askAgain)
		if req, err = rewound(req); err != nil {
			return nil, err
		}
	}
}

// rewound is a request that was sent, to be sent again.
func rewound(req *http.Request) (_ *http.Request, err error) {
	req = req.Clone(req.Context())
	if req.GetBody != nil {
		req.Body, err = req.GetBody()
	}
	return req, errors.Join(err, req.Context().Err())
}

// tokenOf is the access token of a message; "" when it has none.
func tokenOf(req *http.Request) string {
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	return token
}

// keyOfTools names a token's key among those that the MCP server meets; "" for no token.
func keyOfTools(token string) string {
	if token == "" {
		return ""
	}
	return "mcp " + keyID(token)
}

// name names an exchange of the client, and promises what comes of it.
func (c *toolCall) name(req *http.Request) exchange {
	server, _ := url.Parse(c.app.cfg.Tools.URL) // the SDK has parsed it
	e := exchange{From: "client", To: "issuer"}
	switch {
	case req.URL.Host == server.Host && req.URL.Path == server.Path:
		c.nameMessage(req, &e)
	case req.URL.Host == server.Host:
		e.Title, e.To = "It reads the metadata that the answer names", "MCP server"
	case strings.HasPrefix(req.URL.Path, "/.well-known/"):
		e.Title = "It reads the issuer’s metadata"
	case req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/register"):
		e.Title = "It registers itself at the issuer"
	default:
		e.Title = "It trades the code for a token, with its code verifier"
	}
	e.lane = drawn([]part{{Exchange: &e}})[0].Exchange.lane
	return e
}

// nameMessage names a message to the server.
func (c *toolCall) nameMessage(req *http.Request, e *exchange) {
	token, method := tokenOf(req), methodOf(req)
	what := "The client asks what the server offers"
	switch method {
	case "server/discover":
	case "tools/call":
		what = "The client calls " + c.tool.name
	default:
		what = "The client says " + method
	}
	with := ", with its token"
	switch {
	case token == "":
		with = ", without a token"
	case c.allowed:
		with = ", with the new token"
	}
	e.Title, e.To = what+with, "MCP server"
	e.check = func(resp *http.Response, body []byte) string { return c.check(method, token, resp, body) }
}

// methodOf is the method of a message of JSON-RPC; "" when it has none.
func methodOf(req *http.Request) string {
	if method := req.Header.Get(mcpMethod); method != "" || req.GetBody == nil {
		return method
	}
	body, err := req.GetBody()
	if err != nil {
		return ""
	}
	var message struct{ Method string }
	raw, _ := io.ReadAll(io.LimitReader(body, maxForm))
	_ = json.Unmarshal(raw, &message) // none
	return message.Method
}

// check tells how the server's answer to a message differs from what was promised, and remembers a
// refusal.
func (c *toolCall) check(method, token string, resp *http.Response, body []byte) string {
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	out := promise.Outcome{
		Status: resp.StatusCode, Shown: strconv.Itoa(resp.StatusCode), RetryAfter: time.Duration(seconds) * time.Second,
		Challenge: strings.Join(resp.Header.Values("WWW-Authenticate"), "\n"),
	}
	var said struct {
		Result struct{ StructuredContent toolAnswer }
	}
	if json.Unmarshal(body, &said) == nil {
		out.Sub = said.Result.StructuredContent.Caller
	}
	c.mu.Lock()
	c.refused = refusal{}
	if out.Status != http.StatusOK {
		c.refused = refusal{out.Status, token}
	}
	again := c.again
	c.mu.Unlock()
	kid := keyOfTools(token)
	want := c.promised(method, token)
	if kid != "" && !c.app.hasMet(kid) {
		want = want.Or(promise.Unavailable()) // not to know a key yet is no fault
		if again {
			want = want.Or(promise.BadToken())
		}
	}
	if kid != "" && (out.Status == http.StatusOK || out.Status == http.StatusForbidden) {
		c.app.meet(kid)
	}
	return want.Broken(out)
}

// promised is what the server must answer to a message.
func (c *toolCall) promised(method, token string) promise.Promise {
	facts, scopes := factsOf(token), []string{c.tool.scope}
	for _, scope := range toolScopes() {
		if slices.Contains(facts.scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	isCall := method == "tools/call"
	switch {
	case token == "" && isCall:
		return promise.LogIn(c.metadata(), c.tool.scope)
	case token == "":
		return promise.LogIn(c.metadata(), c.app.cfg.Tools.EntryScope)
	case facts.expired():
		return promise.BadToken()
	case isCall && !slices.Contains(facts.scopes, c.tool.scope):
		return promise.Needs(strings.Join(sorted(scopes), " "))
	case isCall:
		return promise.OKAs(facts.sub)
	}
	return promise.OKAnonymous() // it does not tell who is calling
}

// metadata is where the server's are (RFC 9728 §3.1).
func (c *toolCall) metadata() string {
	server, _ := url.Parse(c.app.cfg.Tools.URL) // the SDK has parsed it
	return server.Scheme + "://" + server.Host + "/.well-known/oauth-protected-resource" + server.Path
}

// opening says what came of the call, so far; "" when a problem says it.
func (c *toolCall) opening() string {
	c.mu.Lock()
	refused := c.refused
	c.mu.Unlock()
	switch {
	case c.asked != nil:
		return c.refusal(refused) + " The client asks for " + list(c.scopes()) + ", and waits for you."
	case c.late:
		return "Nobody logged in within " + span(c.app.cfg.Tools.Patience) + ", so the client gave up."
	case c.denied && c.client.token() == "":
		return "You said no. The client got no token, and did not call again."
	case c.denied:
		return "You said no. The client got no new token, and did not call again."
	case c.err != nil && refused.status == http.StatusForbidden && c.allowed:
		return "You did not allow " + c.tool.scope + ", so the server still refuses the call (403)."
	case c.err != nil && refused.status == http.StatusServiceUnavailable:
		return "The server cannot verify the token yet (503): its key is new to it."
	case c.err != nil:
		return ""
	case c.allowed:
		return "After the login the call works: " + c.tool.did(c.answer) + "."
	}
	return "The call works: " + c.tool.did(c.answer) + "."
}

// refusal says why the server refused.
func (c *toolCall) refusal(r refusal) string {
	facts := factsOf(r.token)
	switch {
	case r.token == "":
		return "Without a token the server refuses (401), and says where to log in."
	case r.status == http.StatusForbidden:
		return "The token has no " + c.tool.scope + ": the server refuses the call (403), and says what it needs."
	case facts.expired():
		return "The token expired at " + clock(facts.expiry) + ": the server refuses it (401)."
	}
	return fmt.Sprintf("The server refuses the token (%d).", r.status)
}

// problem says what stopped the call; "" when nothing did.
func (c *toolCall) problem() string {
	switch {
	case c.asked != nil || c.err == nil || c.opening() != "":
		return ""
	case !c.over():
		return "The call is not over."
	}
	return "The client gave up. It got no answer that it could use."
}

// result is what the page shows of the call.
func (c *toolCall) result() result {
	r := result{Action: "tool-list", Title: "Call " + c.tool.name, Parts: opened(c.rec.done()), opening: c.opening()}
	if c.tool.name == placeTool.name {
		r.Action = "tool-place"
	}
	if problem := c.problem(); problem != "" {
		r.Parts = append(r.Parts, part{Problem: problem})
	}
	return r
}

func sorted(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}
