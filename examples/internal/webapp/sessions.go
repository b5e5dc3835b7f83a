package webapp

import (
	"net/http"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
)

func newSessions(secure bool) *scs.SessionManager {
	sm := scs.New()
	sm.Store = &sessionStore{stored: make(map[string]session)}
	sm.Lifetime = 8 * time.Hour
	sm.IdleTimeout = time.Hour
	sm.Cookie.Name = "app"
	sm.Cookie.HttpOnly = true
	sm.Cookie.SameSite = http.SameSiteLaxMode // the way back from the issuer is a cross-site navigation
	sm.Cookie.Persist = false
	if secure {
		sm.Cookie.Name, sm.Cookie.Secure = "__Host-app", true
	}
	return sm
}

// maxSessions bounds the sessions; a new one beyond it takes the place of one
// that has expired, or of any.
const maxSessions = 10_000

// sessionStore keeps sessions in memory. The store that comes with scs is not
// bounded, and its clean-up races with its own end.
type sessionStore struct {
	mu     sync.Mutex
	stored map[string]session
}

type session struct {
	data   []byte
	expiry time.Time
}

// Find returns the data of a session that has not expired.
func (s *sessionStore) Find(token string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.stored[token]
	if !ok || time.Now().After(found.expiry) {
		return nil, false, nil
	}
	return found.data, true, nil
}

// Commit adds or replaces a session.
func (s *sessionStore) Commit(token string, data []byte, expiry time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stored) >= maxSessions {
		s.makeRoom()
	}
	s.stored[token] = session{data, expiry}
	return nil
}

func (s *sessionStore) makeRoom() {
	now := time.Now()
	victim := ""
	for token, one := range s.stored {
		victim = token
		if now.After(one.expiry) {
			delete(s.stored, token)
		}
	}
	if len(s.stored) >= maxSessions {
		delete(s.stored, victim)
	}
}

// Delete forgets a session.
func (s *sessionStore) Delete(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stored, token)
	return nil
}
