package webapp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// logout ends both sessions: the refresh token is revoked, the session here is
// destroyed, and the browser goes on to the issuer to end its session there.
// It goes without an ID token, since that would stand in the URL; the issuer
// asks instead.
func (a *App) logout(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actionTimeout)
	defer cancel()
	if l := a.current(ctx); l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := a.revoke(ctx, l); err != nil {
			a.log.Warn("revocation", "err", err)
		}
		a.mu.Lock()
		delete(a.logins, l.handle)
		a.mu.Unlock()
	}
	if err := a.sessions.Destroy(r.Context()); err != nil {
		a.failed(w, http.StatusInternalServerError, "The session could not be ended.")
		return
	}
	reg := a.registration()
	if reg == nil || a.cfg.Issuer.Down() {
		http.Redirect(w, r, "/bye", http.StatusSeeOther)
		return
	}
	query := url.Values{"client_id": {reg.ID}, "post_logout_redirect_uri": {a.logoutURL()}}
	http.Redirect(w, r, reg.md.EndSession+"?"+query.Encode(), http.StatusSeeOther)
}

// revoke makes the refresh token worthless at the issuer (RFC 7009).
func (a *App) revoke(ctx context.Context, l *login) error {
	t, err := a.held(l)
	if err != nil || t.Refresh == "" {
		return err
	}
	conf, err := a.oauthConfig()
	if err != nil {
		return err
	}
	form := url.Values{"token": {t.Refresh}, "token_type_hint": {"refresh_token"}}
	if conf.ClientSecret == "" {
		form.Set("client_id", conf.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.registration().md.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if conf.ClientSecret != "" {
		req.SetBasicAuth(url.QueryEscape(conf.ClientID), url.QueryEscape(conf.ClientSecret))
	}
	resp, err := a.hc.Do(req)
	if err != nil {
		return quiet(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("webapp: revoke: status %d", resp.StatusCode)
	}
	return nil
}

func (a *App) bye(w http.ResponseWriter, _ *http.Request) {
	a.page(w, http.StatusOK, "bye", nil)
}
