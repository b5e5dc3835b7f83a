//go:build !race

package dpop_test

import (
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// What a proof costs beyond its signature, for a key that proved before: the texts of its claims,
// their parts, and what a store is asked with.
func TestBudgetOfAProof(t *testing.T) {
	nonces := must(dpop.NewNonces(time.Hour))
	binding := must(dpop.New([]string{"https://api.example"}, dpop.NewMemory(0), &dpop.Options{Nonces: nonces}))
	client := authtest.NewProver(t, auth.EdDSA) // whose signature costs none
	client.SetNonce(nonces.Current())
	p := must(auth.NewPrincipal([]byte(`{"iss":"https://issuer.example","sub":"alice"}`)))
	const token = "e30.e30.AA"
	proofs := make([]string, 300)
	for i := range proofs {
		proofs[i] = client.Proof("GET", "https://api.example/orders", token)
	}
	field := []string{""}
	c := &auth.Credentials{Method: "GET", Target: "/orders", Header: http.Header{"Dpop": field}, Answer: http.Header{}}
	member, next := []byte(`"`+client.Thumbprint()+`"`), 0
	got := testing.AllocsPerRun(len(proofs)-2, func() {
		field[0] = proofs[next]
		next++
		if err := binding.Check(t.Context(), token, c, p, member); err != nil {
			t.Fatal(err)
		}
	})
	if got > 6 {
		t.Errorf("%v allocations, want at most 6", got)
	}
}

func TestBytesOfAnEntry(t *testing.T) {
	const entries = 1_000_000
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	m := dpop.NewMemory(0) // for 1<<20
	for i := range entries {
		if _, err := m.First(t.Context(), strconv.Itoa(i), strconv.Itoa(i), ttl); err != nil {
			t.Fatal(err)
		}
	}
	each := float64(heap()-before) / entries
	runtime.KeepAlive(m)
	if each > 40 {
		t.Errorf("%.1f bytes for each entry, want at most 40", each)
	}
}
