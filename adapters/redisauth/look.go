package redisauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// A server is what a look found.
type server struct {
	err        error     // why it cannot be used; nil: it can
	at         time.Time // of the look
	dial       int64     // the connection that was looked at
	epoch      string
	run        string        // the process
	data       string        // an ID that is lost with the data
	replacedAt time.Time     // when proofs may have been lost; zero: never
	durable    bool          // it writes an append-only file
	ownerLimit int           // proofs of one owner in the longest ttl; 0: any number
	longest    time.Duration // ttl of a proof that any Store asked for
}

// A look is one that runs; done is closed when it has ended.
type look struct{ done chan struct{} }

// watch looks at the server every 30 seconds and when a connection ends; at one that cannot be
// used, every second.
func (s *Store) watch() {
	defer close(s.stopped)
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for due := true; ; {
		s.mu.Lock()
		l := s.looking
		if due {
			l = s.startLook()
		}
		s.mu.Unlock()
		if l != nil {
			<-l.done
		}
		select {
		case <-s.stop:
			return
		case <-s.wake:
			// A server that cannot be used ends each connection of a look: not at once again.
			f := s.found.Load()
			due = f == nil || f.err == nil // check: wake-unusable
		case <-tick.C:
			f := s.found.Load()
			due = f.err != nil || time.Since(f.at) >= lookEvery
		}
	}
}

// startLook returns the look that runs, and starts one when there is none. s.mu is locked. It
// returns nil when the Store is closed.
func (s *Store) startLook() *look {
	if s.closed {
		return nil
	}
	if s.looking == nil {
		l := &look{make(chan struct{})}
		s.looking = l
		go func() {
			f := s.inspect()
			s.tell(s.found.Load(), f)
			s.found.Store(f)
			s.mu.Lock()
			s.looking = nil
			s.mu.Unlock()
			close(l.done)
		}()
	}
	return s.looking
}

// current returns the server, and looks at it first when the connection is a new one or when not is
// what was found of it before.
func (s *Store) current(ctx context.Context, not *server) (*server, error) {
	for range 3 {
		f := s.found.Load()
		if f != nil && f != not && (f.err != nil || f.dial == s.dials.Load()) {
			return f, f.err
		}
		s.mu.Lock()
		l := s.startLook()
		s.mu.Unlock()
		if l == nil {
			return nil, errClosed
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("redisauth: Redis has not answered: %w", ctx.Err())
		}
	}
	return nil, fault("the connection to Redis does not last")
}

// epochScript returns what stands for the data and the process that holds it, and when proofs may
// have been lost. It answers with the longest ttl of any Store, too, and keeps it for a day: a
// Store that has just begun does not know for how long lost proofs are good. KEYS: epoch, longest.
// ARGV: the process, a new ID, the ID that this Store knows or "", its own longest ttl in ms.
var epochScript = newScript(`
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local old = redis.call('GET', KEYS[1])
local id, run, since
if old then id, run, since = string.match(old, '^(%S+) (%S+) (%S+)$') end
if not id then
  id, run = ARGV[2], ARGV[1]
  since = ARGV[3] == '' and '0' or now
elseif run ~= ARGV[1] then
  run, since = ARGV[1], now
elseif ARGV[3] ~= '' and ARGV[3] ~= id and since == '0' then
  since = now
elseif tonumber(since) > tonumber(now) then -- its clock was ahead when it began
  since = now
end
local new = id .. ' ' .. run .. ' ' .. since
if new ~= old then redis.call('SET', KEYS[1], new) end
local longest = redis.call('GET', KEYS[2]) or '0'
if tonumber(ARGV[4]) > 0 and tonumber(ARGV[4]) >= tonumber(longest) then
  longest = ARGV[4]
  redis.pcall('SET', KEYS[2], longest, 'PX', 86400000) -- not where Redis is full: the look goes on
end
return {new, now, longest}`)

// inspect looks at the server, and writes again what it has lost of this process's revocations.
func (s *Store) inspect() *server {
	f := &server{at: time.Now(), dial: s.dials.Load()}
	client, err := s.connect()
	if err != nil {
		f.err = fmt.Errorf("redisauth: connect: %w", err)
		return f
	}
	f.dial = s.dials.Load()
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	// The client may connect while it asks: the second answer is then of the connection that lasts.
	for range 2 {
		f.dial = s.dials.Load()
		info, err := client.Do(ctx, client.B().Info().Build()).ToString()
		if err != nil {
			s.hangUp()
			f.err = fmt.Errorf("redisauth: look at the server: %w", err)
			return f
		}
		if f.err = f.read(info); f.err != nil {
			return f
		}
		if f.dial == s.dials.Load() {
			break
		}
	}
	known := s.known.Load()
	if f.err = s.readEpoch(ctx, client, f, known); f.err != nil {
		return f
	}
	if known != nil && (known.run != f.run || known.data != f.data) {
		if f.err = s.writeAgain(client, known, f); f.err != nil {
			return f
		}
	}
	s.known.Store(f)
	return f
}

// readEpoch fills in what Redis says of its data.
func (s *Store) readEpoch(ctx context.Context, client rueidis.Client, f, known *server) error {
	knownID := ""
	if known != nil {
		knownID = known.data
	}
	keys := []string{s.prefix + "epoch", s.prefix + "longest"}
	args := []string{f.run, rand.Text(), knownID, strconv.FormatInt(time.Duration(s.longest.Load()).Milliseconds(), 10)}
	got, err := epochScript.Exec(ctx, client, keys, args).AsStrSlice()
	if err != nil {
		return fmt.Errorf("redisauth: look at the data: %w", err)
	}
	if len(got) != 3 {
		return fault("look at the data: a strange answer")
	}
	f.epoch = got[0]
	var since, now, longest int64
	fields := strings.Fields(f.epoch)
	if len(fields) == 3 {
		f.data = fields[0]
		since, err = strconv.ParseInt(fields[2], 10, 64)
	}
	if err == nil {
		now, err = strconv.ParseInt(got[1], 10, 64)
	}
	if err == nil {
		longest, err = strconv.ParseInt(got[2], 10, 64)
	}
	if err != nil || f.data == "" {
		return fault("look at the data: a strange answer")
	}
	f.longest = time.Duration(longest) * time.Millisecond
	if since != 0 {
		f.replacedAt = time.Now().Add(-time.Duration(now-since) * time.Millisecond)
	}
	return nil
}

// entryBytes is what a proof takes in Redis, measured with a margin: a quarter of maxmemory for
// one owner counts by it.
const entryBytes = 200

// read takes over what INFO tells, and returns why the server cannot be used.
func (f *server) read(info string) error {
	fields := make(map[string]string)
	for line := range strings.SplitSeq(info, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":"); ok {
			fields[name] = value
		}
	}
	f.run, f.durable = fields["run_id"], fields["aof_enabled"] == "1"
	switch {
	case f.run == "":
		return fault("the server does not tell its run_id")
	case fields["redis_mode"] == "cluster": // check: cluster
		return fault("the server is of a cluster, which is not supported")
	case fields["role"] != "master": // check: replica
		return fault("the server is a replica, which does not know the last writes")
	case fields["maxmemory_policy"] != "noeviction": // check: evicting
		return fault(fmt.Sprintf("the server may evict what it must remember: maxmemory-policy is %.40q, want noeviction", fields["maxmemory_policy"]))
	}
	// Counts begin again when a window ends, and a ttl may be longer than the one before: a third
	// of the quarter.
	if most, err := strconv.ParseInt(fields["maxmemory"], 10, 64); err == nil && most > 0 {
		f.ownerLimit = int(max(1, most/entryBytes/4/3))
	}
	return nil
}

// tell logs what has changed.
func (s *Store) tell(before, now *server) {
	level, text := slog.LevelInfo, ""
	switch {
	case now.err != nil && (before == nil || before.err == nil || faultOf(before.err) != faultOf(now.err)):
		s.log.Error("Redis cannot be used; requests that need it are answered with 503", "err", now.err)
		return
	case now.err != nil:
		return
	case before != nil && before.err != nil:
		text = "Redis can be used again"
	case before == nil && !now.durable:
		level, text = slog.LevelWarn, "Redis writes no append-only file: a restart forgets revocations"
	default:
		return
	}
	s.log.Log(context.Background(), level, text)
}

// faultOf returns the text of err without what is of one connection alone, its port.
func faultOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Op + " " + op.Err.Error()
	}
	return err.Error()
}

// Check looks at the server now. It returns what makes it unusable: that it cannot be reached, is a
// replica or a cluster, or may evict. It also complains of a server without an
// append-only file, since a restart forgets revocations. First and Revoked go on with such a one.
func (s *Store) Check(ctx context.Context) error {
	f, err := s.current(ctx, s.found.Load())
	if err != nil {
		return err
	}
	if !f.durable {
		return fault("the server has no append-only file (appendonly no): a restart forgets revocations")
	}
	return nil
}
