package webapp

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Tools is the MCP server whose tools the orders are also for.
type Tools struct {
	URL        string // of its endpoint, which is its name in tokens
	EntryScope string // that its 401 names
	// Patience is how long a call waits for a person, and for all else. Default 10 minutes.
	Patience time.Duration
}

// A tool is one of the server's.
type tool struct {
	name, scope string
	did         func(toolAnswer) string // in the words of a headline
}

var (
	listTool = tool{"list_orders", "read:orders", func(said toolAnswer) string {
		return said.Caller + " sees " + plural(len(said.Orders), "order", "orders")
	}}
	placeTool = tool{"place_order", "write:orders", func(said toolAnswer) string {
		if len(said.Orders) != 1 {
			return "it placed nothing"
		}
		return "it placed order " + said.Orders[0].ID + " for " + said.Caller
	}}
)

// toolScopes are those that some tool needs, sorted.
func toolScopes() []string { return []string{listTool.scope, placeTool.scope} }

const (
	toolLesson = "/mcp"
	askTool    = "tool"
)

// toolTab is the tab of the MCP server.
func toolTab(s toolSituation) lesson {
	hint := "Your browser goes to the issuer, when a call waits for you"
	if s.Waiting {
		hint = "You are asked for " + list(s.Asked)
	}
	return lesson{
		Label: "MCP", Path: toolLesson,
		Intro: []string{
			"An MCP server has tools that programs call for people, such as assistants. This one has two, and a rule for each: " +
				"list_orders needs read:orders, place_order needs write:orders. Its client is the official one for Go.",
			"Nobody has told the client where to get a token. It calls without one, and is refused. The answer leads it to the issuer (RFC 9728), where it " +
				"registers itself (RFC 7591), and your browser asks you. When a tool needs more than its token has, it asks you again.",
			"Call list_orders, and log in when the client waits for you. Then call place_order.",
		},
		Groups: []group{
			{"Call a tool", []action{
				{Name: "tool-list", Label: "Call list_orders", Short: "List", Hint: "A tool that needs read:orders",
					need: needListTool, run: (*App).doListTool},
				{Name: "tool-place", Label: "Call place_order", Short: "Place", Hint: "A tool that needs write:orders",
					need: needPlaceTool, run: (*App).doPlaceTool},
			}},
			{"When the client waits", []action{
				{Name: "tool-login", Label: "Log in for the client", Short: "Log in", Hint: hint,
					need: needWaiting, ask: askTool},
				{Name: "tool-forget", Label: "Start over", Short: "Start over", Hint: "The client forgets its token: the next call is its first",
					need: needToolClient, run: (*App).doForgetTools},
			}},
		},
	}
}

// toolSituation is what decides which actions of the tab are possible.
type toolSituation struct {
	Known   bool // the client has a token, or a call waits
	Waiting bool
	Asked   []string // the scopes that a call waits for
	Token   tokenState
	Scopes  []string // of the token
}

// Reasons why an action of the tab is not possible.
const (
	blockedWaiting   = "A call waits for you. Log in, or start over."
	blockedNoWaiting = "No call waits for a login."
	blockedNoClient  = "The client has nothing to forget yet."
)

// blocked is why an action of the tab is not possible; "" when it is. While the issuer is down, a
// call is possible that needs nothing of it.
func (s toolSituation) blocked(n need, down bool) string {
	scope := listTool.scope
	if n == needPlaceTool {
		scope = placeTool.scope
	}
	switch {
	case n == needToolClient && !s.Known:
		return blockedNoClient
	case n == needToolClient:
		return ""
	case n == needWaiting && !s.Waiting:
		return blockedNoWaiting
	case n != needWaiting && s.Waiting:
		return blockedWaiting
	case down && (n == needWaiting || s.Token != tokenGood || !slices.Contains(s.Scopes, scope)):
		return blockedThere
	}
	return ""
}

// toolSituation is that of a login, whose lock the caller has.
func (a *App) toolSituation(l *login) toolSituation {
	token := l.tools.token()
	call := l.tools.waitingCall()
	s := toolSituation{Waiting: call != nil, Token: stateOf(token), Scopes: factsOf(token).scopes}
	s.Known = s.Waiting || token != ""
	if call != nil {
		s.Asked = call.scopes()
	}
	return s
}

// toolNow is how things stand on the tab of the MCP server.
func toolNow(n now, server string, s toolSituation, token string) now {
	one := furtherNow("tool", "The client’s token", token)
	switch {
	case s.Waiting:
		one.Note = "a call waits for your login"
	case one.Any:
		one.Note = "for the server " + strings.TrimPrefix(strings.TrimPrefix(server, "http://"), "https://")
	}
	n.Further, n.LogInAgain = []tokenNow{one}, false
	return n
}

func (a *App) doListTool(ctx context.Context, rec *recorder, l *login, _ tokens) error {
	return a.doTool(ctx, rec, l, listTool)
}

func (a *App) doPlaceTool(ctx context.Context, rec *recorder, l *login, _ tokens) error {
	return a.doTool(ctx, rec, l, placeTool)
}

func (a *App) doTool(ctx context.Context, rec *recorder, l *login, t tool) error {
	if l.tools == nil {
		client, err := a.newToolClient(l.handle)
		if err != nil {
			return err
		}
		l.tools = client
	}
	call, err := a.startTool(rec, l.tools, t)
	if err != nil {
		return err
	}
	call.wait(ctx)
	rec.opening = call.opening()
	if problem := call.problem(); problem != "" {
		rec.add(part{Problem: problem})
	}
	return nil
}

func (a *App) doForgetTools(_ context.Context, rec *recorder, l *login, _ tokens) error {
	if l.tools.waitingCall() != nil {
		rec.note("The call that waited is given up")
	}
	l.tools.forget()
	l.tools = nil
	rec.note("The client has no token any more: its next call is a first one")
	return nil
}

// settleTools takes in that a call has ended which waited for a person for too long. The caller has
// the lock of l.
func (a *App) settleTools(l *login) {
	if call := l.tools.abandoned(); call != nil {
		l.results[toolLesson] = call.result()
	}
}

// startToolLogin sends the browser where the client that waits wants it.
func (a *App) startToolLogin(w http.ResponseWriter, r *http.Request, l *login) {
	l.mu.Lock()
	defer l.mu.Unlock()
	call := l.tools.waitingCall()
	if call == nil {
		http.Redirect(w, r, toolLesson, http.StatusSeeOther)
		return
	}
	query := call.asked.Query()
	a.begin(r.Context(), attempt{State: query.Get("state"), ClientID: query.Get("client_id"), Ask: askTool})
	http.Redirect(w, r, call.asked.String(), http.StatusSeeOther)
}

// takeTool hands the issuer's answer, a refusal too, to the client that waits for it.
func (a *App) takeTool(ctx context.Context, w http.ResponseWriter, r *http.Request, at attempt, answer url.Values) {
	l := a.current(ctx)
	how := endedDone
	if answer.Get("error") != "" {
		how = endedDenied
	}
	if l == nil {
		a.finish(ctx, at, endedOther)
		a.failed(w, http.StatusBadRequest, failedPage{Title: "This answer is not taken", Text: "Nobody is logged in any more."})
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	call := l.tools.waitingCall()
	if call == nil || call.asked.Query().Get("state") != at.State {
		a.finish(ctx, at, endedOther)
		a.failed(w, http.StatusBadRequest, failedPage{Title: "This answer is not taken", Text: "The call that it is for does not wait any more."})
		return
	}
	call.take(ctx, answer)
	a.finish(ctx, at, how)
	l.results[toolLesson] = call.result()
	http.Redirect(w, r, toolLesson, http.StatusSeeOther)
}

// lanes are who stands side by side where exchanges are drawn.
var lanes = []string{"browser", "client", "MCP server", "issuer"}

// A lane is where an exchange is drawn: from one of them to another one at its right.
type lane struct{ From, To int }

// drawn draws the exchanges of a tool's call.
func drawn(parts []part) []part {
	for _, p := range parts {
		if p.Exchange != nil {
			p.Exchange.lane = &lane{slices.Index(lanes, p.Exchange.From), slices.Index(lanes, p.Exchange.To)}
		}
	}
	return parts
}

// Lane is where the exchange is drawn; nil: it is not.
func (e exchange) Lane() *lane { return e.lane }
