package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/examples/internal/webapp"
)

// What the client of MCP says while it waits, and when it was let down.
const (
	refusedWithout  = "Without a token the server refuses (401), and says where to log in. The client asks for read:orders, and waits for you."
	refusedForPlace = "The token has no write:orders: the server refuses the call (403), and says what it needs. The client asks for read:orders and write:orders, and waits for you."
)

// logsInForTool says yes to some of what the client of MCP asks for.
func (s *somebody) logsInForTool(st *stack, want string, scopes ...string) {
	s.t.Helper()
	page := s.allow(st, url.Values{"ask": {"tool"}}, url.Values{"decision": {"allow"}, "scope": scopes})
	s.says("login for a tool", page, "promised", want)
}

// The whole way over TLS, and what a person can do otherwise on it.
func TestToolsOverTLS(t *testing.T) {
	t.Parallel()
	l, err := tlsLink()
	if err != nil {
		t.Fatal(err)
	}
	st, p := startPeople(t, l, 0)
	s := meetOver(t, l, st, p, alice, "read:orders")
	s.presses("tool-list", refusedWithout)
	s.logsInForTool(st, "After the login the call works: alice sees 2 orders.", "read:orders")
	s.presses("tool-place", refusedForPlace)
	s.logsInForTool(st, "You did not allow write:orders, so the server still refuses the call (403).", "read:orders")
	s.presses("tool-list", "The call works: alice sees 2 orders.")
	s.presses("tool-place", refusedForPlace)
	page := s.allow(st, url.Values{"ask": {"tool"}}, url.Values{"decision": {"deny"}})
	s.says("a denial", page, "promised", "You said no. The client got no new token, and did not call again.")
	s.presses("tool-place", refusedForPlace)
	s.logsInForTool(st, "After the login the call works: it placed order 3 for alice.", "read:orders", "write:orders")

	s.presses("down", "the token in use works") // which the client does without
	s.presses("tool-list", "The call works: alice sees 3 orders.")
	s.presses("tool-forget", "The client has no token any more: its next call is a first one.")
	if status, page := s.post("/do/tool-list", nil); status != http.StatusConflict || !strings.Contains(page, "The issuer is down. Bring it up on the tab") {
		t.Errorf("without a token and an issuer: %d\n%s", status, page)
	}
	s.presses("up", "All four")
}

// A first login that allows nothing is followed by a second one within the same call.
func TestAToolIsAskedForAgainInOneCall(t *testing.T) {
	t.Parallel()
	st, p := startPeople(t, link{}, 0)
	s := meet(t, st, p, alice, "read:orders")
	s.presses("tool-list", refusedWithout)
	s.logsInForTool(st, "The token has no read:orders: the server refuses the call (403), and says what it needs. The client asks for read:orders, and waits for you.")
	s.logsInForTool(st, "After the login the call works: alice sees 2 orders.", "read:orders")

	st.issuer.SetTokenLifetime(5 * time.Second)
	s.presses("tool-forget", "")
	s.presses("tool-list", refusedWithout)
	s.logsInForTool(st, "", "read:orders")
	st.issuer.SetTokenLifetime(tokenLifetime)
	s.until("expired at ")
	s.presses("tool-list", ": the server refuses it (401). The client asks for read:orders, and waits for you.")
	s.logsInForTool(st, "After the login the call works: alice sees 2 orders.", "read:orders")
}

// until waits until the page of the MCP server says something.
func (s *somebody) until(want string) {
	s.t.Helper()
	err := until(s.t.Context(), func() error {
		resp, err := s.hc.Get(s.app + "/mcp")
		if _, page := s.read(resp, err); !strings.Contains(page, want) {
			return fmt.Errorf("the page does not say %q:\n%s", want, page)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// A call waits for a person, for a time, and ends with what it belongs to.
func TestACallThatWaitsEnds(t *testing.T) {
	t.Parallel()
	l, p := link{}, freePorts(t)
	var st *stack
	var err error
	// Goroutines inherit the label: the stacks of other tests have calls, too.
	pprof.Do(t.Context(), pprof.Labels("test", t.Name()), func(context.Context) {
		st, err = startStack(p, stackConfig{link: l, key: webapp.NewKey(), log: slog.New(slog.DiscardHandler), patience: 8 * time.Second})
	})
	if err != nil {
		t.Fatal(err)
	}
	running := true
	shutdown := func() {
		if running {
			stop, cancel := context.WithTimeout(context.Background(), grace)
			defer cancel()
			_ = st.shutdown(stop)
			running = false
		}
	}
	t.Cleanup(shutdown)
	registerApp(t, l, p)
	s, other := meet(t, st, p, alice, "read:orders"), meet(t, st, p, bob, "read:orders")

	s.presses("tool-list", refusedWithout)
	s.until("Nobody logged in within 8 s, so the client gave up.")
	s.presses("tool-list", refusedWithout) // and begins again

	// An answer to a call that was given up is not taken, by another one that waits either.
	_, page := s.post("/login", url.Values{"ask": {"tool"}})
	s.presses("tool-forget", "its next call is a first one")
	s.presses("tool-list", refusedWithout)
	action := formAction.FindStringSubmatch(page)
	if action == nil {
		t.Fatalf("no form on the page:\n%s", page)
	}
	resp, err := s.hc.PostForm(st.issuer.url+action[1], url.Values{"decision": {"allow"}, "scope": {"read:orders"}})
	if status, page := s.read(resp, err); status != http.StatusBadRequest || !strings.Contains(page, "does not wait any more") {
		t.Errorf("an answer that came too late: %d\n%s", status, page)
	}

	s.post("/logout", nil)
	other.presses("tool-list", refusedWithout)
	if len(callsOf(t)) == 0 {
		t.Error("no call waits, not even the other person's")
	}
	shutdown()
	if all := callsOf(t); len(all) != 0 {
		t.Errorf("calls go on:\n%s", strings.Join(all, "\n\n"))
	}
}

// callsOf returns where the calls are that programs labelled by the test have under way.
func callsOf(t *testing.T) (all []string) {
	var text strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		t.Fatal(err)
	}
	for where := range strings.SplitSeq(text.String(), "\n\n") {
		if strings.Contains(where, strconv.Quote(t.Name())) && strings.Contains(where, "webapp.(*toolCall).run") {
			all = append(all, where)
		}
	}
	return all
}

// A server whose answers are not as promised is shown as that, and its answer is not drawn as good.
func TestAServerThatAnswersOtherwiseIsShown(t *testing.T) {
	t.Parallel()
	p := freePorts(t)
	st, err := startStack(p, stackConfig{key: webapp.NewKey(), log: slog.New(slog.DiscardHandler), watch: withoutScope})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.shutdown(context.Background()) }()
	registerApp(t, link{}, p)
	s := meet(t, st, p, alice, "read:orders")
	_, page := s.post("/do/tool-list", nil)
	s.says("tool-list", page, "broken", `promised "Bearer realm=\"api\", resource_metadata=`)
	if !strings.Contains(page, `<li class="part exchange broken">`) {
		t.Errorf("the exchange is drawn as promised:\n%s", page)
	}
}

// withoutScope takes the scope out of the challenges of the MCP server.
func withoutScope(next http.RoundTripper) http.RoundTripper { return scopeless{next} }

type scopeless struct{ next http.RoundTripper }

func (s scopeless) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err == nil && req.URL.Path == "/mcp" {
		resp.Header.Set("WWW-Authenticate", strings.Replace(resp.Header.Get("WWW-Authenticate"), `, scope="read:orders"`, "", 1))
	}
	return resp, err
}

// Two new keys within the server's cooldown: it does not know the second one at once. The client
// does not trouble the person again, and the page shows what the server answered at first.
func TestAToolWhoseServerHasNotMetTheKey(t *testing.T) {
	t.Parallel()
	st, p := startPeople(t, link{}, 0)
	s := meet(t, st, p, alice, "read:orders")
	for range 6 { // the first keys may come with those that the server fetches at its start
		if _, err := st.issuer.RotateNow(); err != nil {
			t.Fatal(err)
		}
		s.presses("tool-list", refusedWithout)
		page := s.allow(st, url.Values{"ask": {"tool"}}, url.Values{"decision": {"allow"}, "scope": {"read:orders"}})
		s.says("login for a tool", page, "promised", "After the login the call works: alice sees 2 orders.")
		if strings.Count(page, "what the server offers, with the new token") > 1 {
			return
		}
		s.presses("tool-forget", "its next call is a first one")
	}
	t.Log("the machine is so busy that the cooldown was over each time")
}
