//go:build unix

package redisauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// BenchmarkProof is a request with a proof at 16 callers, with either store. Proofs are made
// beforehand.
func BenchmarkProof(b *testing.B) {
	redis := startRedis(b)
	for _, name := range []string{"memory", "redis", "memory", "redis"} {
		b.Run(name, func(b *testing.B) {
			var store dpop.ReplayStore = dpop.NewMemory(0)
			if name == "redis" {
				s := newStore(b, redis.addr, nil)
				ready(b, s)
				store = s
			}
			binding, err := dpop.New([]string{origin}, store, &dpop.Options{MaxAge: 5 * time.Minute, ReplayTimeout: 5 * time.Second})
			if err != nil {
				b.Fatal(err)
			}
			issuer, client := authtest.NewIssuer(b, nil), authtest.NewProver(b, auth.ES256)
			h := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}}).Require("read:orders")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			token := issuer.Token("read:orders", client.Confirmation())
			proofs := make([]string, b.N)
			for i := range proofs {
				proofs[i] = client.Proof("GET", origin+"/orders", token)
			}
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range 16 {
				all.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						r := httptest.NewRequest("GET", "/orders", nil)
						r.Header.Set("Authorization", "DPoP "+token)
						r.Header.Set("DPoP", proofs[i])
						w := httptest.NewRecorder()
						if h.ServeHTTP(w, r); w.Code != 200 {
							b.Errorf("%d %s", w.Code, w.Header().Get("WWW-Authenticate"))
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// BenchmarkHung tells the slowest of 200 answers of a Store whose Redis hangs, with 16 callers and
// 250 ms for each.
func BenchmarkHung(b *testing.B) {
	redis := startRedis(b)
	s := newStore(b, redis.addr, nil)
	ready(b, s)
	redis.signal(syscall.SIGSTOP)
	var slowest atomic.Int64
	for range b.N {
		var all sync.WaitGroup
		for c := range 16 {
			all.Go(func() {
				for i := range 12 {
					ctx, cancel := context.WithTimeout(b.Context(), 250*time.Millisecond)
					began := time.Now()
					if _, err := s.First(ctx, "o", fmt.Sprint(c, i), ttl); err == nil {
						b.Error("a stopped server answered")
					}
					took := int64(time.Since(began))
					for old := slowest.Load(); took > old && !slowest.CompareAndSwap(old, took); old = slowest.Load() {
					}
					cancel()
				}
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
}
