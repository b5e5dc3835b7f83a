package jwks_test

import (
	"testing"
	"time"
)

func TestK07FirstRequestWithANewKeySucceeds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("old")
		c := warm(t, i)
		i.answer(after(300*time.Millisecond, body(keySet("old", "new"))))
		before := i.count()
		began := time.Now()
		check(t, c, "new", "served")
		if took, fetches := time.Since(began), i.count()-before; took > 2*time.Second || fetches != 1 {
			t.Errorf("took %v and %d fetches, want at most 2 s and 1", took, fetches)
		}
	})
}
