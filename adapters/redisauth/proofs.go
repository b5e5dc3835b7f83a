package redisauth

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/bearward/bearward/middleware/dpop"
)

var _ dpop.ReplayStore = (*Store)(nil)

// What firstScript answers.
const (
	answerReplay    = 0
	answerFirst     = 1
	answerChanged   = -1
	answerOwnerFull = -2
)

// firstScript remembers a proof. KEYS: epoch, proof, owner. ARGV: the epoch that the Store knows,
// ttl in ms, how many proofs one owner may have (0: any number) in how many ms. That is not the
// proof's ttl: an owner whose first proof is nearly over would soon be counted from 0 again.
var firstScript = newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local most = tonumber(ARGV[3])
if most > 0 and tonumber(redis.call('GET', KEYS[3]) or '0') >= most then
  if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
  return -2
end
if not redis.call('SET', KEYS[2], '', 'PX', ARGV[2], 'NX') then return 0 end
if most > 0 and redis.call('INCR', KEYS[3]) == 1 then redis.call('PEXPIRE', KEYS[3], ARGV[4]) end
return 1`)

// First implements [dpop.ReplayStore]: of calls with the same id within ttl, on whatever replica,
// exactly one is first. A ttl below a second counts as a second. It asks Redis once, and ends when
// ctx does. The error is [dpop.ErrFull] when Redis has no memory left. It is [dpop.ErrOwnerFull]
// when owner fills a quarter of maxmemory. Without maxmemory owners have no bound.
// Every other error says why Redis cannot tell.
func (s *Store) First(ctx context.Context, owner, id string, ttl time.Duration) (bool, error) {
	ttl = max(ttl, time.Second)
	s.lengthen(ttl)
	var not *server
	for range 2 {
		f, err := s.current(ctx, not)
		if err != nil {
			return false, err
		}
		if err := s.forgetful(f); err != nil {
			return false, err
		}
		answer, err := s.askFirst(ctx, f, owner, id, ttl)
		if err != nil {
			return false, err
		}
		if answer == answerChanged { // nothing was written: it is good to ask again
			not = f
			continue
		}
		if answer == answerOwnerFull { // check: owner-full
			return false, dpop.ErrOwnerFull
		}
		if err := s.sameServer(ctx, f); err != nil {
			return false, err
		}
		return answer == answerFirst, nil
	}
	return false, fault("the data in Redis changes while it is asked")
}

func (s *Store) askFirst(ctx context.Context, f *server, owner, id string, ttl time.Duration) (int64, error) {
	keys := []string{s.prefix + "epoch", s.prefix + "p" + id, s.prefix + "o" + owner}
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	args := []string{f.epoch, ms(ttl), strconv.Itoa(f.ownerLimit), ms(s.longestTTL(f))}
	r, err := s.ask(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return firstScript.Exec(ctx, c, keys, args)
	})
	if err != nil {
		return 0, wrap("remember a proof", err)
	}
	return r.AsInt64()
}

// sameServer returns an error unless the answer that was just had is of f: the client may have
// connected meanwhile, to a server that has lost what f knew.
func (s *Store) sameServer(ctx context.Context, f *server) error {
	if f.dial == s.dials.Load() {
		return nil
	}
	switch now, err := s.current(ctx, nil); {
	case err != nil:
		return err
	case now.epoch != f.epoch:
		return fault("the server was replaced while it was asked")
	}
	return nil
}

// forgetful returns an error while proofs may be lost that have not expired.
func (s *Store) forgetful(f *server) error {
	if s.allowLoss || f.replacedAt.IsZero() {
		return nil
	}
	left := time.Until(f.replacedAt.Add(s.longestTTL(f)))
	if left > 0 { // check: restarted
		return fault(fmt.Sprintf("the server was restarted, replaced or emptied and may have forgotten proofs: %v left", left.Round(time.Second)))
	}
	return nil
}

// longestTTL is for how long a proof is remembered at most. A ttl is what is left of a proof: the
// one that was asked for last may be short.
func (s *Store) longestTTL(f *server) time.Duration {
	longest := time.Duration(s.longest.Load())
	if f.longest > longest { // check: shared-longest
		longest = f.longest
	}
	return longest
}

// lengthen keeps the longest ttl that was asked for.
func (s *Store) lengthen(ttl time.Duration) {
	for {
		old := s.longest.Load()
		if int64(ttl) <= old || s.longest.CompareAndSwap(old, int64(ttl)) {
			return
		}
	}
}

// wrap says what was asked, and names a server that is full.
func wrap(what string, err error) error {
	if e, ok := rueidis.IsRedisErr(err); ok && strings.HasPrefix(e.Error(), "OOM") {
		return fmt.Errorf("redisauth: %s: %w: %w", what, dpop.ErrFull, err)
	}
	return fmt.Errorf("redisauth: %s: %w", what, err)
}
