package jwks_test

import (
	"context"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

func TestHeldTellsOnlyWhatNeedsNoFetch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(after(time.Second, body(keySet("a"))))
		c := open(t, i)
		wants := func(when, kid, want string) {
			t.Helper()
			before := i.count()
			if got := responseFor(c.Held(kid)); got != want || i.count() != before {
				t.Errorf("%s: key %q: %s after %d fetches, want %s after none", when, kid, got, i.count()-before, want)
			}
		}
		sleep(time.Millisecond)
		wants("before the first fetch", "a", "not judged")
		sleep(2 * time.Second)
		for _, kid := range []string{"a", ""} {
			wants("held", kid, "served")
		}
		for range 3 { // it spends none of them
			wants("with a permit", "new", "not judged")
		}
		i.answer(body(keySet("a")))
		check(t, c, "forged 1", "refused")
		check(t, c, "forged 2", "refused")
		refused := c.Status().Counters.Unknown
		wants("without a permit", "new", "refused")
		if got := c.Status().Counters.Unknown - refused; got != 1 {
			t.Errorf("%d refusals were counted, want 1", got)
		}
		i.answer(after(time.Second, body(keySet("a"))))
		go c.Refresh(context.Background())
		sleep(time.Millisecond)
		wants("while a fetch is in the air", "new", "not judged")
		sleep(time.Minute)
		wants("with a new permit", "new", "not judged")
		c.Close()
		wants("closed", "a", "not judged")
	})
}

func TestStaticKeys(t *testing.T) {
	a, b, again, nameless := &jwks.Key{ID: "a"}, &jwks.Key{ID: "b"}, &jwks.Key{ID: "a"}, &jwks.Key{}
	keys := jwks.Static{a, nil, b, again, nameless}
	for kid, want := range map[string]string{"a": "a a", "b": "b", "c": ""} {
		got, err := keys.Keys(t.Context(), kid)
		if ids(got) != want || responseFor(got, err) != map[bool]string{true: "served", false: "refused"}[want != ""] {
			t.Errorf("key %q: %v, %v", kid, got, err)
		}
	}
	if all, err := keys.Keys(t.Context(), ""); err != nil || len(all) != len(keys) {
		t.Errorf("all of them: %v, %v", all, err)
	}
	one, err := keys.Keys(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if _ = append(one, a); keys[3] != again {
		t.Error("what a caller appends is written into the set")
	}
	if got, err := (jwks.Static{}).Keys(t.Context(), ""); responseFor(got, err) != "refused" {
		t.Errorf("none: %v, %v", got, err)
	}
}

func TestAHeldKeyCostsNoAllocation(t *testing.T) {
	i := newIssuer("a", "b")
	c := warm(t, i)
	keys, err := c.Keys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]jwks.Source{"Cache": c, "Static": jwks.Static(keys)} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := source.Keys(t.Context(), "b"); err != nil {
				t.Fatal(err)
			}
		})
		if got > 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}
