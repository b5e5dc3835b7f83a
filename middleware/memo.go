package auth

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// maxMemo bounds how many headers are remembered. An issuer has one for each of its keys.
const maxMemo = 64

// headerMemo remembers headers by their exact base64url text, since every token of one key has the same. Only the header of a
// token whose signature was good gets in, so that nobody else can fill it. Reads take no lock.
type headerMemo struct {
	known atomic.Pointer[map[string]header]
	mu    sync.Mutex // held by writers
}

func (m *headerMemo) find(text string) (header, bool) {
	known := m.known.Load()
	if known == nil {
		return header{}, false
	}
	h, ok := (*known)[text]
	return h, ok
}

// add remembers h under a copy of text. A full memo starts anew: the keys have been rotated often since it was empty.
func (m *headerMemo) add(text string, h header) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := make(map[string]header, 1)
	if known := m.known.Load(); known != nil && len(*known) < maxMemo {
		next = maps.Clone(*known)
	}
	h.kid, h.typ, h.algName = strings.Clone(h.kid), strings.Clone(h.typ), strings.Clone(h.algName)
	next[strings.Clone(text)] = h
	m.known.Store(&next)
}
