//go:build unix

package soak_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
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
	trouble spans    // it does not answer
	surely  spans    // of the one that comes and goes: every replica trusts it
	perhaps spans    // the same, and while that changes
	kept    []string // tokens under a key that is never withdrawn
	spare   []string // the same, each to be revoked once
	events  *events

	mu        sync.Mutex
	promoted  time.Time // when the newest key begins to sign; zero when it does
	withdrawn []used    // tokens under keys that are no longer published
	old       string    // a token under the key that signed before
	oldKey    string
	keptKey   string
}

// A used is a token, and since when it is not to be accepted.
type used struct {
	token string
	since time.Time
}

func newTenant(t *testing.T, happened *events) *tenant {
	is := authtest.NewIssuer(t, &authtest.Options{Socket: true, Audience: audience, Algorithm: auth.ES256})
	n := &tenant{Issuer: is, events: happened, keptKey: is.KeyID()}
	for range 16 {
		n.kept = append(n.kept, n.token("read:orders", long))
	}
	for i := range 2000 {
		n.spare = append(n.spare, n.token("read:orders", long, authtest.Claims{"jti": fmt.Sprint("spare-", i)}))
	}
	return n
}

// long has a token outlast the longest soak.
var long = authtest.Claims{"exp": time.Now().Add(48 * time.Hour).Unix()}

// token returns a token of one of many users.
func (n *tenant) token(scopes string, changes ...authtest.Change) string {
	user := authtest.Claims{"sub": fmt.Sprint("user-", rand.IntN(10_000))}
	return n.Token(scopes, append([]authtest.Change{user}, changes...)...)
}

// turn takes the rotation of keys one step on: publish, sign with it after a while, and withdraw
// the one that signed before the last. So a token is good for as long as a rotation takes, at
// least.
func (n *tenant) turn() {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.promoted.IsZero():
		n.Publish()
		n.events.add("keys published")
		n.promoted = time.Now().Add(ahead)
		return
	case time.Now().Before(n.promoted):
		return
	}
	n.promoted = time.Time{}
	if n.old != "" {
		n.Withdraw(n.oldKey)
		n.events.add("keys withdrawn")
		n.withdrawn = append(n.withdrawn, used{n.old, time.Now()})
		n.withdrawn = n.withdrawn[max(0, len(n.withdrawn)-5):]
		n.old = ""
	}
	if id := n.KeyID(); id != n.keptKey {
		n.old, n.oldKey = n.token("read:orders"), id
	}
	n.Promote()
}

// isWithdrawn reports whether the key of a token, which was n.old, is withdrawn.
func (n *tenant) isWithdrawn(token string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.old != token
}

// signsForGood reports whether tokens are still under the key that is never withdrawn.
func (n *tenant) signsForGood() bool { return n.KeyID() == n.keptKey }

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
				"active": true, "iss": opaqueIssuer, "aud": audience, "sub": subjectOf(token), "client_id": "app",
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
