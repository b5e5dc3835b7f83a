package webapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/promise"
)

// Opaque is the API whose tokens only the issuer can read, and which asks it about them (RFC 7662).
type Opaque struct {
	Audience string // its name, sent as resource
	APIs     []API
	MaxAge   time.Duration // how long they use what the issuer told them
}

// opaqueToken is an access token that says nothing, and what the issuer said of it.
type opaqueToken struct {
	Access, Subject string
	Scopes          []string
	Expiry          time.Time
	Revoked         bool
}

func (o opaqueToken) facts() tokenFacts {
	return tokenFacts{sub: o.Subject, scopes: o.Scopes, expiry: o.Expiry}
}

// opaqueState is what an application can do with its opaque token.
func (o opaqueToken) state() tokenState {
	switch {
	case o.Access == "":
		return tokenNone
	case o.facts().expired():
		return tokenExpired
	case o.Revoked:
		return tokenRevoked
	}
	return tokenGood
}

const (
	opaqueLesson = "/opaque"
	askOpaque    = "opaque"
)

// seenWithin is how long after a revocation an API may still accept the token.
func (o Opaque) seenWithin() time.Duration { return o.MaxAge + time.Second }

// opaqueTab is the tab of tokens that only the issuer can read.
func opaqueTab(down bool) lesson {
	return lesson{
		Label: "Opaque, and revoked", Path: opaqueLesson,
		Intro: []string{
			"The other tokens are signed: each API reads them by itself, and accepts them until they expire. This one is a random text. " +
				"Only the issuer knows what it is worth, and each API asks it (RFC 7662).",
			"So such a token can be taken back (RFC 7009). An API remembers what the issuer said for a few seconds, " +
				"to be quick. That is how long it takes until a revoked token is refused everywhere, and how long it lasts when the issuer is down.",
			"Get an opaque token, call with it, and then revoke it, or take the issuer down.",
		},
		Groups: []group{
			{"Call the API", []action{
				{Name: "opaque", Label: "Get an opaque token", Short: "Get token", Hint: "A text that only the issuer knows",
					need: needIssuer, ask: askOpaque},
				{Name: "call", Label: "Call with the token", Short: "Call", Hint: "GET /orders: each API asks the issuer",
					need: needOpaque, run: (*App).doCallOpaque},
			}},
			{"See what happens", []action{
				{Name: "revoke", Label: "Revoke the token", Short: "Revoke", Hint: "The application tells the issuer, and calls until all refuse",
					need: needGoodOpaque, run: (*App).doRevoke},
				opaqueOutage(down),
			}},
		},
	}
}

// opaqueOutage takes the issuer down or up, whichever it is not.
func opaqueOutage(down bool) action {
	if down {
		return action{Name: "restore", Label: "Bring the issuer up", Short: "Issuer up", Hint: "The APIs find it again by themselves", run: (*App).doRestore}
	}
	return action{Name: "outage", Label: "Take the issuer down", Short: "Issuer down", Hint: "Then nobody can be asked about the token",
		need: needGoodOpaque, run: (*App).doOutage}
}

var furtherOpaque = further{
	path:     opaqueLesson,
	resource: func(cfg Config) string { return cfg.Opaque.Audience },
	take: func(t *tokens, tok *oauth2.Token, g grant) error {
		if strings.Contains(tok.AccessToken, ".") {
			return errors.New("webapp: the token is not opaque")
		}
		scope, said := tok.Extra("scope").(string)
		scopes := strings.Fields(scope)
		if !said { // as it was asked for (RFC 6749 §5.1)
			scopes = g.scopes
		}
		t.Opaque = opaqueToken{Access: tok.AccessToken, Subject: g.subject, Scopes: scopes, Expiry: tok.Expiry.Truncate(time.Second)}
		return nil
	},
	trade: "The application trades the code for a token, which it cannot read either",
	title: "How you got the token", failed: "There is no opaque token",
	opening: "The application got an opaque token. What it is worth is for the issuer to say.",
}

// opaqueNow is how things stand on the tab of opaque tokens.
func opaqueNow(n now, t tokens) now {
	facts := t.Opaque.facts()
	one := tokenNow{ID: "opaque", Label: "Opaque access token", Any: t.Opaque.Access != "", Scopes: apiScopes(facts)}
	switch t.Opaque.state() {
	case tokenNone:
		one.Expires = "There is none yet"
	case tokenExpired:
		one.Expires = "expired at " + clock(facts.expiry)
	case tokenRevoked:
		one.Expires = "revoked: no API accepts it"
	case tokenGood:
		one.Expires = "expires at " + clock(facts.expiry) + ", in " + span(time.Until(facts.expiry))
	}
	if one.Any {
		one.Note = fmt.Sprintf("%d letters and digits, without claims", len(t.Opaque.Access))
	}
	n.Further, n.LogInAgain = []tokenNow{one}, false
	return n
}

// memory is what is known of what the APIs remember about the opaque token of a login.
type memory struct {
	asked  time.Time // at that time or later each API asked the issuer; zero: unknown
	called time.Time // when the last call ended: later none of them asked
}

// slack is how much longer than its age an answer may look good from here: a renewal may begin with
// the last call, and ends after it.
const slack = 300 * time.Millisecond

// forgotten tells whether each API has to ask anew.
func (m memory) forgotten(age time.Duration) bool { return time.Since(m.called) > age+slack }

// remembered tells whether each API can still use what it knows, also if this call is slow.
func (m memory) remembered(age time.Duration) bool { return time.Since(m.asked) < age-slack*3 }

// opaqueQuestion asks for the orders with the opaque token. What is promised while the issuer is
// down depends on what the APIs remember.
func (a *App) opaqueQuestion(l *login, t tokens) question {
	facts := t.Opaque.facts()
	q := question{op: readOrders, token: t.Opaque.Access, opaque: &facts, subject: "the token"}
	if t.Opaque.Revoked {
		want := promise.BadToken()
		q.want = &want
	}
	age := a.cfg.Opaque.MaxAge
	if !a.cfg.Issuer.Down() {
		q.settle = recoverTime
		return q
	}
	known, unknown := promised(q, facts), promise.Unavailable()
	switch {
	case l.remembers.forgotten(age):
		q.want = &unknown
	case t.Opaque.Revoked || !l.remembers.remembered(age):
		want := known.Or(unknown)
		q.want = &want
	}
	return q
}

// whyOpaque is why the APIs answered so to an opaque token that has not expired.
func (c *calls) whyOpaque() string {
	switch {
	case c.common() == kindUnavailable:
		return "what they remember is too old, and the issuer cannot be asked"
	case c.common() == kindRefused && c.First().Status == http.StatusUnauthorized:
		return "the issuer says that the token is not active"
	}
	return c.why
}

// askOpaque asks, and takes down what the APIs remember from then on.
func (a *App) askOpaque(ctx context.Context, rec *recorder, l *login, q question) *calls {
	begun := time.Now()
	anew := l.remembers.forgotten(a.cfg.Opaque.MaxAge)
	c := a.ask(ctx, rec, q)
	if kind := c.common(); anew && (kind == kindAnswered || kind == kindRefused) {
		l.remembers.asked = begun
	}
	l.remembers.called = time.Now()
	return c
}

func (a *App) doCallOpaque(ctx context.Context, rec *recorder, l *login, t tokens) error {
	a.askOpaque(ctx, rec, l, a.opaqueQuestion(l, t))
	return nil
}

// doRevoke has the issuer revoke the token, and calls until every API refuses it.
func (a *App) doRevoke(ctx context.Context, rec *recorder, l *login, t tokens) error {
	q := a.opaqueQuestion(l, t)
	q.Title = "A call with the token"
	a.askOpaque(ctx, rec, l, q)
	rec.expect(exchange{Title: "The application revokes the token at the issuer", From: "application", To: "issuer"})
	if err := a.revokeToken(ctx, l, t.Opaque.Access, "access_token"); err != nil {
		return err
	}
	revoked := time.Now()
	t.Opaque.Revoked = true
	if err := a.keep(l, t); err != nil {
		return err
	}
	good := t
	good.Opaque.Revoked = false
	q = a.opaqueQuestion(l, good)
	either := promised(q, *q.opaque).Or(promise.BadToken())
	q.Title, q.subject, q.settle, q.want = "A call at once: an API may use what it remembers", "right after its revocation it", 0, &either
	a.askOpaque(ctx, rec, l, q)

	within := a.cfg.Opaque.seenWithin()
	q = a.opaqueQuestion(l, t)
	q.Title, q.subject, q.settle, q.by = "Calls until each API refuses", "later it", 0, revoked.Add(within)
	c := a.askOpaque(ctx, rec, l, q)
	took := c.last.Sub(revoked).Seconds()
	c.subject = fmt.Sprintf("%.1f s later it", took)
	c.Title += fmt.Sprintf(": %.1f s after the revocation at the latest, and %.0f s are promised", took, within.Seconds())
	return nil
}

// doOutage takes the issuer down when the APIs have just asked it.
func (a *App) doOutage(ctx context.Context, rec *recorder, l *login, t tokens) error {
	age := a.cfg.Opaque.MaxAge
	pause(ctx, time.Until(l.remembers.called.Add(age+2*slack))) // so that each asks now
	q := a.opaqueQuestion(l, t)
	q.Title, q.subject = "A call while the issuer is up: each API asks it", ""
	a.askOpaque(ctx, rec, l, q)
	a.cfg.Issuer.SetDown(true)
	rec.note("The issuer goes down")
	q = a.opaqueQuestion(l, t)
	q.Title, q.subject = "A call at once: the APIs use what they remember", "while the APIs remember it, the token"
	a.askOpaque(ctx, rec, l, q)
	pause(ctx, time.Until(l.remembers.called.Add(age+2*slack)))
	rec.note(fmt.Sprintf("The application waits until what the APIs remember is %.0f s old", age.Seconds()))
	q = a.opaqueQuestion(l, t)
	q.Title, q.subject = "A call after that", span(age)+" later it"
	a.askOpaque(ctx, rec, l, q)
	return nil
}

func (a *App) doRestore(ctx context.Context, rec *recorder, l *login, t tokens) error {
	a.cfg.Issuer.SetDown(false)
	rec.note("The issuer is up again")
	if t.Unseen != "" { // of an outage that began on the first tab; the token in use is still good
		t.Unseen = ""
		if err := a.keep(l, t); err != nil {
			return err
		}
	}
	if state := t.Opaque.state(); state != tokenGood && state != tokenRevoked {
		return nil
	}
	q := a.opaqueQuestion(l, t)
	q.Title = "A call with the token"
	a.askOpaque(ctx, rec, l, q)
	return nil
}
