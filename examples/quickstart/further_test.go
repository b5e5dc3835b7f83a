package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/bearward/bearward/examples/internal/webapp"
)

// startPeople starts a quickstart with an application that people can log in to.
func startPeople(t *testing.T, l link, age time.Duration) (*stack, ports) {
	t.Helper()
	p := freePorts(t)
	st, err := startStack(p, stackConfig{link: l, key: webapp.NewKey(), log: slog.New(slog.DiscardHandler), age: age})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		_ = st.shutdown(stop)
	})
	registerApp(t, l, p)
	return st, p
}

// The tokens of the other tabs, where all speak HTTPS, too: certificates and questions about tokens
// have connections of their own there.
func TestFurtherTokensOverTLS(t *testing.T) {
	l, err := tlsLink()
	if err != nil {
		t.Fatal(err)
	}
	st, p := startPeople(t, l, 0)
	s := meetOver(t, l, st, p, alice, "read:orders")
	s.gets(st, "bound", "bound to its key")
	s.presses("prove", "All four listed the orders.")
	s.presses("steal", "is refused and the token as a bearer token is refused.")
	s.gets(st, "certified", "bound to its certificate")
	s.presses("present", "All four listed the orders.")
	s.presses("bare", "All four refused, as they must")
	s.presses("forge", "All four refused, as they must")
	s.gets(st, "opaque", "an opaque token")
	s.presses("call", "All four listed the orders.")
	s.presses("revoke", "later it is refused.")
	s.presses("call", "All four refused, as they must")
	s.gets(st, "opaque", "an opaque token")
	s.presses("outage", "cannot be verified.")
	s.presses("up", "All four listed the orders.") // of the first tab
	s.presses("down", "the token in use works")
	s.presses("restore", "All four listed the orders.")
	s.presses("read", "All four listed the orders.")
}

// An API that accepts a revoked token for longer than the page promises is shown as that.
func TestARevocationThatIsSeenTooLateIsShown(t *testing.T) {
	st, p := startPeople(t, link{}, time.Minute)
	s := meet(t, st, p, alice, "read:orders")
	s.gets(st, "opaque", "an opaque token")
	_, page := s.post("/do/revoke", nil)
	s.says("revoke", page, "broken", "our of four did not answer as promised")
}
