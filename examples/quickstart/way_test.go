package main

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// register registers the application and passes the page with the secret,
// which is the one page that may show it.
func (b *browser) register() {
	b.t.Helper()
	b.wants(b.goTo("http://"+b.ports.app()+"/"), "Register the application", "Log in and consent")
	b.look("01-start")
	b.press("Register")
	b.look("02-register")
	b.run(chromedp.SetValue(chromedp.ID("callback"), "http://app.example/callback"))
	b.wants(b.press("Register"), "Use https.")
	b.look("02-register-wrong")
	b.run(chromedp.SetValue(chromedp.ID("callback"), "http://"+b.ports.app()+"/callback"))
	resp, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`form button[type=submit]`)))
	if err != nil || resp.Status != 200 {
		b.t.Fatalf("register: %v %v", resp, err)
	}
	secret, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.ID("secret")))
	b.must(err)
	if len(secret) < 20 {
		b.t.Errorf("the secret has %d characters", len(secret))
	}
	b.look("03-registered")
}

// logIn goes from a page with a "Log in" button to the consent page.
func (b *browser) logIn() string {
	b.t.Helper()
	page := b.press("Log in")
	if strings.Contains(page, "Password") {
		b.run(chromedp.SendKeys(chromedp.ID("username"), alice.Name),
			chromedp.SendKeys(chromedp.ID("password"), alice.Password))
		page = b.press("Log in")
	}
	return page
}

// page is what the dashboard says.
type page struct {
	Title, Headline, Verdict    string
	Tab                         string
	Tokens                      map[string]shown // by the ID of what stands there: "token" is that of the login
	Refresh, Issuer             string
	Buttons                     []button
	Calls                       []asked
	Steps                       []step
	Orders                      [][]string // of the first table
	Figures                     string
	Width, Height, WindowHeight int
}

// shown is what the dashboard says of one token.
type shown struct {
	Scopes      []string
	Expiry, Key string // what it is bound to
}

type button struct {
	Name, Why string
	Off       bool
}

// asked is one question and the answers to it.
type asked struct {
	Heading, Sentence, Verdict string
	Answers                    []struct{ Adapter, Status, Verdict, Text string }
}

const readPage = `(() => {
  const text = (el) => el ? el.textContent.replace(/\s+/g, " ").trim() : "";
  const verdict = (el) => !el ? "" : el.classList.contains("broken") ? "broken" : el.classList.contains("promised") ? "promised" : "stopped";
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];
  return JSON.stringify({
    Title: document.title, Tab: text(document.querySelector(".tabs [aria-current]")), Headline: text(document.querySelector("#headline")), Verdict: verdict(document.querySelector("#headline")),
    Tokens: Object.fromEntries(all(".now dl > div:has(.expiry)").map((el) => [el.id, {
      Scopes: all(".tag", el).map(text), Expiry: text(el.querySelector(".expiry")), Key: text(el.querySelector(".line code")),
    }])),
    Refresh: text(document.querySelector("#refresh")), Issuer: text(document.querySelector("#issuer")),
    Buttons: all(".tries button").map((el) => ({
      Name: el.getAttribute("aria-label"), Off: el.getAttribute("aria-disabled") === "true" && el.type === "button",
      Why: text(document.getElementById(el.getAttribute("aria-describedby"))),
    })),
    Calls: all(".calls").map((el) => ({
      Heading: text(el.querySelector(".what-is")), Sentence: text(el.querySelector(".said")), Verdict: verdict(el),
      Answers: all("[data-adapter]", el).map((row) => ({
        Adapter: row.dataset.adapter, Status: text(row.querySelector("td .status")), Verdict: verdict(row), Text: text(row.lastElementChild),
      })),
    })),
    Steps: all(".exchange").map((el) => ({ Route: text(el.querySelector(".route, .lanes + .unseen")), Status: text(el.querySelector("summary .status")) })),
    Orders: all("tr", document.querySelector(".orders tbody") || document.createElement("i")).map((row) => all("td", row).map(text)),
    Figures: text(document.querySelector(".figures")),
  });
})()`

// read reads the dashboard.
func (b *browser) read() (p page) {
	b.t.Helper()
	raw, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](readPage))
	b.must(err)
	b.must(json.Unmarshal([]byte(raw), &p))
	return p
}

// says presses a button of the dashboard and checks the headline.
func (b *browser) says(label, headline string) page {
	b.t.Helper()
	b.press(label)
	p := b.read()
	if !strings.Contains(p.Headline, headline) || p.Verdict != "promised" {
		b.t.Errorf("%s: the headline is %q (%s), want %q in it", label, p.Headline, p.Verdict, headline)
	}
	return p
}

func TestTheWholeWayInABrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, 4*time.Minute)
	home := "http://" + b.ports.app() + "/"
	b.register()
	b.goTo(home)
	b.press("Log in")
	b.look("05-login")
	b.run(chromedp.SendKeys(chromedp.ID("username"), alice.Name), chromedp.SendKeys(chromedp.ID("password"), "nope"))
	b.wants(b.press("Log in"), "do not go together")
	b.run(chromedp.SendKeys(chromedp.ID("password"), alice.Password))
	b.wants(b.press("Log in"), "Allow My first app?", "See the orders", "Place orders", "Keep this access while you are away")
	b.wants(b.press("Deny"), "You said no")
	b.look("07-denied")
	b.denyAndGoBack()

	b.goTo(home)
	b.logIn()
	b.run(chromedp.Click(chromedp.CSS(`input[value="write:orders"]`)))
	b.look("06-consent")
	b.wants(b.press("Allow"), "Alice Liddell", "How you got here", "read:orders")
	if !strings.HasSuffix(b.location(), "/dashboard") {
		t.Errorf("after the login at %s: the code must not stay in the address bar", b.location())
	}
	b.look("08-dashboard")

	p := b.says("Read the orders", "All four listed the orders.")
	if want := [][]string{{"1", "honey", "3", "bear"}, {"2", "blueberries", "12", "bear"}}; !reflect.DeepEqual(p.Orders, want) {
		t.Errorf("the orders are %v, want %v", p.Orders, want)
	}
	b.look("09-read")
	b.says("Place an order", "All four refused, as they must: the token has no write:orders.")
	b.look("10-refused")
	b.says("Read the figures", "All four refused, as they must: the token has no admin:all.")
	b.press("Ask for more scopes")
	b.press("Allow")
	b.says("Read the figures", "All four answered.")
	b.look("11-figures")
	b.says("Place an order", "All four placed the order.")
	b.says("Rotate the keys", "The new key’s token works and the old key’s token works.")
	b.look("12-rotate")
	b.says("Let a token expire", "The short-lived token works, the expired token is refused and the new token works.")
	b.look("13-expire")
	b.bound()
	p = b.says("Take the issuer down", "With the issuer down, the token in use works and the new key’s token cannot be verified.")
	if !strings.HasPrefix(p.Issuer, "down") {
		t.Errorf("the page says of the issuer: %q", p.Issuer)
	}
	b.look("14-down")
	b.says("Bring the issuer up", "All four listed the orders.")
	b.says("Replay a refresh token", "The spent refresh token is refused, the application’s own one is refused and the access token works.")
	b.look("15-replay")

	b.wants(b.press("Log out"), "Log out?", "alice")
	b.look("16-logout")
	b.wants(b.press("Log out"), "You are logged out", "refresh token was worthless already", "authorization server is over", "access token is good until")
	b.look("17-bye")
	b.wants(b.goTo(home+"dashboard"), "Log in and consent")
	b.wants(b.press("Log in"), "Password")
	b.stack.issuer.SetDown(true)
	b.wants(b.goTo(home), "The issuer is down: nobody can register or log in.")
	b.look("18-start-down")
	b.press("Bring it up")
	b.sheets()

	leaked, known := b.spy.leaks()
	if known < 8 || len(leaked) > 0 {
		t.Errorf("of %d secrets the browser saw: %v", known, leaked)
	}
}

// denyAndGoBack denies a second time, goes back, and allows it after all.
func (b *browser) denyAndGoBack() {
	b.t.Helper()
	b.wants(b.press("Log in"), "Allow My first app?")
	consent := b.location()
	b.wants(b.press("Deny"), "You said no")
	b.wants(b.goTo(consent), "Allow My first app?") // as a browser does that goes back
	b.wants(b.press("Allow"), "is over: you said no")
}

func TestTamperingIsRefusedInABrowser(t *testing.T) {
	b := openBrowser(t, 2*time.Minute)
	b.register()
	home := "http://" + b.ports.app() + "/"

	t.Run("a forged answer", func(t *testing.T) {
		b.wants(b.goTo("http://"+b.ports.app()+"/callback?code=x&state=y&iss="+url.QueryEscape(b.stack.issuer.url)), "not belong to a login")
	})
	for name, uri := range map[string]string{
		"another path": "http://localhost:PORT/callback/evil",
		"another port": "http://localhost:1/callback",
		"another host": "http://127.0.0.1:PORT/callback",
		"a sub-domain": "http://evil.localhost:PORT/callback",
		"a query":      "http://localhost:PORT/callback?x=1",
		"a fragment":   "http://localhost:PORT/callback#x",
		"upper case":   "http://localhost:PORT/Callback",
		"a user":       "http://user@localhost:PORT/callback",
	} {
		t.Run(name, func(t *testing.T) {
			_, port, _ := strings.Cut(b.ports.app(), ":")
			b.goTo(home)
			done := b.tamper(func(q url.Values) { q.Set("redirect_uri", strings.Replace(uri, "PORT", port, 1)) })
			defer done()
			b.wants(b.press("Log in"), "This is not possible", "not registered")
			if !strings.HasPrefix(b.location(), b.stack.issuer.url) {
				t.Errorf("the browser was sent to %s", b.location())
			}
		})
	}
	for name, parameter := range map[string]string{"state": "state", "nonce": "nonce", "PKCE": "code_challenge"} {
		t.Run(name, func(t *testing.T) {
			b.goTo(home)
			done := b.tamper(func(q url.Values) { q.Set(parameter, strings.Repeat("A", 43)) })
			b.logIn()
			done()
			page := b.press("Allow")
			want := "The login could not be finished"
			if parameter == "state" {
				want = "not belong to a login"
			}
			b.wants(page, want)
			b.wants(b.goTo("http://"+b.ports.app()+"/dashboard"), "Log in and consent")
		})
	}
	if leaked, _ := b.spy.leaks(); len(leaked) > 0 {
		t.Errorf("the browser saw: %v", leaked)
	}
}
