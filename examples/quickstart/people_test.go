package main

import (
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/examples/internal/client"
	"github.com/bearward/bearward/examples/internal/webapp"
)

// somebody is a person with a browser of their own, without a screen.
type somebody struct {
	t   *testing.T
	hc  *http.Client
	app string
}

func meet(t *testing.T, st *stack, p ports, who client.Person, scopes ...string) *somebody {
	t.Helper()
	return meetOver(t, link{}, st, p, who, scopes...)
}

// meetOver is meet where the pages are served by l.
func meetOver(t *testing.T, l link, st *stack, p ports, who client.Person, scopes ...string) *somebody {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &somebody{t, &http.Client{Jar: jar, Transport: l.transport()}, l.scheme() + p.app()}
	s.allow(st, nil, url.Values{"username": {who.Name}, "password": {who.Password}}, url.Values{"decision": {"allow"}, "scope": scopes})
	return s
}

var formAction = regexp.MustCompile(`<form method="post" action="(/authorize/[^"]+)"`)

// allow starts a login, fills in the issuer's forms, and returns the page that it leads to.
func (s *somebody) allow(st *stack, login url.Values, forms ...url.Values) (page string) {
	s.t.Helper()
	_, page = s.post("/login", login)
	for _, form := range forms {
		match := formAction.FindStringSubmatch(page)
		if match == nil {
			s.t.Fatalf("no form on the page:\n%s", page)
		}
		resp, err := s.hc.PostForm(st.issuer.url+match[1], form)
		_, page = s.read(resp, err)
	}
	return page
}

// gets gets a further token, and sees that the headline holds want.
func (s *somebody) gets(st *stack, ask, want string) {
	s.t.Helper()
	page := s.allow(st, url.Values{"ask": {ask}}, url.Values{"decision": {"allow"}, "scope": {"read:orders"}})
	s.says(ask, page, "promised", want)
}

func (s *somebody) read(resp *http.Response, err error) (int, string) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (s *somebody) post(path string, form url.Values) (int, string) {
	s.t.Helper()
	resp, err := s.hc.PostForm(s.app+path, form)
	return s.read(resp, err)
}

var headline = regexp.MustCompile(`id="headline" class="headline (\w+)">.*?<span>(.*?)</span>`)

// presses presses a button and sees that the headline is as promised and holds want.
func (s *somebody) presses(button, want string) {
	s.t.Helper()
	_, page := s.post("/do/"+button, nil)
	s.says(button, page, "promised", want)
}

// says sees what the headline says, and how it is coloured.
func (s *somebody) says(button, page, colour, want string) {
	s.t.Helper()
	match := headline.FindStringSubmatch(page)
	if match == nil {
		s.t.Fatalf("%s: no headline:\n%s", button, page)
	}
	if said := html.UnescapeString(match[2]); match[1] != colour || !strings.Contains(said, want) {
		s.t.Errorf("%s: the headline is %q (%s), want %q in it (%s)", button, said, match[1], want, colour)
	}
}

// registerApp registers the application that people log in to.
func registerApp(t *testing.T, l link, p ports) {
	t.Helper()
	app := l.scheme() + p.app()
	resp, err := (&http.Client{Transport: l.transport()}).PostForm(app+"/register", url.Values{
		"name": {"Shared"}, "kind": {"web"}, "callback": {app + "/callback"}, "logout": {app + "/bye"},
		"scope": {"read:orders", "write:orders", "admin:all"},
	})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("register: %v, %v", resp, err)
	}
	resp.Body.Close()
}

// TestTwoPeopleAtATime presses what one person's buttons do to the other one.
func TestTwoPeopleAtATime(t *testing.T) {
	p := freePorts(t)
	st, err := startStack(p, stackConfig{key: webapp.NewKey(), log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.shutdown(t.Context()) }()
	registerApp(t, link{}, p)
	first := meet(t, st, p, alice, "offline_access", "read:orders")
	second := meet(t, st, p, bob, "read:orders", "write:orders")

	first.presses("rotate", "The new key’s token works and the old key’s token works.")
	first.presses("rotate", "The new key’s token works and the old key’s token works.")
	first.presses("rotate", "The new key’s token works and the old key’s token works.")
	first.presses("down", "the token in use works and the new key’s token cannot be verified.")
	second.presses("place", "All four placed the order.")
	second.presses("up", "All four listed the orders.") // brought up by another browser than took it down
	first.presses("read", "All four listed the orders.")

	// Third is logged in by a key that no API has met, and then the issuer goes down at once. The
	// rotation makes each API fetch now, and so not by its clock in between; the second that passes
	// makes the key newer than that fetch, also in the whole seconds of a token.
	first.presses("rotate", "The new key’s token works and the old key’s token works.")
	coolDown(t.Context())
	if _, err := st.issuer.RotateNow(); err != nil {
		t.Fatal(err)
	}
	third := meet(t, st, p, alice, "read:orders")
	st.issuer.SetDown(true)
	third.presses("read", "cannot tell, as they must: its key is new to them, and the issuer cannot be asked for it.")
	st.issuer.SetDown(false)
	third.presses("read", "All four listed the orders.")

	// A token that cannot be refreshed expires while somebody reads the page.
	st.issuer.SetTokenLifetime(time.Second)
	fourth := meet(t, st, p, bob, "read:orders")
	time.Sleep(1100 * time.Millisecond) // the issuer's clock is the real one
	fourth.presses("read", "All four refused, as they must: the token expired at")
	if _, page := fourth.post("/do/rotate", nil); !strings.Contains(page, "which you did not allow") || !strings.Contains(page, "Log in again") {
		t.Errorf("the page does not offer another login:\n%s", page)
	}
}
