package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Environment variables of the random orders: how many (3; in CI 30), and the first seed.
const (
	howMany   = "BROWSER_ORDERS"
	firstSeed = "BROWSER_SEED"
)

// pressesPerOrder is how many buttons one order presses.
const pressesPerOrder = 7

// TestRandomOrdersInABrowser presses the buttons in random orders and holds every claim of every
// page against what the servers answered, and against what they should have.
func TestRandomOrdersInABrowser(t *testing.T) {
	t.Parallel() // it mostly waits
	orders, seed := 3, uint64(time.Now().UnixNano())%1_000_000
	if os.Getenv("CI") == "true" {
		orders = 30
	}
	if text, set := os.LookupEnv(howMany); set {
		orders, _ = strconv.Atoi(text)
	}
	if text, set := os.LookupEnv(firstSeed); set {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	b := openBrowser(t, 10*time.Minute)
	b.run(chromedp.EmulateViewport(views[0].width, views[0].height))
	for i := range orders {
		r := &random{browser: b, Rand: rand.New(rand.NewPCG(seed+uint64(i), 0))}
		r.order()
		if t.Failed() {
			t.Fatalf("again with %s=%d %s=1: %s", firstSeed, seed+uint64(i), howMany, strings.Join(r.pressed, ", "))
		}
	}
}

// random is one random order, and what the test knows of how things stand.
type random struct {
	*browser
	*rand.Rand
	pressed []string

	scopes     []string          // of the access token
	registered []string          // scopes that the application may ask for
	expiries   []string          // of the tokens of this login
	refresh    string            // kept, none or worthless
	further    map[string]issued // the other tokens of this login

	tools        tools
	downByOpaque bool // the issuer went down on the tab of opaque tokens
}

var apiScopes = []string{"read:orders", "write:orders", "admin:all"}

// order is one person's way: register or not, log in, press, log out.
func (r *random) order() {
	r.t.Helper()
	home := "http://" + r.ports.app() + "/"
	if text := r.goTo(home); strings.Contains(text, "Register first") || !strings.Contains(text, "done") || r.IntN(3) == 0 {
		r.goTo(home + "register")
		r.registered = r.untick(apiScopes, 5)
		r.press("Register")
	} else {
		r.registered = r.lastRegistered()
	}
	r.goTo(home)
	r.logIn()
	r.consent(false)
	for range pressesPerOrder {
		r.step()
		if r.t.Failed() {
			return
		}
	}
	r.leave()
}

// lastRegistered asks the issuer's consent page what the registration may ask for.
func (r *random) lastRegistered() []string {
	for _, call := range slices.Backward(r.spy.since(0)) {
		var said struct {
			Name  string `json:"client_name"`
			Scope string
		}
		if call.path == "/register" && json.Unmarshal(call.body, &said) == nil && said.Name != "MCP client" {
			return strings.Fields(said.Scope)
		}
	}
	r.t.Fatal("nothing was registered")
	return nil
}

// untick takes the tick from one box in n, and returns the names that keep theirs.
func (r *random) untick(names []string, n int) (left []string) {
	for _, name := range names {
		if r.IntN(n) > 0 {
			left = append(left, name)
			continue
		}
		r.run(chromedp.Click(chromedp.CSS(`input[value="` + name + `"]`)))
	}
	return append([]string{"openid", "profile", "offline_access"}, left...)
}

// consent allows some of what is asked for.
func (r *random) consent(again bool) {
	r.t.Helper()
	before := r.allow(r.mayAsk(func(scope string) bool { return again || scope != "admin:all" }))
	r.further, r.tools = make(map[string]issued), tools{}
	r.learn(before)
	r.expiries = r.expiries[max(0, len(r.expiries)-1):]
	r.hold(r.page(), "a login")
}

// consentFurther allows some of what is asked for another token.
func (r *random) consentFurther(name string) {
	r.t.Helper()
	before := r.allow(r.mayAsk(func(scope string) bool { return scope != "admin:all" && scope != "offline_access" }))
	old := r.further[name]
	delete(r.further, name)
	r.learn(before)
	if got, ok := r.further[name]; !ok || got.key == old.key {
		r.t.Errorf("the issuer gave no new token %q", name)
		return
	}
	r.hold(r.page(), "a login for a token: "+name)
}

// mayAsk are the registered scopes that wanted accepts and a person is asked for.
func (r *random) mayAsk(wanted func(scope string) bool) (scopes []string) {
	for _, scope := range r.registered {
		if scope != "openid" && wanted(scope) {
			scopes = append(scopes, scope)
		}
	}
	slices.Sort(scopes)
	return scopes
}

// allow ticks some of the boxes of a consent page that asks for what is wanted, in order, and
// returns how many answers there were before it said yes.
func (r *random) allow(want []string) (before int) {
	r.t.Helper()
	const boxes = `JSON.stringify([...document.querySelectorAll("input[name=scope]:not(:disabled)")].map((el) => el.value))`
	raw, err := chromedp.Run(r.ctx, chromedp.Evaluate[string](boxes))
	r.must(err)
	var asked []string
	r.must(json.Unmarshal([]byte(raw), &asked))
	slices.Sort(asked)
	if !slices.Equal(asked, want) {
		r.t.Errorf("the consent page asks for %v, want %v", asked, want)
	}
	r.untick(asked, 6)
	before = r.spy.count()
	r.press("Allow")
	return before
}

func (r *random) page() page {
	r.t.Helper()
	return r.browser.read()
}

// step presses one button that is on, often after a change of tabs.
func (r *random) step() {
	r.t.Helper()
	if tab := tabs[r.IntN(len(tabs))]; tab != r.page().Tab {
		r.pressed = append(r.pressed, tab)
		r.press(tab)
		if at := r.page().Tab; at != tab {
			r.t.Errorf("the tab is %q, want %q", at, tab)
		}
	}
	var on []string
	for _, b := range r.page().Buttons {
		if !b.Off {
			on = append(on, b.Name)
		}
	}
	if len(on) == 0 { // no bound token, and the issuer is down
		r.holdButtons(r.page(), r.stack.issuer.Down(), r.t.Errorf)
		return
	}
	label := on[r.IntN(len(on))]
	r.pressed = append(r.pressed, label)
	before := r.spy.count()
	r.press(label)
	if label == "Ask for more scopes" || label == "Log in again" {
		r.consent(true)
		return
	}
	for name, button := range getting {
		if label == button {
			r.consentFurther(name)
			return
		}
	}
	if label == "Log in for the client" {
		r.loginForTool()
		return
	}
	if r.status != 200 {
		r.t.Errorf("%s: status %d", label, r.status)
	}
	r.learn(before)
	if label == "Replay a refresh token" {
		r.refresh = "worthless"
	}
	if label == "Take the issuer down" {
		r.downByOpaque = r.page().Tab == opaqueTab
	}
	if label == "Revoke the token" {
		token := r.further[readByIssuer]
		token.revoked = true
		r.further[readByIssuer] = token
	}
	if label == "Start over" {
		r.tools = tools{}
		delete(r.further, forTools)
	}
	p := r.page()
	switch {
	case toolScope[label] != "":
		r.callTool(p, label, r.spy.since(before))
		r.hold(p, label)
	case label == "Start over":
		r.hold(p, label)
		if len(p.Steps) > 0 || r.spy.count() != before {
			r.t.Errorf("%s: the page draws %v, %d requests were sent", label, p.Steps, r.spy.count()-before)
		}
	default:
		r.hold(p, label)
		r.holdAnswers(p, label, r.spy.since(before))
	}
	if r.IntN(4) == 0 { // what was said stays when the page is loaded again
		again := r.page()
		r.run(chromedp.Reload())
		if reloaded := r.page(); reloaded.Headline != again.Headline || len(reloaded.Calls) != len(again.Calls) {
			r.t.Errorf("%s: loaded again, the page says %q, before %q", label, reloaded.Headline, again.Headline)
		}
	}
}

// leave logs out and holds what the page says of it.
func (r *random) leave() {
	r.t.Helper()
	down, before := r.stack.issuer.Down(), r.spy.count()
	text := r.press("Log out")
	if !down {
		r.wants(text, "Log out?")
		text = r.press("Log out")
	}
	revoked := slices.ContainsFunc(r.spy.since(before), func(call recorded) bool { return call.path == "/revoke" && call.status == "200" })
	for claim, want := range map[string]bool{
		"The refresh token is revoked":                          revoked,
		"The refresh token is not revoked":                      r.refresh == "kept" && !revoked,
		"There was no refresh token":                            r.refresh == "none",
		"The refresh token was worthless already":               r.refresh == "worthless",
		"Your session at the authorization server is over":      !down,
		"Your session at the authorization server is not over":  down,
		"Your session at the application is over":               true,
		"The access token is good until":                        true,
		"Your session at the authorization server is not known": false,
	} {
		if strings.Contains(text, claim) != want {
			r.t.Errorf("after the logout, refresh token %s, issuer down %t: the page says %q: %t\n%s", r.refresh, down, claim, !want, text)
		}
	}
	r.stack.issuer.SetDown(false)
	if text := r.press("Start again"); down {
		r.wants(text, "Log in and consent")
		r.wants(r.press("Log in"), "Allow") // the session at the issuer is not over, as the page said
		return
	}
	r.wants(r.press("Log in"), "Password")
}
