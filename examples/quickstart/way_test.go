package main

import (
	"net/url"
	"regexp"
	"slices"
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

var answer = regexp.MustCompile(`application to API \(\w+\)\s+(\S+)`)

// answers returns what the APIs answered, in the order of the page. The rest of a page has numbers of its own: a random ID may hold a 401.
func answers(page string) (all []string) {
	for _, match := range answer.FindAllStringSubmatch(page, -1) {
		all = append(all, match[1])
	}
	return all
}

func refused(answer string) bool { return answer != "200" && answer != "OK" }

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

	if got := answers(b.press("Read the orders")); !slices.Equal(got, []string{"200", "200", "200", "OK"}) {
		t.Errorf("the adapters answered %v", got)
	}
	b.shoot("7-read")
	b.wants(b.press("Place an order"), `error="insufficient_scope"`, `scope="write:orders"`, "PermissionDenied")
	b.wants(b.press("Call with too little scope"), `error="insufficient_scope"`, `scope="admin:all"`, "PermissionDenied")
	b.shoot("8-scope")

	page = b.press("Rotate the keys now")
	if got := answers(page); len(got) != 8 || slices.ContainsFunc(got, refused) {
		t.Errorf("the answers during the key rotation were %v:\n%s", got, page)
	}
	page = b.press("Let a token expire")
	if got := answers(page); !slices.Contains(got, "401") {
		t.Errorf("the answers around the expiry were %v:\n%s", got, page)
	}
	b.wants(page, `error="invalid_token"`, "Unauthenticated", "Call with the new token, through grpc")
	b.shoot("9-expiry")
	page = b.press("Take the issuer down")
	if got := answers(page); !slices.Contains(got, "503") {
		t.Errorf("the answers during the outage were %v:\n%s", got, page)
	}
	b.wants(page, "The issuer is down", "Retry-After", "Unavailable", "A token by a known key keeps working")
	b.shoot("10-down")
	page = b.press("Bring the issuer up")
	b.wants(page, "The token that was not judged is good")
	if got := answers(page); len(got) != 4 || slices.ContainsFunc(got, refused) {
		t.Errorf("the answers after the outage were %v:\n%s", got, page)
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
