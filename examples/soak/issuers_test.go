//go:build unix

package soak_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A tenant is an issuer that signs for its users, rotates its keys and fails.
type tenant struct {
	*authtest.Issuer
	trouble spans  // it does not answer
	surely  spans  // of the one that comes and goes: every replica trusts it
	perhaps spans  // the same, and while that changes
	kept    string // a token for a key that is never withdrawn

	mu        sync.Mutex
	promoted  time.Time // when the newest key begins to sign; zero when it does
	withdrawn []used    // tokens under keys that are no longer published
	old       string    // a token under a key that will be
	oldKey    string
}

// A used is a token, and since when it is not to be accepted.
type used struct {
	token string
	since time.Time
}

func newTenant(t *testing.T) *tenant {
	is := authtest.NewIssuer(t, &authtest.Options{Socket: true, Audience: audience, Algorithm: auth.ES256})
	return &tenant{Issuer: is, kept: is.Token("read:orders")}
}

// turn takes the rotation of keys one step on: publish, sign with it after a while, withdraw the
// one before the last.
func (n *tenant) turn() {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.promoted.IsZero():
		n.Publish()
		n.promoted = time.Now().Add(ahead)
		return
	case time.Now().Before(n.promoted):
		return
	}
	n.promoted = time.Time{}
	if n.old != "" {
		n.Withdraw(n.oldKey)
		n.withdrawn = append(n.withdrawn, used{n.old, time.Now()})
		n.withdrawn = n.withdrawn[max(0, len(n.withdrawn)-5):]
		n.old = ""
	}
	n.Promote()
	n.old, n.oldKey = n.Token("read:orders"), n.KeyID()
}

// An endpoint tells which opaque tokens are active.
type endpoint struct {
	url     string
	trouble spans

	mu      sync.Mutex
	down    bool
	active  []string
	revoked []used
	next    int
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := r.FormValue("token")
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	answer := map[string]any{"active": false}
	for _, known := range e.active {
		if known == token {
			answer = map[string]any{
				"active": true, "iss": opaqueIssuer, "aud": audience, "sub": "opaque user", "client_id": "app",
				"scope": "read:orders", "exp": time.Now().Add(time.Hour).Unix(),
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// turn revokes the oldest token and issues one.
func (e *endpoint) turn() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	e.active = append(e.active, fmt.Sprint("opaque-", e.next))
	if len(e.active) > 5 {
		e.revoked = append(e.revoked, used{e.active[0], time.Now()})
		e.revoked = e.revoked[max(0, len(e.revoked)-5):]
		e.active = e.active[1:]
	}
}

func (e *endpoint) setDown(down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = down
}
