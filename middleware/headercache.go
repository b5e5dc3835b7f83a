package auth

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bearward/bearward/internal/jose"
)

// maxHeaders bounds how many headers are remembered. An issuer has one for each of its keys.
const maxHeaders = 64

// headerCache remembers headers by their exact base64url text, since every token of one key has the
// same. Only the header of a token whose signature was good gets in, so that nobody else can fill
// it. Reads take no lock.
type headerCache struct {
	known atomic.Pointer[map[string]jose.Header]
	mu    sync.Mutex // held by writers
}

func (m *headerCache) find(text string) (jose.Header, bool) {
	known := m.known.Load()
	if known == nil {
		return jose.Header{}, false
	}
	h, ok := (*known)[text]
	return h, ok
}

// add caches h under a copy of text. A full cache is emptied: the keys have been rotated often
// since it was empty.
func (m *headerCache) add(text string, h jose.Header) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := make(map[string]jose.Header, 1)
	if known := m.known.Load(); known != nil && len(*known) < maxHeaders {
		next = maps.Clone(*known)
	}
	h.KeyID, h.Type, h.AlgorithmName = strings.Clone(h.KeyID), strings.Clone(h.Type), strings.Clone(h.AlgorithmName)
	next[strings.Clone(text)] = h
	m.known.Store(&next)
}
