package main

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// register registers the application and passes the page with the secret,
// which is the one page that may show it.
func (b *browser) register() {
	b.t.Helper()
	b.wants(b.goTo("http://"+b.ports.app()+"/"), "Register the application", "Log in and consent")
	b.shoot("1-start")
	b.press("Register")
	b.shoot("2-register")
	resp, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`form button[type=submit]`)))
	if err != nil || resp.Status != 200 {
		b.t.Fatalf("register: %v %v", resp, err)
	}
	secret, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.ID("secret")))
	b.must(err)
	if len(secret) < 20 {
		b.t.Errorf("the secret has %d characters", len(secret))
	}
	b.shoot("3-registered")
}

// logIn goes from a page with a "Log in" button to the consent page.
func (b *browser) logIn() string {
	b.t.Helper()
	page := b.press("Log in")
	if strings.Contains(page, "Password") {
		b.shoot("4-login")
		b.run(chromedp.SendKeys(chromedp.ID("username"), alice.Name),
			chromedp.SendKeys(chromedp.ID("password"), alice.Password))
		page = b.press("Log in")
	}
	return page
}

func TestTheWholeWayInABrowser(t *testing.T) {
	b := openBrowser(t)
	b.register()

	b.wants(b.logIn(), "Allow My first app?", "See the orders", "Place orders", "Keep this access while you are away")
	b.shoot("5-consent")
	b.wants(b.press("Deny"), "You said no")
	b.goTo("http://" + b.ports.app() + "/")

	b.logIn()
	b.run(chromedp.Click(chromedp.CSS(`input[value="write:orders"]`)))
	page := b.press("Allow")
	b.wants(page, "Hello, Alice Liddell", "How you got here", "read:orders")
	if !strings.HasSuffix(b.location(), "/dashboard") {
		t.Errorf("after the login at %s: the code must not stay in the address bar", b.location())
	}
	b.shoot("6-dashboard")

	if n := strings.Count(b.press("Read the orders"), "200"); n < 3 {
		t.Errorf("%d of the HTTP adapters answered 200", n)
	}
	b.shoot("7-read")
	b.wants(b.press("Place an order"), `error="insufficient_scope"`, `scope="write:orders"`, "PermissionDenied")
	b.wants(b.press("Call with too little scope"), `error="insufficient_scope"`, `scope="admin:all"`, "PermissionDenied")
	b.shoot("8-scope")

	page = b.press("Rotate the keys now")
	if strings.Contains(page, "401") || strings.Contains(page, "503") {
		t.Errorf("a call failed during the key rotation:\n%s", page)
	}
	b.wants(b.press("Let a token expire"), "401", `error="invalid_token"`, "Unauthenticated", "Call with the new token, through grpc")
	b.shoot("9-expiry")
	b.wants(b.press("Take the issuer down"), "The issuer is down", "503", "Retry-After", "Unavailable", "A token by a known key keeps working")
	b.shoot("10-down")
	page = b.press("Bring the issuer up")
	b.wants(page, "The token that was not judged is good")
	if strings.Contains(page, "503") || strings.Contains(page, "401") {
		t.Errorf("a call failed after the outage:\n%s", page)
	}
	b.wants(b.press("Replay a used refresh token"), "invalid_grant", "thief")
	b.shoot("11-replay")

	b.wants(b.press("Log out"), "Log out?", "alice")
	b.wants(b.press("Log out"), "You are logged out")
	b.shoot("12-bye")
	b.wants(b.goTo("http://"+b.ports.app()+"/dashboard"), "Log in and consent")
	b.wants(b.press("Log in"), "Password")

	leaked, known := b.spy.leaks()
	if known < 8 || len(leaked) > 0 {
		t.Errorf("of %d secrets the browser saw: %v", known, leaked)
	}
}

func TestTamperingIsRefusedInABrowser(t *testing.T) {
	b := openBrowser(t)
	b.register()
	home := "http://" + b.ports.app() + "/"

	t.Run("a forged answer", func(t *testing.T) {
		b.wants(b.goTo("http://"+b.ports.app()+"/callback?code=x&state=y&iss="+url.QueryEscape(b.stack.issuer.url)), "does not belong to a login")
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
			want := "could not be finished"
			if parameter == "state" {
				want = "does not belong to a login"
			}
			b.wants(page, want)
			b.wants(b.goTo("http://"+b.ports.app()+"/dashboard"), "Log in and consent")
		})
	}
	if leaked, _ := b.spy.leaks(); len(leaked) > 0 {
		t.Errorf("the browser saw: %v", leaked)
	}
}
