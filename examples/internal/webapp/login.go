package webapp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// login is one person who is logged in. Its lock admits one action at a time,
// since a refresh token is spent by its use.
type login struct {
	mu     sync.Mutex
	handle string // names it in the session
	sealed []byte // tokens, for the handle

	Subject, Name string
	title         string // of the last action
	steps         []Step // that it took
}

// tokens is what is sealed.
type tokens struct {
	Access, Refresh string
	Expiry          time.Time
	// Unseen is a token by a key that no API had met when the issuer went down.
	Unseen string
}

// Keys of the session.
const (
	keyState    = "state"
	keyNonce    = "nonce"
	keyVerifier = "verifier"
	keyLogin    = "login"
)

func (a *App) current(ctx context.Context) *login {
	handle := a.sessions.GetString(ctx, keyLogin)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.logins[handle]
}

// oauthConfig returns the registered application as x/oauth2 wants it.
func (a *App) oauthConfig() (*oauth2.Config, error) {
	reg := a.registration()
	if reg == nil {
		return nil, errors.New("webapp: the application is not registered")
	}
	var secret string
	if err := a.vault.open(reg.ID, reg.sealedSecret, &secret); err != nil {
		return nil, err
	}
	style := oauth2.AuthStyleInHeader
	if secret == "" {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: reg.ID, ClientSecret: secret, RedirectURL: a.callbackURL(),
		Endpoint: oauth2.Endpoint{AuthURL: reg.md.Authorization, TokenURL: reg.md.Token, AuthStyle: style},
		Scopes:   asked(reg.Scopes),
	}, nil
}

// asked are the scopes of a login: never the administrator's, so that one
// button has too little.
func asked(registered []string) []string {
	return slices.DeleteFunc(slices.Clone(registered), func(scope string) bool { return !sensible(scope) })
}

// startLogin sends the browser to the issuer. What proves that the answer
// belongs here stays in the session.
func (a *App) startLogin(w http.ResponseWriter, r *http.Request) {
	conf, err := a.oauthConfig()
	if err != nil {
		http.Redirect(w, r, "/register", http.StatusSeeOther)
		return
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	a.sessions.Put(r.Context(), keyState, state)
	a.sessions.Put(r.Context(), keyNonce, nonce)
	a.sessions.Put(r.Context(), keyVerifier, verifier)
	http.Redirect(w, r, conf.AuthCodeURL(state, oidc.Nonce(nonce),
		oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", a.cfg.Audience)), http.StatusSeeOther)
}

// callback takes the answer of the issuer. Whatever it holds, the state is
// spent: an answer is taken once.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	state := a.sessions.PopString(ctx, keyState)
	nonce := a.sessions.PopString(ctx, keyNonce)
	verifier := a.sessions.PopString(ctx, keyVerifier)
	answer := r.URL.Query()
	if state == "" || subtle.ConstantTimeCompare([]byte(state), []byte(answer.Get("state"))) != 1 {
		a.failed(w, http.StatusBadRequest, "This answer does not belong to a login that was started in this browser.")
		return
	}
	if answer.Get("iss") != a.cfg.IssuerURL {
		a.failed(w, http.StatusBadRequest, "This answer comes from another issuer.")
		return
	}
	if code := answer.Get("error"); code != "" {
		a.failed(w, http.StatusForbidden, deniedText(code))
		return
	}
	// A code is spent even when the browser goes away meanwhile.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), actionTimeout)
	defer cancel()
	l, err := a.redeem(work, answer.Get("code"), nonce, verifier, answer)
	if err != nil {
		a.log.Warn("login", "err", err)
		a.failed(w, http.StatusBadRequest, "The login could not be finished.")
		return
	}
	if err := a.sessions.RenewToken(ctx); err != nil {
		a.failed(w, http.StatusInternalServerError, "The session could not be renewed.")
		return
	}
	a.sessions.Put(ctx, keyLogin, l.handle)
	http.Redirect(w, r, "/dashboard", http.StatusSeeOther)
}

func deniedText(code string) string {
	if code == "access_denied" {
		return "You said no, so the application got nothing."
	}
	return "The authorization server refused the login."
}

// redeem trades the code for tokens and checks who logged in.
func (a *App) redeem(ctx context.Context, code, nonce, verifier string, answer url.Values) (*login, error) {
	conf, err := a.oauthConfig()
	if err != nil {
		return nil, err
	}
	rec, ctx := record(context.WithValue(ctx, oauth2.HTTPClient, a.hc))
	rec.add(frontChannel(conf, a.cfg, answer)...)
	rec.next("The application redeems the code, out of the browser's sight", "application", "issuer")
	tok, err := conf.Exchange(ctx, code, oauth2.VerifierOption(verifier), oauth2.SetAuthURLParam("resource", a.cfg.Audience))
	if err != nil {
		return nil, fmt.Errorf("webapp: redeem code: %w", quiet(err))
	}
	rec.next("The application discovers the issuer's keys and checks the ID token: signature, issuer, audience, expiry, nonce", "application", "issuer")
	claims, err := a.verifyIdentity(ctx, conf.ClientID, nonce, tok)
	if err != nil {
		return nil, err
	}
	l := &login{handle: rand.Text(), Subject: claims.Subject, Name: claims.Name, title: "How you got here", steps: rec.Steps()}
	if err := a.keep(l, tokens{Access: tok.AccessToken, Refresh: tok.RefreshToken, Expiry: tok.Expiry}); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.logins) >= maxLogins {
		clear(a.logins) // all log in again
	}
	a.logins[l.handle] = l
	return l, nil
}

type identity struct {
	Subject string `json:"sub"`
	Name    string `json:"name"`
}

func (a *App) verifyIdentity(ctx context.Context, clientID, nonce string, tok *oauth2.Token) (identity, error) {
	var claims identity
	raw, ok := tok.Extra("id_token").(string)
	if !ok {
		return claims, errors.New("webapp: the issuer gave no ID token")
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, a.hc), a.cfg.IssuerURL)
	if err != nil {
		return claims, fmt.Errorf("webapp: discover: %w", err)
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: clientID}).Verify(ctx, raw)
	if err != nil {
		return claims, fmt.Errorf("webapp: ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return claims, errors.New("webapp: ID token: nonce differs: it belongs to another login")
	}
	if err := id.Claims(&claims); err != nil {
		return claims, fmt.Errorf("webapp: ID token: %w", err)
	}
	return claims, nil
}

func (a *App) keep(l *login, t tokens) (err error) {
	l.sealed, err = a.vault.seal(l.handle, t)
	return err
}

func (a *App) held(l *login) (t tokens, err error) {
	err = a.vault.open(l.handle, l.sealed, &t)
	return t, err
}

// refresh trades the refresh token for new tokens and keeps them. It sends
// resource itself: x/oauth2's own refresh cannot (RFC 8707 §2.2).
func (a *App) refresh(ctx context.Context, l *login, t tokens) (tokens, error) {
	tok, err := a.redeemRefresh(ctx, t.Refresh)
	if err != nil {
		return t, err
	}
	t.Access, t.Refresh, t.Expiry = tok.AccessToken, tok.RefreshToken, tok.Expiry
	return t, a.keep(l, t)
}

func (a *App) redeemRefresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	conf, err := a.oauthConfig()
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

// quiet keeps an OAuth error's code and drops the answer that it quotes.
func quiet(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return &refusedError{refused.ErrorCode}
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		return errors.New("no answer")
	}
	return err
}

type refusedError struct{ code string }

func (e *refusedError) Error() string { return e.code }
