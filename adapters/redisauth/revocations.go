package redisauth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/revocation"
)

// A revoked is one entry, as Redis keeps it.
type revoked struct {
	before int64 // IssuedBefore in microseconds, rounded up; 0 for a single token
	end    time.Time
}

// ownEntries are those of this process.
type ownEntries struct {
	most int
	mu   sync.Mutex
	by   map[string]revoked
}

func newOwnEntries(most int) *ownEntries {
	if most == 0 {
		most = defaultMaxRevocations
	}
	return &ownEntries{most: most, by: make(map[string]revoked)}
}

// add keeps r, widened by what is there. It returns an error when there is no room.
func (o *ownEntries) add(key string, r revoked) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	old, known := o.by[key]
	if !known && len(o.by) >= o.most {
		o.dropOver()
		if len(o.by) >= o.most { // check: own-full
			return fmt.Errorf("redisauth: %w: %d entries are in force", revocation.ErrFull, o.most)
		}
	}
	if old.end.After(r.end) {
		r.end = old.end
	}
	r.before = max(r.before, old.before)
	o.by[key] = r
	return nil
}

// dropOver forgets entries that are over. o.mu is locked.
func (o *ownEntries) dropOver() {
	now := time.Now()
	for key, r := range o.by {
		if !now.Before(r.end) {
			delete(o.by, key)
		}
	}
}

// all returns the entries in force.
func (o *ownEntries) all() map[string]revoked {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropOver()
	out := make(map[string]revoked, len(o.by))
	for key, r := range o.by {
		out[key] = r
	}
	return out
}

// revokeScript widens an entry. KEYS: entry. ARGV: before, ms until it is over.
var revokeScript = newScript(`
local before, left = ARGV[1], tonumber(ARGV[2])
local old = redis.call('GET', KEYS[1])
if old then
  if tonumber(old) > tonumber(before) then before = old end
  left = math.max(left, redis.call('PTTL', KEYS[1]))
end
redis.call('SET', KEYS[1], before, 'PX', left)
return 1`)

// Revoke adds an entry, in force on every replica when it returns nil. A second one for the same
// name widens the first: the later IssuedBefore and the later Until count. After an error it may be
// in force or not; calling again does no harm. Errors say which field is missing or contradicts
// another, that there is no room ([revocation.ErrFull]), or why Redis cannot be asked.
func (s *Store) Revoke(ctx context.Context, e revocation.Entry) error {
	if err := e.Validate(time.Now()); err != nil {
		return err
	}
	key, r := s.tokenKey(e.Issuer, e.TokenID), revoked{end: e.End()}
	switch {
	case e.Subject != "":
		key = s.subjectKey(e.Issuer, e.Subject)
	case e.ClientID != "":
		key = s.clientKey(e.Issuer, e.ClientID)
	}
	if e.TokenID == "" {
		r.before = max(1, e.IssuedBefore.Add(time.Microsecond-1).UnixMicro())
	}
	if _, err := s.current(ctx, nil); err != nil {
		return err
	}
	// Kept first: a server that is replaced after it has answered gets the entry again.
	if err := s.revoked.add(key, r); err != nil {
		return err
	}
	_, err := s.ask(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return writeRevoked(ctx, c, key, r)
	})
	if err != nil {
		return wrap("revoke", err)
	}
	return nil
}

func writeRevoked(ctx context.Context, c rueidis.Client, key string, r revoked) rueidis.RedisResult {
	left := max(1, time.Until(r.end).Milliseconds())
	return revokeScript.Exec(ctx, c, []string{key}, []string{strconv.FormatInt(r.before, 10), strconv.FormatInt(left, 10)})
}

// Revoked reports whether p's token is revoked: for GuardOptions.Revoked. It asks Redis once, for
// one answer of up to three entries. The error says why Redis cannot tell.
func (s *Store) Revoked(ctx context.Context, p *auth.Principal) (bool, error) {
	if p.Issuer() == "" {
		return false, nil
	}
	keys := []string{s.prefix + "epoch"}
	if id := p.TokenID(); id != "" {
		keys = append(keys, s.tokenKey(p.Issuer(), id))
	}
	if sub := p.Subject(); sub != "" {
		keys = append(keys, s.subjectKey(p.Issuer(), sub))
	}
	if client := p.ClientID(); client != "" {
		keys = append(keys, s.clientKey(p.Issuer(), client))
	}
	var not *server
	for range 2 {
		f, err := s.current(ctx, not)
		if err != nil {
			return false, err
		}
		r, err := s.ask(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			return c.Do(ctx, c.B().Mget().Key(keys...).Build())
		})
		if err != nil {
			return false, wrap("look for revocations", err)
		}
		values, err := r.ToArray()
		if err != nil || len(values) != len(keys) {
			return false, fault("look for revocations: a strange answer")
		}
		if epoch, err := values[0].ToString(); err != nil || epoch != f.epoch { // check: revoked-epoch
			not = f
			continue
		}
		if err := s.sameServer(ctx, f); err != nil {
			return false, err
		}
		return anyCovers(values[1:], p)
	}
	return false, fault("the data in Redis changes while it is asked")
}

// anyCovers reports whether one of the entries means the token of p.
func anyCovers(values []rueidis.RedisMessage, p *auth.Principal) (bool, error) {
	for _, v := range values {
		if v.IsNil() {
			continue
		}
		text, err := v.ToString()
		if err != nil {
			return false, fmt.Errorf("redisauth: look for revocations: %w", err)
		}
		before, err := strconv.ParseInt(text, 10, 64)
		switch iat := p.IssuedAt(); {
		case err != nil:
			return false, fault("look for revocations: an entry is not a number")
		case before == 0 || iat.IsZero(): // check: revoked-without-iat
			return true, nil
		case !iat.After(time.UnixMicro(before)): // check: revoked-since
			return true, nil
		}
	}
	return false, nil
}

func (s *Store) tokenKey(issuer, id string) string      { return s.entryKey("jti", issuer, id) }
func (s *Store) subjectKey(issuer, sub string) string   { return s.entryKey("sub", issuer, sub) }
func (s *Store) clientKey(issuer, client string) string { return s.entryKey("client", issuer, client) }

// entryKey is a hash: Redis holds no name of a subject.
func (s *Store) entryKey(kind, issuer, name string) string {
	h := sha256.New()
	for _, part := range []string{kind, issuer} {
		h.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(part))
	}
	h.Write([]byte(name))
	return s.prefix + "r" + string(h.Sum(nil))
}

// writersAgain is how many revocations are written again at once. Beside maxQuestions there is room
// for them in the client's queue.
const writersAgain = 100

// writeAgain writes the revocations of this process to a server that was replaced. Each may take a
// lookTimeout, however many they are: until all are written, nobody gets an answer.
func (s *Store) writeAgain(client rueidis.Client, before, now *server) error {
	all := s.revoked.all()
	keys := slices.Collect(maps.Keys(all))
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var writers sync.WaitGroup
	for range min(writersAgain, len(keys)) {
		writers.Go(func() {
			for at := next.Add(1) - 1; at < int64(len(keys)) && failed.Load() == nil; at = next.Add(1) - 1 {
				ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
				err := writeRevoked(ctx, client, keys[at], all[keys[at]]).Error()
				cancel()
				if err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	writers.Wait()
	if err := failed.Load(); err != nil {
		return wrap("write revocations again", *err)
	}
	if before.data != now.data { // check: loss-told
		s.log.Error("Redis has lost its data: this process has written its revocations again; those of processes that have ended are lost", "revocations", len(all))
		return nil
	}
	s.log.Warn("Redis was restarted or replaced and may have lost its last writes; this process has written its revocations again", "revocations", len(all))
	return nil
}
