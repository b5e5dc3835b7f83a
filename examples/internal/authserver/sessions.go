package authserver

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

// loginSessions remembers who is logged in at the authorization server itself.
// The cookies are this server's own: cookies ignore ports, so an application
// on the same host would share them. The examples therefore put the server on
// 127.0.0.1 and the application on localhost.
type loginSessions struct {
	secure bool
	mu     sync.Mutex
	logins shelf[login]
}

type login struct {
	user, acr string
	at        time.Time
}

// loginLifetime bounds a login session.
const loginLifetime = 8 * time.Hour

func newLoginSessions(secure bool) *loginSessions { return &loginSessions{secure: secure} }

// cookieName takes the __Host- prefix where TLS allows it, so that no sibling
// host can plant the cookie.
func (ls *loginSessions) cookieName(name string) string {
	if ls.secure {
		return "__Host-" + name
	}
	return name
}

func (ls *loginSessions) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(ls.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

func (ls *loginSessions) setCookie(w http.ResponseWriter, name, value string) {
	c := &http.Cookie{
		Name: ls.cookieName(name), Value: value, Path: "/",
		HttpOnly: true, Secure: ls.secure, SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (ls *loginSessions) current(r *http.Request) (login, bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	found, err := ls.logins.get(digest(ls.cookie(r, "login")))
	if err != nil || time.Since(found.at) > loginLifetime {
		return login{}, false
	}
	return found, true
}

// start always takes a fresh identifier, so one that was planted before the
// login is worth nothing after it.
func (ls *loginSessions) start(w http.ResponseWriter, user, acr string) login {
	id, started := rand.Text(), login{user: user, acr: acr, at: time.Now()}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.logins.put(digest(id), started)
	ls.setCookie(w, "login", id)
	return started
}

func (ls *loginSessions) end(w http.ResponseWriter, r *http.Request) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.logins.items, digest(ls.cookie(r, "login")))
	ls.setCookie(w, "login", "")
}

// browser returns an identifier of this browser, planting it when there is
// none. A login that one browser starts cannot be finished in another.
func (ls *loginSessions) browser(w http.ResponseWriter, r *http.Request) string {
	if id := ls.cookie(r, "browser"); id != "" {
		return id
	}
	id := rand.Text()
	ls.setCookie(w, "browser", id)
	return id
}
