package dpop_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/middleware/dpop"
)

const ttl = 95 * time.Second

func first(t *testing.T, m *dpop.Memory, owner, id string, ttl time.Duration) bool {
	t.Helper()
	ok, err := m.First(t.Context(), owner, id, ttl)
	if err != nil {
		t.Fatalf("%s of %s: %v", id, owner, err)
	}
	return ok
}

func TestAProofIsFirstOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := dpop.NewMemory(0)
		if !first(t, m, "a", "1", ttl) || first(t, m, "a", "1", ttl) || first(t, m, "b", "1", ttl) {
			t.Error("a proof is first once, no matter who sends it again")
		}
		time.Sleep(ttl - time.Millisecond)
		if first(t, m, "a", "1", ttl) {
			t.Error("a proof is remembered for its whole ttl")
		}
		time.Sleep(time.Second)
		if !first(t, m, "a", "1", ttl) {
			t.Error("an expired id is first again")
		}
	})
}

func TestATtlOfNothingIsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := dpop.NewMemory(0)
		first(t, m, "a", "1", -time.Hour)
		time.Sleep(time.Second - time.Millisecond)
		if first(t, m, "a", "1", 0) {
			t.Error("forgotten within a second")
		}
	})
}

func TestAFullMemoryEvictsNothing(t *testing.T) {
	for _, entries := range []int{1, 2, 3, 64, 100, 20_000} {
		t.Run(strconv.Itoa(entries), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := dpop.NewMemory(entries)
				var kept []string
				for i := range 2 * entries {
					id := strconv.Itoa(i)
					switch ok, err := m.First(t.Context(), id, id, ttl); {
					case err == nil && ok:
						kept = append(kept, id)
					case !errors.Is(err, dpop.ErrFull):
						t.Fatalf("proof %d: %v, %v", i, ok, err)
					}
				}
				if len(kept) > entries || len(kept) < entries*9/10 {
					t.Errorf("holds %d of %d", len(kept), entries)
				}
				for _, id := range kept {
					if first(t, m, id, id, ttl) {
						t.Fatalf("%s was evicted", id)
					}
				}
				time.Sleep(ttl + time.Second)
				for i := range len(kept) / 2 {
					if !first(t, m, "x"+strconv.Itoa(i), "new"+strconv.Itoa(i), ttl) {
						t.Fatal("what expired makes no room")
					}
				}
			})
		})
	}
}

func TestOneOwnerFillsAtMostAQuarter(t *testing.T) {
	for _, entries := range []int{4, 1000, 20_000} {
		m := dpop.NewMemory(entries)
		kept := 0
		for i := range entries {
			switch ok, err := m.First(t.Context(), "greedy", strconv.Itoa(i), ttl); {
			case err == nil && ok:
				kept++
			case !errors.Is(err, dpop.ErrOwnerFull):
				t.Fatalf("proof %d: %v, %v", i, ok, err)
			}
		}
		if kept > entries/4 || kept < entries/5 {
			t.Errorf("one owner holds %d of %d", kept, entries)
		}
		if !first(t, m, "modest", "other", ttl) {
			t.Error("another owner has no place")
		}
	}
}

func TestAnOwnersShareComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := dpop.NewMemory(400)
		for round := range 5 {
			for i := range 100 {
				if !first(t, m, "a", fmt.Sprint(round, i), ttl) {
					t.Fatal("not first")
				}
			}
			if _, err := m.First(t.Context(), "a", "more", ttl); !errors.Is(err, dpop.ErrOwnerFull) {
				t.Fatalf("round %d: %v", round, err)
			}
			time.Sleep(ttl + time.Second)
		}
	})
}

func TestOfManyAtOnceOneIsFirst(t *testing.T) {
	m := dpop.NewMemory(1 << 12)
	for i := range 200 {
		var firsts atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if first(t, m, "a", strconv.Itoa(i), ttl) {
					firsts.Add(1)
				}
			})
		}
		wg.Wait()
		if firsts.Load() != 1 {
			t.Fatalf("proof %d was first %d times", i, firsts.Load())
		}
	}
}

func TestMemoryCostsNoAllocation(t *testing.T) {
	m := dpop.NewMemory(1 << 16)
	ids := make([]string, 4000)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	n := 0
	if got := testing.AllocsPerRun(len(ids)-1, func() {
		_, _ = m.First(t.Context(), "a", ids[n], ttl)
		n++
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// A caller who has filled his share must not make every further request cost a look at the whole
// table.
func TestAFullMemoryIsNotSearchedByEveryRequest(t *testing.T) {
	m := dpop.NewMemory(1000)
	for i := range 1000 {
		_, _ = m.First(t.Context(), "greedy", strconv.Itoa(i), ttl)
	}
	if got := testing.AllocsPerRun(100, func() { _, _ = m.First(t.Context(), "greedy", "more", ttl) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestNewMemoryRefusesWhatCannotBe(t *testing.T) {
	for _, n := range []int{-1, 1<<30 + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewMemory(%d) did not panic", n)
				}
			}()
			dpop.NewMemory(n)
		}()
	}
}

func BenchmarkMemoryFirst(b *testing.B) {
	m := dpop.NewMemory(1 << 26)
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		buf := []byte("0123456789abcdef0123456789abcdef")
		for pb.Next() {
			id := string(strconv.AppendInt(buf[:16], n.Add(1), 10))
			_, _ = m.First(b.Context(), id[:16], id, ttl)
		}
	})
}
