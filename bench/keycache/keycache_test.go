package keycache

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/bearward/bearward/jwks"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// A server publishes two keys, after a delay that a test sets.
type server struct {
	*httptest.Server
	delay    atomic.Int64 // nanoseconds
	requests atomic.Int64
}

func newServer(tb testing.TB) *server {
	var keys string
	for n := range 2 {
		public := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%032d", n))).Public().(ed25519.PublicKey)
		keys += fmt.Sprintf(`,{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"k%d","x":%q}`, n, base64.RawURLEncoding.EncodeToString(public))
	}
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		select {
		case <-time.After(time.Duration(s.delay.Load())):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"keys":[%s]}`, keys[1:])
	}))
	tb.Cleanup(s.Close)
	return s
}

// A peer looks a held key up, and can be made to fetch.
type peer struct {
	name    string
	look    func(kid string) error
	refresh func() // starts a fetch, and may wait for it
}

func peers(tb testing.TB, s *server) []peer {
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)

	ours, err := jwks.New(s.URL, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ours.Close() })
	if err := ours.Refresh(ctx); err != nil {
		tb.Fatal(err)
	}

	cache := jwk.NewCache(ctx)
	if err := cache.Register(s.URL); err != nil {
		tb.Fatal(err)
	}
	if _, err := cache.Refresh(ctx, s.URL); err != nil {
		tb.Fatal(err)
	}

	kf, err := keyfunc.NewDefaultCtx(ctx, []string{s.URL})
	if err != nil {
		tb.Fatal(err)
	}

	return []peer{
		{"bearward", func(kid string) error {
			_, err := ours.Keys(ctx, kid)
			return err
		}, func() { ours.Refresh(ctx) }},
		{"jwx-v2", func(kid string) error {
			set, err := cache.Get(ctx, s.URL)
			if err != nil {
				return err
			}
			if _, ok := set.LookupKeyID(kid); !ok {
				return fmt.Errorf("no key %s", kid)
			}
			return nil
		}, func() { cache.Refresh(ctx, s.URL) }},
		{"keyfunc-v3", func(kid string) error {
			_, err := kf.Keyfunc(&jwt.Token{Header: map[string]any{"kid": kid, "alg": "EdDSA"}})
			return err
		}, func() { // it fetches for an unknown key
			kf.Keyfunc(&jwt.Token{Header: map[string]any{"kid": "unknown", "alg": "EdDSA"}})
		}},
	}
}

// BenchmarkLookUp is the time to find a key that is held: go test -bench LookUp -cpu 1,2,8.
func BenchmarkLookUp(b *testing.B) {
	for _, p := range peers(b, newServer(b)) {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := p.look("k1"); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// longest looks a held key up, over and over, until the fetch that refresh starts has ended or the
// time is over, and returns the longest look-up, how many there were, and how many took over 1 ms.
func longest(tb testing.TB, p peer, most time.Duration) (long time.Duration, n, slow int) {
	done := make(chan bool)
	go func() { defer close(done); p.refresh() }()
	for over := time.After(most); ; n++ {
		began := time.Now()
		if err := p.look("k1"); err != nil {
			tb.Errorf("%s: %v", p.name, err)
		}
		took := time.Since(began)
		if long = max(long, took); took > time.Millisecond {
			slow++
		}
		select {
		case <-done:
			return long, n, slow
		case <-over:
			return long, n, slow
		default:
		}
	}
}

// BenchmarkLongestWait is the longest look-up of a held key during a fetch that takes 150 ms.
func BenchmarkLongestWait(b *testing.B) {
	s := newServer(b)
	all := peers(b, s)
	s.delay.Store(int64(150 * time.Millisecond))
	for _, p := range all {
		b.Run(p.name, func(b *testing.B) {
			var long time.Duration
			for b.Loop() {
				one, _, _ := longest(b, p, time.Second)
				long = max(long, one)
			}
			b.ReportMetric(float64(long.Microseconds()), "us-longest")
		})
	}
}

func TestHangingEndpointDelaysNoLookUpOfAHeldKey(t *testing.T) {
	if testing.Short() {
		t.Skip("takes real time")
	}
	s := newServer(t)
	all := peers(t, s)
	s.delay.Store(int64(3 * time.Second)) // bounded, since some peers wait for the whole of it
	// What the machine itself makes anybody wait, for comparison.
	all = append([]peer{{"nothing", func(string) error { return nil }, func() { <-time.After(3 * time.Second) }}}, all...)
	for _, p := range all {
		for tries := 3; ; tries-- {
			before := s.requests.Load()
			long, n, slow := longest(t, p, 4*time.Second)
			t.Logf("figure: %s: %d look-ups of a held key while the key endpoint hangs for 3 s (%d requests): the longest took %v, %d took over 1 ms", p.name, n, s.requests.Load()-before, long, slow)
			if p.name != "bearward" || long <= 250*time.Millisecond { // the goal is 1 ms
				break
			}
			if tries == 1 { // a busy machine stops everybody now and then, and not each time
				t.Errorf("it took %v", long)
				break
			}
		}
	}
}
