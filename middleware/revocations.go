package auth

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Revocation says which tokens are no longer accepted. It names one token by its TokenID, or
// those of a Subject or a ClientID that were issued before an instant. Exactly one of the three is
// set.
type Revocation struct {
	// Issuer is the exact "iss" of the tokens. Required: another issuer's tokens are not meant.
	Issuer string
	// TokenID is the "jti" of one token (RFC 7519 §4.1.7).
	TokenID string
	// Subject is the "sub" of the tokens, and ClientID the client that they were issued to, for any
	// subject.
	Subject, ClientID string
	// IssuedBefore is required with Subject and ClientID, and must be zero with TokenID. Tokens
	// whose "iat" is later stay good, such as those of a new login. A token without "iat" is
	// revoked. An issuer writes whole seconds, so a token of the same second counts as issued
	// before. It is an instant of the issuer's clock.
	IssuedBefore time.Time
	// Until is the latest "exp" of the tokens that are meant. Required. The entry is dropped
	// [MaxLeeway] after it, when no Verifier accepts them any more.
	Until time.Time
}

// check returns what is wrong with r.
func (r Revocation) check(now time.Time) error {
	named := 0
	for _, name := range []string{r.TokenID, r.Subject, r.ClientID} {
		if name != "" {
			named++
		}
	}
	switch {
	case r.Issuer == "": // check: revocation-issuer
		return errors.New("auth: Revocation.Issuer is required")
	case named != 1: // check: revocation-named
		return errors.New("auth: Revocation needs one of TokenID, Subject and ClientID")
	case r.TokenID != "" && !r.IssuedBefore.IsZero(): // check: revocation-token-since
		return errors.New("auth: Revocation.IssuedBefore is not for a TokenID, which is revoked whenever it was issued")
	case r.TokenID == "" && r.IssuedBefore.IsZero(): // check: revocation-since
		return errors.New("auth: Revocation.IssuedBefore is required with Subject and ClientID")
	case r.Until.IsZero(): // check: revocation-until
		return errors.New("auth: Revocation.Until is required")
	case !now.Before(r.end()): // check: revocation-over
		return fmt.Errorf("auth: Revocation.Until is more than %v ago: no token that it means is still accepted", MaxLeeway)
	}
	return nil
}

// end returns the instant from which on no Verifier accepts a token that r means.
func (r Revocation) end() time.Time {
	end := r.Until
	end = end.Add(MaxLeeway) // check: revocation-leeway
	return end
}

// ErrRevocationsFull is the error of [Revocations.Revoke] when there is no room: errors.Is finds
// it.
var ErrRevocationsFull = errors.New("auth: the Revocations are full")

// defaultMaxRevocations is how many entries NewRevocations has room for when it is given 0.
const defaultMaxRevocations = 1 << 16

// Revocations holds, in this process, which tokens are revoked. Its Revoked method is a
// [GuardOptions.Revoked]: every request asks it, also one whose token is remembered. It is safe for
// concurrent use, holds no goroutine, and is empty after a restart; replicas do not share it.
type Revocations struct {
	most  int
	count atomic.Int64 // entries; while there are none, no request takes the lock

	mu       sync.RWMutex
	byIssuer map[string]*issuerRevocations
	ends     revocationEnds // one of every entry, not later than the entry's own
}

// issuerRevocations are the entries of one issuer.
type issuerRevocations struct{ tokens, subjects, clients map[string]revoked }

// revoked is one entry.
type revoked struct {
	before time.Time // zero for a single token
	end    time.Time
}

// NewRevocations returns an empty store with room for maxEntries; 0 means 65,536. An
// entry takes about 300 bytes and its names. It panics when maxEntries is negative.
func NewRevocations(maxEntries int) *Revocations {
	if maxEntries < 0 {
		panic("auth: NewRevocations: maxEntries is negative")
	}
	if maxEntries == 0 {
		maxEntries = defaultMaxRevocations
	}
	return &Revocations{most: maxEntries, byIssuer: make(map[string]*issuerRevocations)}
}

// Revoke adds an entry, in force when it returns. A second one for the same name widens the first:
// the later IssuedBefore and the later Until count. When there is no room the error is
// [ErrRevocationsFull], and nothing changes: an entry in force is never dropped for another. Other
// errors say which field is missing or contradicts another. It does no I/O and does not use ctx,
// which stores that replicas share need.
func (s *Revocations) Revoke(_ context.Context, r Revocation) error {
	now := time.Now()
	if err := r.check(now); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropOver(now)
	is := s.byIssuer[r.Issuer]
	if is == nil {
		is = &issuerRevocations{map[string]revoked{}, map[string]revoked{}, map[string]revoked{}}
	}
	entries, name := is.place(&r)
	old, known := entries[name]
	if !known && len(s.ends) >= s.most { // check: revocations-bound
		return fmt.Errorf("%w: %d entries are in force", ErrRevocationsFull, s.most)
	}
	e := revoked{before: r.IssuedBefore, end: r.end()}
	if old.before.After(e.before) { // check: revocation-widens-since
		e.before = old.before
	}
	if old.end.After(e.end) { // check: revocation-widens-until
		e.end = old.end
	}
	if known {
		entries[name] = e
		return nil
	}
	r.Issuer, name = strings.Clone(r.Issuer), strings.Clone(name)
	s.byIssuer[r.Issuer], entries[name] = is, e
	heap.Push(&s.ends, revocationEnd{e.end, r.Issuer, entries, name})
	s.count.Store(int64(len(s.ends)))
	return nil
}

// place returns the map that r belongs into, and its name there.
func (is *issuerRevocations) place(r *Revocation) (entries map[string]revoked, name string) {
	switch {
	case r.TokenID != "":
		return is.tokens, r.TokenID
	case r.Subject != "":
		return is.subjects, r.Subject
	}
	return is.clients, r.ClientID
}

// dropOver drops the entries that are over.
func (s *Revocations) dropOver(now time.Time) {
	for len(s.ends) > 0 && !now.Before(s.ends[0].at) {
		next := &s.ends[0]
		if e := next.entries[next.name]; now.Before(e.end) { // check: revocation-widened
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
func (s *Revocations) Len() int { return int(s.count.Load()) }

// Revoked reports whether p's token is revoked. The error is always nil, and ctx is not used. It
// does no I/O and does not allocate; while nothing is revoked it takes no lock.
func (s *Revocations) Revoked(_ context.Context, p *Principal) (bool, error) {
	if s.count.Load() == 0 || p == nil {
		return false, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch is := s.byIssuer[p.issuer]; {
	case is == nil:
		return false, nil
	case is.tokens[p.tokenID].covers(p): // check: revoked-token
	case is.subjects[p.subject].covers(p): // check: revoked-subject
	case is.clients[p.clientID].covers(p): // check: revoked-client
	default:
		return false, nil
	}
	return true, nil
}

// covers reports whether the entry, if it is one, means the token of p, which has its name.
func (e revoked) covers(p *Principal) bool {
	switch {
	case e.end.IsZero() || !time.Now().Before(e.end):
		return false
	case e.before.IsZero() || !p.iat.Given: // check: revoked-without-iat
		return true
	}
	return !p.iat.Time().After(e.before) // check: revoked-since
}

// revocationEnds is a heap: the entry that is over first stands first.
type revocationEnds []revocationEnd

// revocationEnd says where an entry stands, and when to look at it.
type revocationEnd struct {
	at      time.Time
	issuer  string
	entries map[string]revoked
	name    string
}

func (h revocationEnds) Len() int           { return len(h) }
func (h revocationEnds) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h revocationEnds) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *revocationEnds) Push(x any)        { *h = append(*h, x.(revocationEnd)) }
func (h *revocationEnds) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = revocationEnd{}
	*h = (*h)[:last]
	return e
}
