package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// toolTab is the tab of the MCP server, and forTools its client's token, as the page calls it.
const (
	toolTab  = "MCP"
	forTools = "tool"
)

// toolScope is the scope that each tool needs, by its button.
var toolScope = map[string]string{"Call list_orders": "read:orders", "Call place_order": "write:orders"}

// step is one exchange that the page draws.
type step struct{ Route, Status string }

// tools is what the test knows of the client of MCP.
type tools struct {
	button string   // of the last call
	steps  []step   // of it
	asked  []string // the scopes for which it waits; nil: it does not wait
	met    bool     // that call found a token that the server accepts, so that a refusal is its own
}

// whyToolOff is why a button of the tab is off.
func (r *random) whyToolOff(button string, down bool) string {
	token, has := r.further[forTools]
	waits := r.tools.asked != nil
	switch {
	case button == "Start over" && !has && !waits:
		return "nothing to forget"
	case button == "Start over":
		return ""
	case button == "Log in for the client" && !waits:
		return "No call waits for a login."
	case button != "Log in for the client" && waits:
		return "A call waits for you."
	case down && (waits || !slices.Contains(token.scopes, toolScope[button])):
		return "The issuer is down"
	}
	return ""
}

// callTool holds what the page says after a tool's button was pressed.
func (r *random) callTool(p page, label string, calls []recorded) {
	r.t.Helper()
	r.tools = tools{button: label}
	token, has := r.further[forTools]
	r.tools.met = has
	want := r.toolHeadline(token, has, calls)
	r.addSteps(calls)
	r.holdTool(p, label, want)
}

// loginForTool says yes or no to what the client asks for.
func (r *random) loginForTool() {
	r.t.Helper()
	r.wants(r.text(), "Allow MCP client?")
	if r.IntN(5) == 0 {
		r.pressed = append(r.pressed, "Deny")
		before := r.spy.count()
		r.press("Deny")
		_, has := r.further[forTools]
		want := map[bool]string{true: "You said no. The client got no new token, and did not call again.", false: "You said no. The client got no token, and did not call again."}[has]
		r.endLogin(before, want)
		return
	}
	old := r.further[forTools]
	before := r.allow(r.tools.asked)
	r.learn(before)
	token, has := r.further[forTools]
	if !has || token.id == old.id {
		r.t.Error("the issuer gave the client no new token")
		return
	}
	calls := r.spy.since(before)
	want := strings.Replace(r.toolHeadline(token, true, calls), "The call works", "After the login the call works", 1)
	if scope := toolScope[r.tools.button]; r.tools.met && !slices.Contains(token.scopes, scope) {
		r.tools.asked, want = nil, "You did not allow "+scope+", so the server still refuses the call (403)."
	}
	r.tools.met = true
	asked := r.tools.asked
	r.endLogin(before, want)
	r.tools.asked = asked
	r.holdButtons(r.page(), r.stack.issuer.Down(), r.t.Errorf)
}

func (r *random) endLogin(before int, want string) {
	r.t.Helper()
	r.tools.steps = append(r.tools.steps, step{"browser to issuer", "page"}, step{"browser to client", "303"})
	r.addSteps(r.spy.since(before))
	if strings.HasPrefix(want, "You said no") {
		r.tools.asked = nil
	}
	p := r.page()
	r.hold(p, "a login for the client")
	r.holdTool(p, "a login for the client", want)
}

// toolHeadline is what the page must say of a call with that token, before a login; and what the
// client then waits for.
func (r *random) toolHeadline(token issued, has bool, calls []recorded) string {
	r.tools.asked = nil
	needs := toolScope[r.tools.button]
	switch {
	case !has:
		r.tools.asked = []string{"read:orders"} // of the first message, which is not the tool's call
		return "Without a token the server refuses (401), and says where to log in. The client asks for read:orders, and waits for you."
	case !slices.Contains(token.scopes, needs):
		r.tools.asked = []string{needs}
		for _, scope := range token.scopes {
			if scope != needs {
				r.tools.asked = append(r.tools.asked, scope)
			}
		}
		slices.Sort(r.tools.asked)
		return fmt.Sprintf("The token has no %s: the server refuses the call (403), and says what it needs. The client asks for %s, and waits for you.",
			needs, strings.Join(r.tools.asked, " and "))
	}
	var said struct {
		Result struct{ StructuredContent toolAnswer }
	}
	if len(calls) == 0 || json.Unmarshal(calls[len(calls)-1].body, &said) != nil {
		return "The call works, but there is no answer"
	}
	answer := said.Result.StructuredContent
	if needs == "read:orders" {
		return fmt.Sprintf("The call works: %s sees %d orders.", answer.Caller, len(answer.Orders))
	}
	if len(answer.Orders) != 1 || answer.Orders[0].PlacedBy != alice.Name {
		r.t.Errorf("the tool answered %+v", answer)
		return ""
	}
	return fmt.Sprintf("The call works: it placed order %s for %s.", answer.Orders[0].ID, answer.Caller)
}

// addSteps adds what passed between the client and the servers.
func (r *random) addSteps(calls []recorded) {
	for _, call := range calls {
		to := "MCP server"
		if call.host == r.ports.issuer() {
			to = "issuer"
		}
		r.tools.steps = append(r.tools.steps, step{"client to " + to, call.status})
	}
}

// holdTool holds what the page says of a call, and draws, against what passed.
func (r *random) holdTool(p page, after, want string) {
	r.t.Helper()
	if p.Headline != want {
		r.t.Errorf("after %s: the headline is %q, want %q", after, p.Headline, want)
	}
	if !slices.Equal(p.Steps, r.tools.steps) {
		r.t.Errorf("after %s: the page draws %v, what passed is %v", after, p.Steps, r.tools.steps)
	}
	if title := r.tools.button + " ·"; !strings.Contains(p.Title, title) {
		r.t.Errorf("after %s: the title is %q, want %q in it", after, p.Title, title)
	}
}
