package dpop

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func nonces(t *testing.T, lifetime time.Duration, secrets ...[]byte) *Nonces {
	t.Helper()
	n, err := NewNonces(lifetime, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestANonceLivesForItsLifetime(t *testing.T) {
	for _, lifetime := range []time.Duration{time.Second, 3 * time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			n := nonces(t, lifetime)
			time.Sleep(lifetime/3 - 1) // the end of a step
			nonce := n.Current()
			until, current, err := n.check(nonce, time.Now())
			if err != nil || !current {
				t.Fatalf("a new nonce: %v, %v", current, err)
			}
			time.Sleep(lifetime)
			if _, current, err := n.check(nonce, time.Now()); err != nil || current {
				t.Errorf("at the end of %v: current %v, %v", lifetime, current, err)
			}
			time.Sleep(time.Until(until) - 1)
			if _, _, err := n.check(nonce, time.Now()); err != nil {
				t.Errorf("the last instant: %v", err)
			}
			time.Sleep(time.Nanosecond)
			if _, _, err := n.check(nonce, time.Now()); err == nil {
				t.Error("accepted past the instant until which a proof is remembered")
			}
		})
	}
}

func TestReplicasTakeEachOthersNonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := nonces(t, 0, secret(1), secret(2)), nonces(t, 0, secret(2))
		if _, _, err := a.check(b.Current(), time.Now()); err != nil {
			t.Error("a secret that is accepted beside the first")
		}
		if _, _, err := b.check(a.Current(), time.Now()); err == nil {
			t.Error("a nonce of a secret that this replica does not have")
		}
		ahead := b.at(time.Now().Add(time.Minute)).current
		if _, _, err := b.check(ahead, time.Now()); err != nil {
			t.Error("a replica that is a step ahead")
		}
		if _, _, err := b.check(b.at(time.Now().Add(2*time.Minute)).current, time.Now()); err == nil {
			t.Error("a nonce two steps ahead")
		}
	})
}

func TestForgedNonces(t *testing.T) {
	n := nonces(t, 0)
	good := n.Current()
	for _, bad := range []string{"", good[1:], good + "A", strings.ToUpper(good), nonces(t, 0).Current()} {
		if _, _, err := n.check(bad, time.Now()); err == nil && bad != good {
			t.Errorf("%q is taken for %q", bad, good)
		}
	}
}

func TestNewNoncesRefusesWhatCannotBe(t *testing.T) {
	for name, make := range map[string]func() (*Nonces, error){
		"too short a lifetime": func() (*Nonces, error) { return NewNonces(time.Second - 1) },
		"too long a lifetime":  func() (*Nonces, error) { return NewNonces(time.Hour + 1) },
		"a negative lifetime":  func() (*Nonces, error) { return NewNonces(-time.Minute) },
		"a short secret":       func() (*Nonces, error) { return NewNonces(0, secret(1), secret(1)[1:]) },
		"an empty secret":      func() (*Nonces, error) { return NewNonces(0, nil) },
	} {
		if _, err := make(); err == nil || !strings.HasPrefix(err.Error(), "dpop: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckingANonceCostsNoAllocation(t *testing.T) {
	n := nonces(t, time.Hour)
	nonce, now := n.Current(), time.Now()
	if got := testing.AllocsPerRun(100, func() { _, _, _ = n.check(nonce, now) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
