package webapp

import (
	"cmp"
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

// login is one person who is logged in. Its lock admits one action at a time, since a refresh token
// is spent by its use.
type login struct {
	mu     sync.Mutex
	handle string        // names it in the session
	reg    *registration // that it was made with
	sealed []byte        // tokens, for the handle

	Subject, Name string
	results       map[string]result // of the last action of each tab, by the tab's path
	remembers     memory            // of the APIs, about the opaque token
	tools         *toolClient       // nil until a tool is called
}

// tokens is what is sealed.
type tokens struct {
	Access, Refresh string
	Ended           bool // the refresh token was refused
	Expiry          time.Time
	// Unseen is a token by a key that no API had met when the issuer went down.
	Unseen    string
	Bound     boundToken
	Certified certifiedToken
	Opaque    opaqueToken
}

func (t tokens) refreshState() refreshState {
	switch {
	case t.Ended:
		return refreshEnded
	case t.Refresh == "":
		return refreshNone
	}
	return refreshKept
}

// keyLogin names the handle of the login in the session.
const keyLogin = "login"

func (a *App) current(ctx context.Context) *login {
	handle := a.sessions.GetString(ctx, keyLogin)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.logins[handle]
}

// forget ends a login, whose lock the caller has.
func (a *App) forget(l *login) {
	l.tools.forget()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.logins, l.handle)
}

// oauthConfig returns a registered application as x/oauth2 wants it.
func (a *App) oauthConfig(reg *registration) (*oauth2.Config, error) {
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
	}, nil
}

// asked are the scopes of a login. The administrator's is asked for only on demand: the API says
// when it is needed.
func asked(registered []string, all bool) []string {
	return slices.DeleteFunc(slices.Clone(registered), func(scope string) bool { return !all && !everyday(scope) })
}

// startLogin sends the browser to the issuer. What proves that the answer belongs here stays in the
// session.
func (a *App) startLogin(w http.ResponseWriter, r *http.Request) {
	reg := a.registration()
	if reg == nil {
		http.Redirect(w, r, "/register", http.StatusSeeOther)
		return
	}
	ask, l := r.PostFormValue("ask"), a.current(r.Context())
	switch {
	case l != nil && ask != "":
		reg = l.reg // more for the same application
	case isFurther(ask) || ask == askTool:
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if a.cfg.Issuer.Down() {
		a.failed(w, http.StatusConflict, failedPage{
			Title: "The issuer is down", Text: "Nobody can log in until it is up again.", Down: true,
		})
		return
	}
	if ask == askTool {
		a.startToolLogin(w, r, l)
		return
	}
	conf, err := a.oauthConfig(reg)
	if err != nil {
		a.unreadable(w, err)
		return
	}
	conf.Scopes = asked(reg.Scopes, ask == askAll)
	if isFurther(ask) {
		conf.Scopes = askedFurther(reg.Scopes)
	}
	at := attempt{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), ClientID: reg.ID, Scopes: conf.Scopes, Ask: ask,
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(at.Nonce), oauth2.S256ChallengeOption(at.Verifier), oauth2.SetAuthURLParam("resource", a.resource(ask))}
	more, err := a.prepare(&at)
	if err != nil {
		a.unreadable(w, err)
		return
	}
	a.begin(r.Context(), at)
	http.Redirect(w, r, conf.AuthCodeURL(at.State, append(options, more...)...), http.StatusSeeOther)
}

// callback takes the answer of the issuer. Whatever it holds, the attempt is over: an answer is
// taken once.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	answer := r.URL.Query()
	at, open := a.takeAttempt(ctx)
	if !open || subtle.ConstantTimeCompare([]byte(at.State), []byte(answer.Get("state"))) != 1 {
		if open {
			a.finish(ctx, at, endedOther)
		}
		text := cmp.Or(a.howEnded(ctx, answer.Get("state")), textNotHere)
		a.failed(w, http.StatusBadRequest, failedPage{Title: "This answer is not taken", Text: text})
		return
	}
	if answer.Get("iss") != a.cfg.IssuerURL {
		a.finish(ctx, at, endedOther)
		a.failed(w, http.StatusBadRequest, failedPage{Title: "This answer is not taken", Text: "It comes from another issuer than the one that was asked."})
		return
	}
	// A code is spent even when the browser goes away meanwhile.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), actionTimeout)
	defer cancel()
	if at.Ask == askTool {
		a.takeTool(work, w, r, at, answer)
		return
	}
	if code := answer.Get("error"); code != "" {
		a.finish(ctx, at, endedDenied)
		a.failed(w, http.StatusForbidden, deniedPage(code))
		return
	}
	if isFurther(at.Ask) {
		a.takeFurther(work, w, r, at, answer)
		return
	}
	l, err := a.redeem(work, at, answer)
	if err != nil {
		a.log.Warn("login", "err", err)
		a.finish(ctx, at, endedOther)
		a.failed(w, http.StatusBadRequest, failedPage{Title: "The login could not be finished", Text: redeemText(err)})
		return
	}
	a.finish(ctx, at, endedDone)
	if err := a.sessions.RenewToken(ctx); err != nil {
		a.unreadable(w, err)
		return
	}
	a.sessions.Put(ctx, keyLogin, l.handle)
	http.Redirect(w, r, firstLesson, http.StatusSeeOther)
}

func deniedPage(code string) failedPage {
	if code == "access_denied" {
		return failedPage{Title: "You said no", Text: "The application got nothing: no code and no token.", Calm: true}
	}
	return failedPage{Title: "The login was refused", Text: "The authorization server refused it and gave no token (" + code + ")."}
}

func redeemText(err error) string {
	var refused *refusedError
	switch {
	case errors.As(err, &refused):
		return "The authorization server did not accept the code (" + refused.code + "), so there is no token."
	case errors.Is(err, errNoAnswer):
		return "The authorization server did not answer, so there is no token."
	}
	return "What the authorization server sent does not belong to this login, so it was thrown away."
}

// redeem trades the code for tokens and checks who logged in.
func (a *App) redeem(ctx context.Context, at attempt, answer url.Values) (*login, error) {
	reg := a.registrationOf(at.ClientID)
	if reg == nil {
		return nil, errors.New("webapp: the application that started the login is forgotten")
	}
	conf, err := a.oauthConfig(reg)
	if err != nil {
		return nil, err
	}
	conf.Scopes = at.Scopes
	old := a.current(ctx)
	rec, ctx := record(context.WithValue(ctx, oauth2.HTTPClient, a.hc))
	rec.add(frontChannel(conf, a.cfg.Audience, answer)...)
	rec.expect(exchange{Title: "The application trades the code for tokens, out of the browser’s sight", From: "application", To: "issuer"})
	tok, err := conf.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(at.Verifier), oauth2.SetAuthURLParam("resource", a.cfg.Audience))
	if err != nil {
		return nil, fmt.Errorf("webapp: redeem code: %w", quiet(err))
	}
	rec.expect(exchange{Title: "The application reads the issuer’s metadata, which leads to the keys that verify the ID token", From: "application", To: "issuer"})
	claims, err := a.verifyIdentity(ctx, conf.ClientID, at.Nonce, tok)
	if err != nil {
		return nil, err
	}
	t := tokens{Access: tok.AccessToken, Refresh: tok.RefreshToken, Expiry: tok.Expiry}
	l := &login{handle: rand.Text(), reg: reg, Subject: claims.Subject, Name: claims.Name}
	if err := a.keep(l, t); err != nil {
		return nil, err
	}
	if old != nil {
		a.replace(ctx, rec, old)
	}
	l.results = map[string]result{firstLesson: {Title: "How you got here", Parts: rec.done(), opening: openingOf(l, t)}}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.logins) >= maxLogins {
		clear(a.logins) // all log in again
	}
	a.logins[l.handle] = l
	return l, nil
}

// replace ends the login that was there before.
func (a *App) replace(ctx context.Context, rec *recorder, old *login) {
	old.mu.Lock()
	defer old.mu.Unlock()
	rec.expect(exchange{Title: "The application revokes the refresh token of the login before", From: "application", To: "issuer"})
	if _, err := a.revoke(ctx, old); err != nil {
		a.log.Warn("revocation", "err", err)
	}
	a.forget(old)
}

// apiScopes are the scopes of a token that an API asks for.
func apiScopes(facts tokenFacts) []string {
	return slices.DeleteFunc(slices.Clone(facts.scopes), func(scope string) bool { return slices.Contains(identityScopes, scope) })
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
		return claims, fmt.Errorf("webapp: discover: %w", quiet(err))
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

func (a *App) openTokens(l *login) (t tokens, err error) {
	err = a.vault.open(l.handle, l.sealed, &t)
	return t, err
}
