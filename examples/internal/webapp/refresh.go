package webapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// refresh trades the refresh token for new tokens and keeps them, under title in the record. A
// refusal is kept, too: the grant is over.
func (a *App) refresh(ctx context.Context, rec *recorder, l *login, t tokens, title string) (tokens, error) {
	rec.expect(exchange{Title: title, From: "application", To: "issuer"})
	tok, err := a.redeemRefresh(ctx, l, t.Refresh)
	var refused *refusedError
	switch {
	case errors.As(err, &refused) && refused.code == "invalid_grant":
		t.Refresh, t.Ended = "", true
		return t, errors.Join(err, a.keep(l, t))
	case err != nil:
		return t, err
	}
	t.Access, t.Refresh, t.Expiry = tok.AccessToken, tok.RefreshToken, tok.Expiry
	return t, a.keep(l, t)
}

// redeemRefresh sends resource itself: x/oauth2's own refresh cannot (RFC 8707 §2.2).
func (a *App) redeemRefresh(ctx context.Context, l *login, refreshToken string) (*oauth2.Token, error) {
	conf, err := a.oauthConfig(l.reg)
	if err != nil {
		return nil, err
	}
	tok, err := conf.Exchange(context.WithValue(ctx, oauth2.HTTPClient, a.hc), "",
		oauth2.SetAuthURLParam("grant_type", "refresh_token"),
		oauth2.SetAuthURLParam("refresh_token", refreshToken),
		oauth2.SetAuthURLParam("redirect_uri", ""),
		oauth2.SetAuthURLParam("resource", a.cfg.Audience))
	if err != nil {
		return nil, fmt.Errorf("webapp: refresh: %w", quiet(err))
	}
	return tok, nil
}

// revoke makes the refresh token worthless at the issuer (RFC 7009), and tells what became of it.
func (a *App) revoke(ctx context.Context, l *login) (revocation, error) {
	t, err := a.openTokens(l)
	if err != nil {
		return revokeFailed, err
	}
	switch t.refreshState() {
	case refreshNone:
		return revokeNone, nil
	case refreshEnded:
		return revokeEnded, nil
	}
	if err := a.revokeToken(ctx, l, t.Refresh, "refresh_token"); err != nil {
		return revokeFailed, err
	}
	return revokeDone, nil
}

// revokeToken makes a token worthless at the issuer (RFC 7009).
func (a *App) revokeToken(ctx context.Context, l *login, token, hint string) error {
	conf, err := a.oauthConfig(l.reg)
	if err != nil {
		return err
	}
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	if conf.ClientSecret == "" {
		form.Set("client_id", conf.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.reg.md.Revocation, strings.NewReader(form.Encode()))
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

var errNoAnswer = errors.New("no answer")

// quiet keeps an OAuth error's code and drops the answer that it quotes.
func quiet(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return &refusedError{refused.ErrorCode}
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		return errNoAnswer
	}
	return err
}

type refusedError struct{ code string }

func (e *refusedError) Error() string { return e.code }
