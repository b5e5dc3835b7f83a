package webapp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// revocation is what became of the refresh token at the logout.
type revocation string

const (
	revokeDone   revocation = "revoked"
	revokeFailed revocation = "failed"
	revokeNone   revocation = "none"
	revokeEnded  revocation = "ended"
)

// farewell is what the page after a logout tells. It stands in the session that follows.
type farewell struct {
	Refresh revocation
	Expiry  time.Time // of the access token
	Down    bool      // the issuer was down, so its session could not be ended
	// State comes back from the issuer when it has ended its own session.
	State       string
	IssuerEnded bool
}

// Clock is when the access token expires.
func (f farewell) Clock() string { return clock(f.Expiry) }

// Expired tells whether the access token has expired.
func (f farewell) Expired() bool { return !time.Now().Before(f.Expiry) }

const keyFarewell = "farewell"

// logout ends the session here and revokes the refresh token; then the browser goes on to the
// issuer to end its session there. It goes without an ID token, since that would stand in the URL;
// the issuer asks instead.
func (a *App) logout(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actionTimeout)
	defer cancel()
	l := a.current(ctx)
	if l == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := farewell{State: rand.Text(), Down: a.cfg.Issuer.Down()}
	if t, err := a.openTokens(l); err == nil {
		f.Expiry = factsOf(t.Access).expiry
	}
	var err error
	if f.Refresh, err = a.revoke(ctx, l); err != nil {
		a.log.Warn("revocation", "err", err)
	}
	a.forget(l)
	if err := a.sessions.Destroy(r.Context()); err != nil {
		a.unreadable(w, err)
		return
	}
	a.keepFarewell(r.Context(), f)
	if f.Down {
		http.Redirect(w, r, "/bye", http.StatusSeeOther)
		return
	}
	query := url.Values{"client_id": {l.reg.ID}, "post_logout_redirect_uri": {l.reg.Logout}, "state": {f.State}}
	http.Redirect(w, r, l.reg.md.EndSession+"?"+query.Encode(), http.StatusSeeOther)
}

func (a *App) keepFarewell(ctx context.Context, f farewell) {
	raw, _ := json.Marshal(f) // strings and a time
	a.sessions.Put(ctx, keyFarewell, string(raw))
}

type byePage struct {
	shell
	Known bool // there was a logout in this browser
	farewell
}

// bye says what the logout ended, and what not.
func (a *App) bye(w http.ResponseWriter, r *http.Request) {
	page := byePage{shell: shell{Title: "Logged out"}}
	page.Known = json.Unmarshal([]byte(a.sessions.GetString(r.Context(), keyFarewell)), &page.farewell) == nil
	state := r.URL.Query().Get("state")
	if page.Known && subtle.ConstantTimeCompare([]byte(page.State), []byte(state)) == 1 && !page.IssuerEnded {
		page.IssuerEnded = true
		a.keepFarewell(r.Context(), page.farewell)
	}
	a.page(w, http.StatusOK, "bye", page)
}
