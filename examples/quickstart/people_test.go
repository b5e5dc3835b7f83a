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
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &somebody{t, &http.Client{Jar: jar}, "http://" + p.app()}
	action := regexp.MustCompile(`<form method="post" action="(/authorize/[^"]+)"`)
	_, page := s.post("/login", nil)
	for _, form := range []url.Values{{"username": {who.Name}, "password": {who.Password}}, {"decision": {"allow"}, "scope": scopes}} {
		match := action.FindStringSubmatch(page)
		if match == nil {
			t.Fatalf("no form on the page:\n%s", page)
		}
		resp, err := s.hc.PostForm(st.issuer.url+match[1], form)
		_, page = s.read(resp, err)
	}
	return s
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
	status, page := s.post("/do/"+button, nil)
	match := headline.FindStringSubmatch(page)
	if match == nil {
		s.t.Fatalf("%s: status %d, no headline:\n%s", button, status, page)
	}
	if said := html.UnescapeString(match[2]); match[1] != "promised" || !strings.Contains(said, want) {
		s.t.Errorf("%s: the headline is %q (%s), want %q in it", button, said, match[1], want)
	}
}

// TestTwoPeopleAtATime presses what one person's buttons do to the other one.
func TestTwoPeopleAtATime(t *testing.T) {
	p := freePorts(t)
	st, err := startStack(p, stackConfig{key: webapp.NewKey(), log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.shutdown(t.Context()) }()
	resp, err := http.PostForm("http://"+p.app()+"/register", url.Values{
		"name": {"Shared"}, "kind": {"web"}, "callback": {"http://" + p.app() + "/callback"}, "logout": {"http://" + p.app() + "/bye"},
		"scope": {"read:orders", "write:orders", "admin:all"},
	})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("register: %v, %v", resp, err)
	}
	resp.Body.Close()
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
