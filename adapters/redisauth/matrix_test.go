//go:build unix

package redisauth_test

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/redisauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/revocation"
)

// The rows of the conformance matrix that rest on a store: each is asked over every adapter, while
// a redis-server of the test is made to fail. Subtests are named as those of internal/conformance,
// .../ROW/ADAPTER/..., which is how its page counts them.

// A fault is made to happen in steps. After each, whatever needs Redis is answered with 503.
type redisFault struct {
	name    string
	redis   []string // arguments of redis-server
	opts    redisauth.Options
	maxAge  time.Duration // of proofs; default one minute
	at      bool          // it is there when the APIs start
	steps   []step
	end     func(*redisServer) // nil: it ends by itself
	reaches bool               // a question may reach Redis, although the answer does not come
	forgets bool               // what was accepted may be accepted once more, as Options allows
}

type step struct {
	name string
	do   func(*redisServer)
	seen bool // the Store has looked at the server again, and can use it
}

func config(name, value string) func(*redisServer) {
	return func(r *redisServer) { r.cli("CONFIG", "SET", name, value) }
}

var redisFaults = []redisFault{
	{name: "hangs", reaches: true,
		steps: []step{{name: "stopped", do: func(r *redisServer) { r.signal(syscall.SIGSTOP) }}},
		end:   func(r *redisServer) { r.signal(syscall.SIGCONT) }},
	{name: "restart", maxAge: 5 * time.Second, // the Store is asked to remember for about 10 s
		steps: []step{{name: "killed", do: (*redisServer).kill}, {name: "back_empty", do: (*redisServer).start, seen: true}}},
	{name: "restart_with_loss_allowed", opts: redisauth.Options{AllowLossOnRestart: true}, forgets: true,
		steps: []step{{name: "killed", do: (*redisServer).kill}}, end: (*redisServer).start},
	{name: "down_when_the_API_starts", at: true,
		steps: []step{{name: "killed", do: (*redisServer).kill}}, end: (*redisServer).start},
	{name: "full", redis: []string{"--maxmemory", "3mb"},
		steps: []step{{name: "maxmemory_reached", do: func(r *redisServer) {
			r.cli("EVAL", "for i=1,100000 do redis.call('SET', 'fill'..i, string.rep('x', 100)) end", "0")
		}}},
		end: config("maxmemory", "0")},
	{name: "evicting", redis: []string{"--maxmemory", "8mb"}, at: true,
		steps: []step{{name: "allkeys-lru", do: config("maxmemory-policy", "allkeys-lru")}},
		end:   config("maxmemory-policy", "noeviction")},
	{name: "demoted",
		steps: []step{{name: "a_replica", do: func(r *redisServer) { r.cli("REPLICAOF", "127.0.0.1", "1") }}},
		end:   func(r *redisServer) { r.cli("REPLICAOF", "NO", "ONE") }},
}

// TestMatrixRedisFaults makes each fault happen. Proofs of sender-bound tokens are then neither
// accepted nor called bad; plain tokens go on; and when the fault is over, nothing is remembered
// wrongly.
func TestMatrixRedisFaults(t *testing.T) {
	for _, f := range redisFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.test(t)
		})
	}
}

func (f redisFault) test(t *testing.T) {
	redis := startRedis(t, f.redis...)
	if f.maxAge == 0 {
		f.maxAge = time.Minute
	}
	if f.at {
		f.steps[0].do(redis)
	}
	a := newAPIs(t, redis, f.opts, dpop.Options{MaxAge: f.maxAge})
	if !f.at {
		ready(t, a.store)
		for adapter := range a.asks {
			used := a.proof(adapter)
			a.accepted(t, a.send(t, adapter, used))
			a.used[adapter] = append(a.used[adapter], used)
		}
	}
	for i, s := range f.steps {
		if !f.at || i > 0 {
			s.do(redis)
		}
		if s.seen {
			eventually(t, "the Store sees the server", func() bool {
				err := a.store.Check(briefly(t))
				return err != nil && strings.Contains(err.Error(), "append-only") // its only fault
			})
		}
		a.each(t, "D-36", s.name, func(t *testing.T, adapter string) {
			proof := a.proof(adapter)
			a.unavailable(t, func() reply { return a.send(t, adapter, proof) })
			a.lost[adapter] = append(a.lost[adapter], proof)
			for _, proof := range a.used[adapter] {
				a.unavailable(t, func() reply { return a.send(t, adapter, proof) })
			}
			a.accepted(t, a.sendPlain(t, adapter))
		})
	}
	if f.end != nil {
		f.end(redis)
	}
	a.each(t, "W-17", "afterwards", func(t *testing.T, adapter string) { f.afterwards(t, a, adapter) })
}

// afterwards asks with new proofs, those that were used before the fault, and those that were sent
// while it lasted.
func (f redisFault) afterwards(t *testing.T, a *apis, adapter string) {
	eventually(t, "new proofs are accepted again", func() bool { return a.send(t, adapter, a.proof(adapter)).status == 200 })
	for _, proof := range a.used[adapter] {
		if f.forgets {
			a.accepted(t, a.send(t, adapter, proof))
		}
		a.replayed(t, adapter, proof)
	}
	for _, proof := range a.lost[adapter] {
		if f.maxAge == time.Minute && !f.reaches { // it has neither expired nor reached Redis
			a.accepted(t, a.send(t, adapter, proof))
		} else if got := a.send(t, adapter, proof); got.status != 200 && got.status != 401 {
			t.Errorf("%+v", got)
		}
		a.replayed(t, adapter, proof)
	}
}

// TestMatrixRedisProofs uses proofs again, and looks at what Redis remembers of them.
func TestMatrixRedisProofs(t *testing.T) {
	t.Parallel()
	redis := startRedis(t, "--maxmemory", "64mb")
	a := newAPIs(t, redis, redisauth.Options{}, dpop.Options{MaxAge: time.Minute, Leeway: 10 * time.Second})
	ready(t, a.store)
	for _, row := range []string{"D-34", "S-08"} {
		a.each(t, row, "Redis", func(t *testing.T, adapter string) {
			proof := a.proof(adapter)
			a.accepted(t, a.send(t, adapter, proof))
			for range 2 {
				a.replayed(t, adapter, proof)
			}
			if why := a.last.Load(); why == nil || why.Reason != auth.ReasonProofReplayed {
				t.Errorf("refused for %v", why)
			}
		})
	}
	a.each(t, "D-37", "without_nonces", func(t *testing.T, adapter string) {
		for _, ago := range []time.Duration{0, 40 * time.Second, -8 * time.Second} {
			iat := time.Now().Add(-ago).Truncate(time.Second)
			until := a.keptUntil(t, adapter, authtest.Claims{"iat": iat.Unix()})
			if end := iat.Add(70 * time.Second); until.Before(end) || until.After(end.Add(15*time.Second)) {
				t.Errorf("made %v ago: remembered for %v after its end", ago, until.Sub(end))
			}
		}
	})
	nonces, err := dpop.NewNonces(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	byNonce := newAPIs(t, redis, redisauth.Options{}, dpop.Options{Nonces: nonces})
	ready(t, byNonce.store)
	byNonce.each(t, "D-37", "with_nonces,_whatever_iat_says", func(t *testing.T, adapter string) {
		for _, iat := range []int64{1, time.Now().Unix()} {
			until := byNonce.keptUntil(t, adapter, authtest.Claims{"iat": iat, "nonce": nonces.Current()})
			if ttl := time.Until(until); ttl < time.Hour || ttl > 100*time.Minute {
				t.Errorf("iat %d: remembered for %v", iat, ttl)
			}
		}
	})
	a.each(t, "D-41", "Redis", func(t *testing.T, adapter string) {
		if !strings.HasPrefix(adapter, "grpc-") {
			t.Skip("HTTP has D-11 and D-12")
		}
		redis.cli("CONFIG", "RESETSTAT")
		a.accepted(t, a.send(t, adapter, a.proof(adapter)))
		if stats := redis.cli("INFO", "commandstats"); !strings.Contains(stats, "cmdstat_evalsha:calls=1,") {
			t.Errorf("Redis was not asked once:\n%s", stats)
		}
	})
	a.each(t, "D-35", "Redis", func(t *testing.T, adapter string) { // one owner may have so few
		redis := startRedis(t, "--maxmemory", "3mb")
		a := newAPIs(t, redis, redisauth.Options{}, dpop.Options{MaxAge: time.Minute})
		ready(t, a.store)
		proof := a.proof(adapter)
		a.accepted(t, a.send(t, adapter, proof))
		redis.cli("EVAL", "for _, k in ipairs(redis.call('KEYS', 'bw:o*')) do redis.call('SET', k, 100000, 'KEEPTTL') end", "0")
		a.unavailable(t, func() reply { return a.send(t, adapter, a.proof(adapter)) })
		a.replayed(t, adapter, proof)
		bob := a.issuer.Token(requires, a.prover.Confirmation(), authtest.Claims{"sub": "bob"})
		a.bound = bob
		a.accepted(t, a.send(t, adapter, a.proof(adapter)))
	})
}

// keptUntil returns until when Redis remembers a proof that is accepted.
func (a *apis) keptUntil(t *testing.T, adapter string, changes ...authtest.Change) time.Time {
	t.Helper()
	a.redis.cli("EVAL", "for _, k in ipairs(redis.call('KEYS', 'bw:p*')) do redis.call('DEL', k) end", "0")
	a.accepted(t, a.send(t, adapter, a.proof(adapter, changes...)))
	left := strings.Fields(a.redis.cli("EVAL", "local all = {} for _, k in ipairs(redis.call('KEYS', 'bw:p*')) do all[#all+1] = redis.call('PTTL', k) end return all", "0"))
	if len(left) != 1 {
		t.Fatalf("%d proofs are remembered: %v", len(left), left)
	}
	ms, err := strconv.Atoi(left[0])
	if err != nil {
		t.Fatal(err)
	}
	return time.Now().Add(time.Duration(ms) * time.Millisecond)
}

// TestMatrixRedisRevocations revokes tokens in Redis. While it cannot tell, no token is accepted.
func TestMatrixRedisRevocations(t *testing.T) {
	for name, fault := range map[string]redisFault{
		"hangs":   {steps: redisFaults[0].steps, end: redisFaults[0].end},
		"restart": {steps: []step{{name: "killed", do: (*redisServer).kill}}, end: (*redisServer).start}, // empty
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := startRedis(t)
			a := &apis{redis: redis, store: newStore(t, redis.addr, nil), issuer: authtest.NewIssuer(t, nil)}
			a.serve(t, &auth.GuardOptions{Revoked: a.store.Revoked})
			ready(t, a.store)
			good, revoked := make(map[string]string), make(map[string]string)
			as := func(t *testing.T, adapter string, tokens map[string]string) reply {
				return a.asks[adapter](t, map[string]string{"Authorization": "Bearer " + tokens[adapter]})
			}
			// The Guard waits for 250 ms, and a busy machine may take longer.
			answered := func(t *testing.T, adapter string, tokens map[string]string) (got reply) {
				t.Helper()
				eventually(t, "Redis tells", func() bool { got = as(t, adapter, tokens); return got.status != 503 })
				return got
			}
			refused := func(t *testing.T, adapter string) {
				t.Helper()
				if got := answered(t, adapter, revoked); got.status != 401 || got.code != "INVALID_TOKEN" || len(got.challenges) == 0 {
					t.Errorf("%+v for a revoked token", got)
				}
			}
			a.each(t, "W-04", "in_Redis", func(t *testing.T, adapter string) {
				id := fmt.Sprint("revoked ", adapter)
				good[adapter], revoked[adapter] = a.issuer.Token(requires), a.issuer.Token(requires, authtest.Claims{"jti": id})
				a.accepted(t, answered(t, adapter, revoked)) // it is remembered
				if err := a.store.Revoke(t.Context(), revocation.Entry{Issuer: a.issuer.URL, TokenID: id, Until: time.Now().Add(2 * time.Hour)}); err != nil {
					t.Fatal(err)
				}
				refused(t, adapter)
				a.accepted(t, answered(t, adapter, good))
			})
			fault.steps[0].do(redis)
			a.each(t, "W-04", fault.steps[0].name, func(t *testing.T, adapter string) {
				for _, tokens := range []map[string]string{good, revoked} {
					a.unavailable(t, func() reply { return as(t, adapter, tokens) })
				}
			})
			fault.end(redis)
			a.each(t, "W-04", "afterwards", func(t *testing.T, adapter string) {
				eventually(t, "tokens are accepted again", func() bool { return as(t, adapter, good).status == 200 })
				refused(t, adapter)
			})
		})
	}
}
