package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// An authorizationServer tells about tokens (RFC 7662): active are those that end in ".good" and
// JWTs.
type authorizationServer struct {
	*httptest.Server
	delay time.Duration
	now   atomic.Int64 // calls under way
	most  atomic.Int64
	calls atomic.Int64
}

func newAuthorizationServer(delay time.Duration) *authorizationServer {
	s := &authorizationServer{delay: delay}
	good := []byte(strings.Replace(tokens.Claims(), `{`, `{"active":true,`, 1))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := s.now.Add(1)
		defer s.now.Add(-1)
		s.calls.Add(1)
		for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
		}
		if s.delay > 0 {
			time.Sleep(s.delay)
		}
		w.Header().Set("Content-Type", "application/json")
		if token := r.PostFormValue("token"); strings.HasSuffix(token, ".good") || strings.HasPrefix(token, "ey") {
			_, _ = w.Write(good)
		} else {
			_, _ = w.Write([]byte(`{"active":false}`))
		}
	}))
	return s
}

func (s *authorizationServer) introspector(maxAge time.Duration) (*introspect.Introspector, error) {
	return introspect.New(s.URL, introspect.Basic("orders-api", func() (string, error) { return "secret", nil }), introspect.Config{
		Claims: auth.Config{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience}}, MaxAge: maxAge})
}

// introspection measures tokens that the issuer is asked about.
func introspection(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	server := newAuthorizationServer(0)
	defer server.Close()
	remembering, err := server.introspector(10 * time.Minute)
	if err != nil {
		return err
	}
	defer remembering.Close()
	asking, err := server.introspector(-1)
	if err != nil {
		return err
	}
	defer asking.Close()
	v, err := s.verifier(0)
	if err != nil {
		return err
	}
	theirs, err := peers.ZITADELIntrospection(ctx, server.URL)
	if err != nil {
		return err
	}
	tag, err := gmac()
	if err != nil {
		return err
	}
	opaque := "2YotnFZFEjr1zCsicMWpAA-hGqCTTS3oPqVIzrR.good"
	ask := func(v auth.TokenVerifier, token string) func() error {
		return func() error { _, err := v.VerifyToken(ctx, token); return err }
	}
	long := []byte(s.token)
	cs := []*measure.Contestant{
		measure.Of(fmt.Sprintf("GMAC of a token of %d bytes", len(long)), func() error { return tag(long) }),
		measure.Of("**Bearward**, that token by introspection, remembered", ask(remembering, s.token)),
		measure.Of("**Bearward**, that token as a JWT, remembered", ask(v, s.token)),
		measure.Of(fmt.Sprintf("**Bearward**, an opaque token of %d bytes, remembered", len(opaque)), ask(remembering, opaque)),
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.atMost("introspection", "introspection, remembered / GMAC of the token", 1.5, cs[1].Over(cs[0]))
	r.count("introspection", "introspection, remembered, allocations", 0, max(cs[1].Allocs, cs[3].Allocs))
	r.compare("A token that the issuer told about", "`VerifyToken`; ratios are to the GMAC.", cs[0], cs, nil)
	each := []*measure.Contestant{
		measure.Of("**Bearward**, asked each time", ask(asking, opaque)),
		measure.Of("zitadel oidc v3 rs.Introspect, which remembers nothing", func() error { return theirs(ctx, opaque) }),
	}
	if err := measure.Race(p.rounds, p.slice, each...); err != nil {
		return err
	}
	r.compare("Asking the issuer", "One question after the other to an endpoint on loopback, which takes no time itself; allocations are both sides'.", each[0], each,
		map[string]string{each[1].Name: strings.Join(peers.ZITADELIntrospectionUnchecked, ", ")})
	return nil
}

// What flood sends.
const (
	garbageTokens  = 10_000
	garbageCallers = 256
	goodCallers    = 8
	goodTokens     = 64
)

// flood measures what callers with good tokens get while others send garbage that nobody has seen
// before, each of which the issuer would have to be asked about.
func flood(ctx context.Context, p plan, r *report) error {
	server := newAuthorizationServer(2 * time.Millisecond)
	defer server.Close()
	i, err := server.introspector(400 * time.Millisecond) // so that good tokens are asked about again, too
	if err != nil {
		return err
	}
	defer i.Close()
	for n := range goodTokens {
		if _, err := i.VerifyToken(ctx, goodToken(n)); err != nil {
			return err
		}
	}
	var quiet, busy, refused, calls []float64
	for round := range min(p.rounds, 8) {
		before := server.calls.Load()
		alone := good(ctx, i, func() { time.Sleep(300 * time.Millisecond) })
		asked := server.calls.Load()
		beside := good(ctx, i, func() { sendGarbage(ctx, i, round) })
		if asked == before {
			return errors.New("no good token was asked about again")
		}
		quiet, busy = append(quiet, measure.Quantile(alone.ms, 0.99)), append(busy, measure.Quantile(beside.ms, 0.99))
		refused, calls = append(refused, float64(alone.refused+beside.refused)), append(calls, float64(server.calls.Load()-asked))
	}
	r.count("flood", "10,000 garbage tokens at introspection: requests with good tokens that were not served", 0, sum(refused))
	r.count("flood", "the same: most questions to the issuer at one time", 64, float64(server.most.Load()))
	r.tables = append(r.tables, table{
		title: "A flood of garbage at introspection",
		note: fmt.Sprintf("%d callers send %d tokens that nobody has seen; %d others have %d good ones, whose answers are good for 400 ms. The issuer answers "+
			"after 2 ms. Medians over the rounds.", garbageCallers, garbageTokens, goodCallers, goodTokens),
		columns: []string{"", "without the flood", "during it"},
		rows: [][]string{
			{"good callers: p99 of their answers, ms", measure.RatioOf(quiet).String(), measure.RatioOf(busy).String()},
			{"questions to the issuer", "", measure.RatioOf(calls).String()},
		},
	})
	return nil
}

func goodToken(n int) string { return fmt.Sprintf("2YotnFZFEjr1zCsicMWpAA-%012d.good", n) }

// service is what callers with good tokens got.
type service struct {
	ms      []float64
	refused int
}

// good has callers ask with good tokens while something goes on.
func good(ctx context.Context, i *introspect.Introspector, while func()) service {
	var all service
	var mu sync.Mutex
	var callers sync.WaitGroup
	done := make(chan struct{})
	for c := range goodCallers {
		callers.Go(func() {
			var mine service
			for n := c; ; n++ {
				select {
				case <-done:
					mu.Lock()
					defer mu.Unlock()
					all.ms, all.refused = append(all.ms, mine.ms...), all.refused+mine.refused
					return
				case <-time.After(time.Millisecond):
				}
				start := time.Now()
				if _, err := i.VerifyToken(ctx, goodToken(n%goodTokens)); err != nil {
					mine.refused++
				}
				mine.ms = append(mine.ms, float64(time.Since(start))/float64(time.Millisecond))
			}
		})
	}
	while()
	close(done)
	callers.Wait()
	return all
}

// sendGarbage sends the tokens of one round, each once.
func sendGarbage(ctx context.Context, i *introspect.Introspector, round int) {
	var callers sync.WaitGroup
	for c := range garbageCallers {
		callers.Go(func() {
			for n := c; n < garbageTokens; n += garbageCallers {
				_, _ = i.VerifyToken(ctx, fmt.Sprintf("garbage-%d-%d", round, n))
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	callers.Wait()
}

func sum(xs []float64) (all float64) {
	for _, x := range xs {
		all += x
	}
	return all
}
