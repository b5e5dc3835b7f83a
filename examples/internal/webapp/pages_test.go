package webapp_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestRegistrationFormSaysWhatIsWrong(t *testing.T) {
	p := start(t).person()
	for want, change := range map[string]url.Values{
		`id="name-problem">Give the application a name`:                         {"name": {" "}},
		`id="kind-problem">Choose one`:                                          {"kind": {"robot"}},
		`id="callback-problem">Write a whole URL`:                               {"callback": {"/callback"}},
		`id="callback-problem">Use https`:                                       {"callback": {"http://app.example/callback"}},
		`id="callback-problem">Leave out the user name`:                         {"callback": {"https://me@app.example/callback"}},
		`id="logout-problem">Leave out the part from #`:                         {"logout": {p.app + "/bye#top"}},
		`id="callback-problem">The authorization server did not accept this: a`: {"callback": {"https://*.app.example/callback"}},
		`id="logout-problem">The authorization server did not accept this: po`:  {"logout": {"https://*.app.example/bye"}},
	} {
		status, page := p.register(change)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, want) || !strings.Contains(page, `aria-invalid="true"`) != (change["kind"] != nil) {
			t.Errorf("%v: status %d, the page does not say %q:\n%s", change, status, want, page)
		}
	}
	if status, page := p.register(url.Values{"callback": {"https://app.example/callback"}}); status != 200 || !strings.Contains(page, "does not use it") {
		t.Errorf("another callback: %d\n%s", status, page)
	}
	p.issuer.SetDown(true)
	if status, page := p.register(nil); status != http.StatusConflict || !strings.Contains(page, "The issuer is down") {
		t.Errorf("while the issuer is down: %d\n%s", status, page)
	}
	if _, page, _ := p.post("/do/up", nil); p.issuer.Down() {
		t.Errorf("somebody who is not logged in cannot bring the issuer up:\n%s", page)
	}
}

// logOut logs out and confirms it at the issuer; it returns what the application says then.
func (p *person) logOut() string {
	p.t.Helper()
	_, page, at := p.post("/logout", nil)
	match := regexp.MustCompile(`action="(/logout/[^"]+)"`).FindStringSubmatch(page)
	if match == nil || strings.Contains(at.RawQuery, "token") {
		p.t.Fatalf("the issuer does not ask, or the address holds a token: %s\n%s", at, page)
	}
	resp, err := p.hc.PostForm(p.as+match[1], nil)
	_, page, at = p.read(resp, err)
	if at.Path != "/bye" {
		p.t.Fatalf("after the logout at %s:\n%s", at, page)
	}
	return page
}

func TestLogoutEndsBothSessions(t *testing.T) {
	p := start(t).person()
	p.register(nil)
	p.logIn()
	page := p.logOut()
	for _, want := range []string{
		"Your session at the application is over", "The refresh token is revoked", "Your session at the authorization server is over", "The access token is good until",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	if !p.hasSent("/revoke") {
		t.Error("the refresh token was not revoked")
	}
	if _, _, at := p.get(p.app + "/dashboard"); at.Path != "/" {
		t.Errorf("still logged in at the application: %s", at)
	}
	if _, page, _ := p.post("/login", nil); !strings.Contains(page, `name="password"`) {
		t.Error("still logged in at the issuer")
	}
}

func TestLogoutSaysWhatItCouldNotEnd(t *testing.T) {
	p := start(t).person()
	p.register(nil)
	p.logIn()
	p.issuer.SetDown(true)
	_, page, at := p.post("/logout", nil)
	if at.Path != "/bye" {
		t.Errorf("at %s", at)
	}
	for _, want := range []string{
		"Your session at the application is over", "The refresh token is not revoked", "Your session at the authorization server is not over", "The access token is good until",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	if _, page, _ := p.get(p.app + "/bye?state=guessed"); !strings.Contains(page, "authorization server is not over") {
		t.Errorf("a made-up state ends the session at the issuer:\n%s", page)
	}
	p.issuer.SetDown(false)
	if _, page, _ := p.post("/login", nil); strings.Contains(page, `name="password"`) || !strings.Contains(page, "Allow") {
		t.Errorf("the session at the issuer is over, against what the page said:\n%s", page)
	}
	stranger := p.world.person()
	if _, page, _ := stranger.get(p.app + "/bye"); strings.Contains(page, "refresh token") {
		t.Errorf("the page tells a stranger of a logout:\n%s", page)
	}
}

func TestNobodyIsSentToAnIssuerThatIsDown(t *testing.T) {
	p := start(t).person()
	p.register(nil)
	p.issuer.SetDown(true)
	if _, page, _ := p.get(p.app + "/"); !strings.Contains(page, `type="button" aria-disabled="true" aria-describedby="why-login">Log in`) {
		t.Errorf("a live button leads to an issuer that is down:\n%s", page)
	}
	if status, page, at := p.post("/login", nil); status != http.StatusConflict || at.Host != strings.TrimPrefix(p.app, "http://") || !strings.Contains(page, "Bring it up") {
		t.Errorf("status %d at %s\n%s", status, at, page)
	}
}

func TestARegistrationOfALoginStaysItsOwn(t *testing.T) {
	p := start(t).person()
	p.register(nil)
	p.logIn()
	if status, page := p.register(url.Values{"name": {"Another app"}}); status != 200 || !strings.Contains(page, "was made with another one") {
		t.Errorf("status %d\n%s", status, page)
	}
	if _, page, _ := p.post("/do/rotate", nil); !strings.Contains(page, `class="headline promised"`) || !strings.Contains(page, "My app") {
		t.Errorf("the login does not refresh with its own registration:\n%s", page)
	}
	_, page, _ := p.logIn()
	if !strings.Contains(page, "Another app") || !strings.Contains(page, "revokes the refresh token of the login before") {
		t.Errorf("the new login:\n%s", page)
	}
}

func TestScopesAreAskedForOnDemand(t *testing.T) {
	p := start(t).person()
	p.register(nil)
	_, page, _ := p.post("/login", nil)
	if strings.Contains(page, "admin:all") {
		t.Errorf("the first login asks for admin:all:\n%s", page)
	}
	p.consent(page)
	_, page, _ = p.post("/login", url.Values{"ask": {"all"}})
	if !strings.Contains(page, "admin:all") {
		t.Errorf("the second login does not ask for admin:all:\n%s", page)
	}
}

func TestBlockedActionsSayWhy(t *testing.T) {
	p := start(t).person()
	p.register(nil)
	p.logIn()
	p.issuer.SetDown(true)
	for name, why := range map[string]string{"rotate": "The issuer is down.", "down": "The issuer is down already."} {
		if status, page, _ := p.post("/do/"+name, nil); status != http.StatusConflict || !strings.Contains(page, "Not possible now. "+why) {
			t.Errorf("%s: status %d\n%s", name, status, page)
		}
	}
	if status, _, _ := p.post("/do/nonsense", nil); status != http.StatusNotFound {
		t.Errorf("an unknown action: status %d, want 404", status)
	}
}

// The API of these tests takes every token, so it answers where it must refuse.
func TestWhatIsNotAsPromisedIsSaid(t *testing.T) {
	p := start(t).person()
	p.register(nil)
	p.logIn()
	_, page, _ := p.post("/do/stats", nil)
	for _, want := range []string{
		`class="headline broken"`, "One of one did not answer as promised: nethttp (answered 200, promised 403)", `<tr class="broken" data-adapter="nethttp">`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
}

func TestOtherHostsLeadToTheOneOfTheApplication(t *testing.T) {
	w := start(t)
	p := w.person()
	there := strings.Replace(w.app, "localhost", "127.0.0.1", 1)
	if _, _, at := p.get(there + "/register"); at.String() != w.app+"/register" {
		t.Errorf("at %s, want %s", at, w.app+"/register")
	}
	resp, err := p.hc.PostForm(there+"/login", nil)
	if status, _, _ := p.read(resp, err); status != http.StatusMisdirectedRequest {
		t.Errorf("a form: status %d, want 421", status)
	}
}
