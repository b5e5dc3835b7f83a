package dpop

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// Errors of a [ReplayStore] that has no room: the request is not judged (503), and nothing that the
// store remembers is given up for it.
var (
	ErrFull      = errors.New("dpop: the replay store is full")
	ErrOwnerFull = errors.New("dpop: one owner fills its share of the replay store")
)

// DefaultMemoryEntries is how many proofs a [Memory] remembers at once by default.
const DefaultMemoryEntries = 1 << 20

const (
	maxMemoryEntries = 1 << 30
	maxShards        = 16
	entriesPerShard  = 4096             // at least, before a second shard is worth its lock
	ownerShare       = 4                // one owner fills at most a quarter
	minSlots         = 64               // of a shard's table
	sweepEvery       = time.Second      // at most so often is a full shard searched for expired entries
	tick             = time.Second / 16 // the unit of an entry's expiry
)

// A Memory is a [ReplayStore] in the process, for an API that runs as one replica. It remembers a
// proof for its ttl, never evicts, and answers with [ErrFull] or [ErrOwnerFull] when it has no
// room. An entry takes about 40 bytes. It is safe for concurrent use and starts no goroutine.
type Memory struct {
	seeds  [3]maphash.Seed
	start  time.Time
	shards []shard
}

// NewMemory returns a Memory for maxEntries proofs at once; 0 means [DefaultMemoryEntries]. It
// panics when maxEntries is negative or above 1<<30.
func NewMemory(maxEntries int) *Memory {
	if maxEntries < 0 || maxEntries > maxMemoryEntries {
		panic(fmt.Sprintf("dpop: NewMemory of %d entries: want 0 to %d", maxEntries, maxMemoryEntries))
	}
	if maxEntries == 0 {
		maxEntries = DefaultMemoryEntries
	}
	shards := 1
	for shards < maxShards && maxEntries/(2*shards) >= entriesPerShard {
		shards *= 2
	}
	m := &Memory{start: time.Now(), shards: make([]shard, shards)}
	for i := range m.seeds {
		m.seeds[i] = maphash.MakeSeed()
	}
	for i := range m.shards {
		m.shards[i].limit = maxEntries / shards
	}
	return m
}

// First implements [ReplayStore]. Of calls with the same id within ttl exactly one is first. A ttl
// below a second counts as a second.
func (m *Memory) First(_ context.Context, owner, id string, ttl time.Duration) (bool, error) {
	key := entryKey{maphash.String(m.seeds[0], id), maphash.String(m.seeds[1], id)}
	since := time.Since(m.start)
	now := uint32(since / tick)
	until := uint32((since+max(ttl, time.Second))/tick) + 1
	s := &m.shards[key[0]%uint64(len(m.shards))]
	return s.first(key, ownerIndex(maphash.String(m.seeds[2], owner)), now, until)
}

// An entryKey is two hashes of an id under seeds of this process. Nobody who does not know the
// seeds finds two ids that share it.
type entryKey [2]uint64

// An entry is one remembered proof; until 0 is an empty slot.
type entry struct {
	key   entryKey
	until uint32 // in ticks since the Memory's start
	owner owner
}

// An owner is where the entries of one owner are counted: one place in each of two rows. What two
// owners share in one row, they hardly share in the other, so the smaller count is the owner's.
type owner [2]uint16

const ownerPlaces = 1 << 12 // of a row

func ownerIndex(hash uint64) owner {
	return owner{uint16(hash % ownerPlaces), uint16(hash >> 32 % ownerPlaces)}
}

// A shard is an open-addressed table. Expired entries keep their slots until the table is rebuilt.
type shard struct {
	mu     sync.Mutex
	slots  []entry
	used   int // slots that are not empty, expired ones included
	limit  int // of entries that have not expired
	owners *[2][ownerPlaces]uint32
	// nextSweep is when a full shard is next searched for expired entries.
	nextSweep uint32
}

func (s *shard) first(key entryKey, of owner, now, until uint32) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		s.slots, s.owners = make([]entry, min(minSlots, s.mostSlots())), new([2][ownerPlaces]uint32)
	}
	at := s.find(key)
	if e := &s.slots[at]; e.until != 0 {
		if now < e.until { // check: replay
			return false, nil
		}
		s.count(e.owner, -1)
		s.count(of, 1)
		*e = entry{key, until, of}
		return true, nil
	}
	if s.full(of) {
		s.sweep(now)
	}
	switch {
	case s.used >= s.limit: // check: memory-full
		return false, ErrFull
	case s.ownerFull(of): // check: memory-owner-full
		return false, ErrOwnerFull
	}
	if s.used >= len(s.slots)*3/4 {
		s.rebuild(now)
	}
	s.slots[s.find(key)] = entry{key, until, of}
	s.used++
	s.count(of, 1)
	return true, nil
}

// find returns the slot that holds key, or the empty one where it belongs.
func (s *shard) find(key entryKey) int {
	at := int(key[1] % uint64(len(s.slots)))
	for s.slots[at].until != 0 && s.slots[at].key != key {
		if at++; at == len(s.slots) {
			at = 0
		}
	}
	return at
}

func (s *shard) full(of owner) bool { return s.used >= s.limit || s.ownerFull(of) }

func (s *shard) ownerFull(of owner) bool {
	entries := min(s.owners[0][of[0]], s.owners[1][of[1]])
	return int(entries) >= max(1, s.limit/ownerShare)
}

func (s *shard) count(of owner, by int) {
	for row := range of {
		s.owners[row][of[row]] += uint32(by)
	}
}

// sweep forgets expired entries of a shard that has no room, but not all the time: a caller who has
// filled his share must not make every request cost a look at the whole table.
func (s *shard) sweep(now uint32) {
	if now < s.nextSweep { // check: memory-sweep
		return
	}
	s.nextSweep = now + uint32(sweepEvery/tick)
	s.rebuild(now)
}

// mostSlots is the size of a table that holds limit entries and stays below three quarters.
func (s *shard) mostSlots() int { return s.limit*4/3 + 2 }

// rebuild moves the entries that have not expired to a table with room for half as many again.
func (s *shard) rebuild(now uint32) {
	live := 0
	for i := range s.slots {
		if e := &s.slots[i]; e.until > now {
			live++
		} else if e.until != 0 {
			s.count(e.owner, -1)
		}
	}
	old := s.slots
	s.slots = make([]entry, min(max(minSlots, live*2), s.mostSlots()))
	s.used = live
	for _, e := range old {
		if e.until > now {
			s.slots[s.find(e.key)] = e
		}
	}
}
