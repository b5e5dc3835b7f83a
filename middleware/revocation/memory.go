package revocation

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// ErrFull is the error of [Memory.Revoke] when there is no room: errors.Is finds
// it.
var ErrFull = errors.New("revocation: the Memory is full")

// defaultMaxEntries is how many entries NewMemory has room for when it is given 0.
const defaultMaxEntries = 1 << 16

// A Memory holds, in this process, which tokens are revoked. Its Revoked method is an
// [auth.GuardOptions.Revoked]: every request asks it, also one whose token is remembered. It is
// safe for concurrent use, holds no goroutine, and is empty after a restart; replicas do not share
// it.
type Memory struct {
	most  int
	count atomic.Int64 // entries; while there are none, no request takes the lock

	mu       sync.RWMutex
	byIssuer map[string]*issuerEntries
	ends     ends // one of every entry, not later than the entry's own
}

// issuerEntries are the entries of one issuer.
type issuerEntries struct{ tokens, subjects, clients map[string]revoked }

// revoked is one entry.
type revoked struct {
	before time.Time // zero for a single token
	end    time.Time
}

// NewMemory returns an empty store with room for maxEntries; 0 means 65,536. An
// entry takes about 300 bytes and its names. It panics when maxEntries is negative.
func NewMemory(maxEntries int) *Memory {
	if maxEntries < 0 {
		panic("revocation: NewMemory: maxEntries is negative")
	}
	if maxEntries == 0 {
		maxEntries = defaultMaxEntries
	}
	return &Memory{most: maxEntries, byIssuer: make(map[string]*issuerEntries)}
}

// Revoke adds an entry, in force when it returns. A second one for the same name widens the first:
// the later IssuedBefore and the later Until count. When there is no room the error is
// [ErrFull], and nothing changes: an entry in force is never dropped for another. Other
// errors say which field is missing or contradicts another. It does no I/O and does not use ctx,
// which stores that replicas share need.
func (s *Memory) Revoke(_ context.Context, r Entry) error {
	now := time.Now()
	if err := r.Validate(now); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropOver(now)
	is := s.byIssuer[r.Issuer]
	if is == nil {
		is = &issuerEntries{map[string]revoked{}, map[string]revoked{}, map[string]revoked{}}
	}
	entries, name := is.place(&r)
	old, known := entries[name]
	if !known && len(s.ends) >= s.most { // check: memory-full
		return fmt.Errorf("%w: %d entries are in force", ErrFull, s.most)
	}
	e := revoked{before: r.IssuedBefore, end: r.End()}
	if old.before.After(e.before) { // check: widens-since
		e.before = old.before
	}
	if old.end.After(e.end) { // check: widens-until
		e.end = old.end
	}
	if known {
		entries[name] = e
		return nil
	}
	r.Issuer, name = strings.Clone(r.Issuer), strings.Clone(name)
	s.byIssuer[r.Issuer], entries[name] = is, e
	heap.Push(&s.ends, end{e.end, r.Issuer, entries, name})
	s.count.Store(int64(len(s.ends)))
	return nil
}

// place returns the map that r belongs into, and its name there.
func (is *issuerEntries) place(r *Entry) (entries map[string]revoked, name string) {
	switch {
	case r.TokenID != "":
		return is.tokens, r.TokenID
	case r.Subject != "":
		return is.subjects, r.Subject
	}
	return is.clients, r.ClientID
}

// dropOver drops the entries that are over.
func (s *Memory) dropOver(now time.Time) {
	for len(s.ends) > 0 && !now.Before(s.ends[0].at) {
		next := &s.ends[0]
		if e := next.entries[next.name]; now.Before(e.end) { // check: widened
			next.at = e.end
			heap.Fix(&s.ends, 0)
			continue
		}
		delete(next.entries, next.name)
		if is := s.byIssuer[next.issuer]; len(is.tokens)+len(is.subjects)+len(is.clients) == 0 {
			delete(s.byIssuer, next.issuer)
		}
		heap.Pop(&s.ends)
	}
	s.count.Store(int64(len(s.ends)))
}

// Len returns how many entries there are. Those that are over count until the next Revoke drops
// them.
func (s *Memory) Len() int { return int(s.count.Load()) }

// Revoked reports whether p's token is revoked. The error is always nil, and ctx is not used. It
// does no I/O and does not allocate; while nothing is revoked it takes no lock.
func (s *Memory) Revoked(_ context.Context, p *auth.Principal) (bool, error) {
	if s.count.Load() == 0 || p == nil {
		return false, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch is := s.byIssuer[p.Issuer()]; {
	case is == nil:
		return false, nil
	case is.tokens[p.TokenID()].covers(p): // check: revoked-token
	case is.subjects[p.Subject()].covers(p): // check: revoked-subject
	case is.clients[p.ClientID()].covers(p): // check: revoked-client
	default:
		return false, nil
	}
	return true, nil
}

// covers reports whether the entry, if it is one, means the token of p, which has its name.
func (e revoked) covers(p *auth.Principal) bool {
	switch {
	case e.end.IsZero() || !time.Now().Before(e.end):
		return false
	case e.before.IsZero() || p.IssuedAt().IsZero(): // check: revoked-without-iat
		return true
	}
	return !p.IssuedAt().After(e.before) // check: revoked-since
}

// ends is a heap: the entry that is over first stands first.
type ends []end

// end says where an entry stands, and when to look at it.
type end struct {
	at      time.Time
	issuer  string
	entries map[string]revoked
	name    string
}

func (h ends) Len() int           { return len(h) }
func (h ends) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h ends) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ends) Push(x any)        { *h = append(*h, x.(end)) }
func (h *ends) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = end{}
	*h = (*h)[:last]
	return e
}
