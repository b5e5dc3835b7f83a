package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/labstack/echo/v4"
	"gonum.org/v1/plot/plotter"

	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
)

// growth measures what becomes of the cost as things grow in number or size.
func growth(ctx context.Context, p plan, r *report) error {
	for _, grow := range []func(context.Context, plan, *report) error{growKeys, growSize, growRules, growIssuers, growCache} {
		if err := grow(ctx, p, r); err != nil {
			return err
		}
	}
	return nil
}

// growKeys has 1 to 100 keys in the issuer's set.
func growKeys(ctx context.Context, p plan, r *report) error {
	find, cold, beside := curve{name: "Bearward: key look-up"}, curve{name: "Bearward: verification, no token cache"}, curve{name: "raw EdDSA"}
	for _, n := range []int{1, 3, 10, 30, 100} {
		var more []*tokens.Key
		for i := range n - 1 {
			k, err := tokens.NewKey("EdDSA", fmt.Sprintf("other-%d", i))
			if err != nil {
				return err
			}
			more = append(more, k)
		}
		s, err := newStand(ctx, "EdDSA", more...)
		if err != nil {
			return err
		}
		defer s.close()
		v, err := s.verifier(off)
		if err != nil {
			return err
		}
		check, err := s.key.Raw(s.token)
		if err != nil {
			return err
		}
		look := measure.Of("look-up", func() error { _, err := s.keys.Keys(ctx, tokens.KeyID); return err })
		verify, raw := measure.Of("verification", accept(ctx, v, s.token)), measure.Of("raw", check)
		if err := measure.Race(6, p.slice, look, verify, raw); err != nil {
			return err
		}
		find.add(n, look.Median())
		cold.add(n, verify.Median())
		beside.add(n, raw.Median())
	}
	return r.curves("keys.svg", "Keys in the issuer's set", "keys", "ns", true, find, cold, beside)
}

// growSize has tokens of 0.5 to 12 kB of claims, which is as much as 16 KiB of token hold.
func growSize(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	coldV, err := s.verifier(off)
	if err != nil {
		return err
	}
	warmV, err := s.verifier(0)
	if err != nil {
		return err
	}
	theirs, err := peers.Named("golang-jwt v5 + keyfunc v3").New(ctx, s.key, s.server.URL)
	if err != nil {
		return err
	}
	lines := []curve{{name: "raw RS256"}, {name: "Bearward, no token cache"}, {name: "Bearward, remembered"}, {name: "golang-jwt + keyfunc"}}
	for _, size := range []int{200, 1000, 2000, 4000, 8000, 11500} {
		token, err := s.key.Sign(tokens.Padded(size))
		if err != nil {
			return err
		}
		check, err := s.key.Raw(token)
		if err != nil {
			return err
		}
		cs := []*measure.Contestant{
			measure.Of("raw", check), measure.Of("cold", accept(ctx, coldV, token)), measure.Of("warm", accept(ctx, warmV, token)),
			measure.Of("golang-jwt", func() error { return theirs(ctx, token) }),
		}
		if err := measure.Race(6, p.slice, cs...); err != nil {
			return err
		}
		for i, c := range cs {
			lines[i].add(len(token), c.Median())
		}
	}
	return r.curves("size.svg", "Size of the token", "bytes of token", "ns", true, lines...)
}

// growRules has a table of 1 to 10,000 rules in front of an Echo server with as many routes.
func growRules(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	v, err := s.verifier(0)
	if err != nil {
		return err
	}
	without, with := curve{name: "Echo without auth"}, curve{name: "Bearward: a remembered token, EnforceRules"}
	for _, n := range []int{1, 10, 100, 1000, 10_000} {
		rules := auth.Rules{"GET /orders": auth.Scopes("read:orders")}
		bare, guarded := echo.New(), echo.New()
		for i := range n - 1 {
			rules[fmt.Sprintf("GET /resource/%d/:id", i)] = auth.Scopes("read:orders")
		}
		guarded.Use(echoauth.EnforceRules(must(auth.NewGuard(v, nil)), rules))
		for i := range n {
			path := "/orders"
			if i > 0 {
				path = fmt.Sprintf("/resource/%d/:id", i-1)
			}
			for _, e := range []*echo.Echo{bare, guarded} {
				e.GET(path, func(echo.Context) error { return nil })
			}
		}
		if err := echoauth.Check(guarded, rules); err != nil {
			return err
		}
		a := measure.Of("bare", serve(bare, s.token, http.StatusOK))
		b := measure.Of("guarded", serve(guarded, s.token, http.StatusOK))
		if err := measure.Race(6, p.slice, a, b); err != nil {
			return err
		}
		without.add(n, a.Median())
		with.add(n, b.Median())
	}
	return r.curves("rules.svg", "Rules in the table of a guard", "rules", "ns per request", true, without, with)
}

// growIssuers has 1 to 1,000 tenants of one key set. The token is of the first.
func growIssuers(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	warm, cold, forged := curve{name: "a remembered token"}, curve{name: "no token cache"}, curve{name: "a forged token"}
	bad, err := s.key.Spoil(s.token)
	if err != nil {
		return err
	}
	for _, n := range []int{1, 10, 100, 1000} {
		remembering, err := tenants(s, n, 0)
		if err != nil {
			return err
		}
		forgetting, err := tenants(s, n, off)
		if err != nil {
			return err
		}
		cs := []*measure.Contestant{
			measure.Of("warm", accept(ctx, remembering, s.token)), measure.Of("cold", accept(ctx, forgetting, s.token)),
			measure.Of("forged", refuse(ctx, remembering, bad, auth.ReasonSignatureInvalid)),
		}
		if err := measure.Race(6, p.slice, cs...); err != nil {
			return err
		}
		warm.add(n, cs[0].Median())
		cold.add(n, cs[1].Median())
		forged.add(n, cs[2].Median())
	}
	return r.curves("issuers.svg", "Issuers that an API trusts (tenants of one key set)", "issuers", "ns per token", true, warm, cold, forged)
}

// growCache has 10 to 1,000,000 distinct tokens remembered, asked for in turn.
func growCache(ctx context.Context, p plan, r *report) error {
	const most = 1_000_000
	s, err := newStand(ctx, "EdDSA")
	if err != nil {
		return err
	}
	defer s.close()
	all, err := signMany(ctx, s.key, most)
	if err != nil {
		return err
	}
	time, memory := curve{name: "ns of VerifyToken"}, curve{name: "bytes of memory per token"}
	for _, n := range []int{10, 100, 1000, 10_000, 100_000, most} {
		before := inUse()
		v, err := s.verifier(2 * n)
		if err != nil {
			return err
		}
		if err := shareOut(2, n, func(worker, _ int) error {
			for i := worker; i < n; i += 2 {
				if _, err := v.VerifyToken(ctx, all[i]); err != nil {
					return err
				}
			}
			return ctx.Err()
		}); err != nil {
			return err
		}
		memory.add(n, math.Max(1, float64(inUse()-before)/float64(n)))
		next := 0
		c := measure.Of("warm", func() error {
			next++
			_, err := v.VerifyToken(ctx, all[next%n])
			return err
		})
		if err := measure.Race(6, p.slice, c); err != nil {
			return err
		}
		time.add(n, c.Median())
	}
	all = nil
	debug.FreeOSMemory()
	return r.curves("cached.svg", "Distinct tokens remembered (small ones, EdDSA)", "tokens", "ns, bytes", true, time, memory)
}

// signMany returns so many small tokens, each with another claim.
func signMany(ctx context.Context, key *tokens.Key, n int) ([]string, error) {
	all := make([]string, n)
	return all, shareOut(2, 2, func(worker, _ int) error {
		for i := worker; i < n; i += 2 {
			payload := tokens.Padded(0)
			payload = payload[:len(payload)-1] + fmt.Sprintf(`,"n":%d}`, i)
			token, err := key.Sign(payload)
			if err != nil {
				return err
			}
			all[i] = token
		}
		return ctx.Err()
	})
}

// inUse is the heap that is in use, in bytes.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func (c *curve) add(x int, y float64) { c.points = append(c.points, plotter.XY{X: float64(x), Y: y}) }
