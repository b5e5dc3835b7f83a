package webapp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bearward/bearward/examples/internal/promise"
)

// do runs one action and keeps what came of it for the dashboard. It goes on when the browser goes
// away: a refresh token that was sent is spent.
func (a *App) do(w http.ResponseWriter, r *http.Request) {
	l := a.current(r.Context())
	name := r.PathValue("action")
	if l == nil {
		if name == "up" || name == "restore" { // or nobody could log in any more
			a.cfg.Issuer.SetDown(false)
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actionTimeout)
	defer cancel()

	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := a.openTokens(l)
	if err != nil {
		a.unreadable(w, err)
		return
	}
	s := a.situation(l, t)
	act, path, ok := findAction(s, name)
	switch {
	case !ok && name == "down":
		act, act.Blocked = outageAction(false), "The issuer is down already."
	case !ok && name == "up":
		act, act.Blocked = outageAction(true), "The issuer is up already."
	case !ok && name == "outage":
		act, path, act.Blocked = opaqueOutage(false), opaqueLesson, "The issuer is down already."
	case !ok && name == "restore":
		act, path, act.Blocked = opaqueOutage(true), opaqueLesson, "The issuer is up already."
	case !ok:
		a.failed(w, http.StatusNotFound, failedPage{Title: "No such page", Text: "There is no such button."})
		return
	}
	if act.Blocked != "" {
		l.results[path] = result{Title: act.Label, Blocked: act.Blocked}
		a.showDashboard(w, http.StatusConflict, path, l, t)
		return
	}
	rec, ctx := record(ctx)
	err = act.run(a, ctx, rec, l, t)
	last := result{Action: act.Name, Title: act.Label, Parts: opened(rec.done()), opening: rec.opening}
	if err != nil {
		a.log.Warn("action", "name", act.Name, "err", err)
		last.Parts = append(last.Parts, part{Problem: problemText(err)})
	}
	for i, p := range last.Parts {
		last.Parts[i].Repeated = p.Calls != nil && p.Calls.Sentence() == last.Headline()
	}
	l.results[path] = last
	http.Redirect(w, r, path, http.StatusSeeOther)
}

// opened marks what is shown in full: the first question that was not simply answered, or else the
// first one, and whatever is not as promised. Of a tool's call it is the last message to the
// server.
func opened(parts []part) []part {
	telling := -1
	for i, p := range parts {
		if p.Exchange != nil && p.Exchange.check != nil {
			telling = i
		}
		if p.Calls == nil {
			continue
		}
		if telling < 0 || parts[telling].Calls.common() == kindAnswered && p.Calls.common() != kindAnswered {
			telling = i
		}
	}
	for i, p := range parts {
		parts[i].Open = i == telling || !p.promised()
	}
	return parts
}

// errNotMet says that an API could not fetch the keys in time: an outage would show something else.
var errNotMet = errors.New("webapp: an API has not met the token's key")

func problemText(err error) string {
	var refused *refusedError
	if errors.Is(err, errNotMet) {
		return "An API has not fetched the issuer’s keys again since the last outage. Try again in a moment."
	}
	if errors.As(err, &refused) {
		return "The issuer refused to refresh (" + refused.code + ")."
	}
	return "The issuer did not answer, so there is no new token."
}

// situation is what decides which actions are possible.
func (a *App) situation(l *login, t tokens) situation {
	s := situation{Down: a.cfg.Issuer.Down(), Refresh: t.refreshState(), Bound: stateOf(t.Bound.Access), Certified: stateOf(t.Certified.Access), Opaque: t.Opaque.state()}
	s.Tools = a.toolSituation(l)
	s.Missing = missing(l.reg.Scopes, factsOf(t.Access).scopes)
	return s
}

// fresh returns tokens whose access token is still good. It refreshes first if need be, and if that
// is possible: otherwise the old token has to do.
func (a *App) fresh(ctx context.Context, rec *recorder, l *login, t tokens) (tokens, error) {
	if time.Until(t.Expiry) > 5*time.Second || t.refreshState() != refreshKept || a.cfg.Issuer.Down() {
		return t, nil
	}
	return a.refresh(ctx, rec, l, t, "The access token is at its end: the application refreshes")
}

func (a *App) doRead(ctx context.Context, rec *recorder, l *login, t tokens) error {
	return a.doCall(ctx, rec, l, t, readOrders)
}

func (a *App) doPlace(ctx context.Context, rec *recorder, l *login, t tokens) error {
	return a.doCall(ctx, rec, l, t, placeOrder)
}

func (a *App) doStats(ctx context.Context, rec *recorder, l *login, t tokens) error {
	return a.doCall(ctx, rec, l, t, readStats)
}

func (a *App) doCall(ctx context.Context, rec *recorder, l *login, t tokens, op operation) error {
	t, err := a.fresh(ctx, rec, l, t)
	if err != nil {
		return err
	}
	a.ask(ctx, rec, question{subject: "the token", op: op, token: t.Access})
	return nil
}

// shortLife is the life of the token that is left to expire. Issuers count whole seconds, so up to
// one of them is over when the token comes.
const shortLife = 4 * time.Second

func (a *App) doExpire(ctx context.Context, rec *recorder, l *login, t tokens) error {
	a.cfg.Issuer.SetTokenLifetime(shortLife)
	defer a.cfg.Issuer.SetTokenLifetime(a.cfg.TokenLifetime)
	const tries = 3 // on a machine that is so busy that the token is old when it comes
	for i := 0; i == 0 || i < tries && time.Until(factsOf(t.Access).expiry) < shortLife/2; i++ {
		var err error
		if t, err = a.refresh(ctx, rec, l, t, "The application gets a token that lives four seconds"); err != nil {
			return err
		}
	}
	a.ask(ctx, rec, question{Title: "A call at once", subject: "the short-lived token", op: readOrders, token: t.Access})
	expiry := factsOf(t.Access).expiry
	pause(ctx, time.Until(expiry)+50*time.Millisecond)
	rec.note("The application waits until " + clock(expiry) + ", when the token expires")
	a.ask(ctx, rec, question{Title: "A call with the expired token", subject: "the expired token", op: readOrders, token: t.Access})
	a.cfg.Issuer.SetTokenLifetime(a.cfg.TokenLifetime)
	t, err := a.refresh(ctx, rec, l, t, "The application refreshes")
	if err != nil {
		return err
	}
	a.ask(ctx, rec, question{Title: "A call with the new token", subject: "the new token", op: readOrders, token: t.Access})
	return nil
}

func (a *App) doRotate(ctx context.Context, rec *recorder, l *login, t tokens) error {
	t, err := a.fresh(ctx, rec, l, t)
	if err != nil {
		return err
	}
	old := t.Access
	kid, err := a.cfg.Issuer.RotateNow()
	if err != nil {
		return err
	}
	rec.note("The issuer makes a new key, " + kid + ", and signs with it. The key before it stays published")
	if t, err = a.refresh(ctx, rec, l, t, "The application gets a token by the new key"); err != nil {
		return err
	}
	a.ask(ctx, rec, question{Title: "A call with the token by the new key", subject: "the new key’s token", op: readOrders, token: t.Access})
	a.ask(ctx, rec, question{Title: "A call with the token by the old key", subject: "the old key’s token", op: readOrders, token: old})
	return nil
}

// doDown gets a token by a key that no API has met, before the issuer goes. Without a refresh token
// there is none.
func (a *App) doDown(ctx context.Context, rec *recorder, l *login, t tokens) error {
	t, err := a.fresh(ctx, rec, l, t)
	if err != nil {
		return err
	}
	known := t.Access
	unseen := t.refreshState() == refreshKept
	a.ask(ctx, rec, question{Title: "A call while the issuer is up", op: readOrders, token: known, settle: recoverTime})
	if !a.hasMet(keyID(known)) && !factsOf(known).expired() {
		return errNotMet
	}
	if unseen {
		// An API that fetched just now would not try again; and none shall meet the new key by its
		// clock.
		pause(ctx, a.cfg.Cooldown+a.cfg.Cooldown/10)
		if _, err := a.cfg.Issuer.RotateNow(); err != nil {
			return err
		}
		if t, err = a.refresh(ctx, rec, l, t, "The issuer makes a new key, and signs one more token"); err != nil {
			return err
		}
		t.Unseen, t.Access = t.Access, known
		if err := a.keep(l, t); err != nil {
			return err
		}
	}
	a.cfg.Issuer.SetDown(true)
	rec.note("The issuer goes down")
	a.ask(ctx, rec, question{Title: "A call with a token whose key the APIs have", subject: "with the issuer down, the token in use", op: readOrders, token: known})
	if facts := factsOf(t.Unseen); unseen && !facts.expired() {
		q := question{
			Title: "A call with the token by the new key", subject: "the new key’s token", op: readOrders, token: t.Unseen,
			why: "its key is new, and the issuer cannot be asked for it",
		}
		want := promise.Unavailable().Or(promised(q, facts)) // of an API whose clock asked in the last moment
		q.want = &want
		a.ask(ctx, rec, q)
	}
	return nil
}

// recoverTime is how long the APIs may take to find the issuer again. After a long outage they wait
// for up to a minute between two tries, and say so in Retry-After.
const recoverTime = 15 * time.Second

func (a *App) doUp(ctx context.Context, rec *recorder, l *login, t tokens) error {
	a.cfg.Issuer.SetDown(false)
	rec.note("The issuer is up again")
	title, subject := "A call with the token", "the token"
	if t.Unseen != "" {
		title, subject = "A call with the token by the new key", "the new key’s token"
		t.Access, t.Expiry, t.Unseen = t.Unseen, factsOf(t.Unseen).expiry, ""
		if err := a.keep(l, t); err != nil {
			return err
		}
	}
	t, err := a.fresh(ctx, rec, l, t)
	if err != nil {
		return err
	}
	a.ask(ctx, rec, question{Title: title, subject: subject, op: readOrders, token: t.Access, settle: recoverTime})
	return nil
}

func (a *App) doReplay(ctx context.Context, rec *recorder, l *login, t tokens) error {
	stolen := t.Refresh
	t, err := a.refresh(ctx, rec, l, t, "The application refreshes, which spends its refresh token")
	if err != nil {
		return err
	}
	const invalidGrant = "invalid_grant"
	var refused *refusedError
	rec.expect(exchange{
		Title: "A thief uses the spent refresh token", From: "thief", To: "issuer",
		Subject: "the spent refresh token", wants: invalidGrant,
	})
	if _, err := a.redeemRefresh(ctx, l, stolen); err != nil && !errors.As(err, &refused) {
		return err
	}
	rec.expect(exchange{
		Title: "The application uses its own one, which belongs to the same login", From: "application", To: "issuer",
		Subject: "the application’s own one", wants: invalidGrant,
	})
	if _, err := a.redeemRefresh(ctx, l, t.Refresh); err != nil && !errors.As(err, &refused) {
		return err
	} else if err != nil {
		t.Refresh, t.Ended = "", true
	}
	if err := a.keep(l, t); err != nil {
		return err
	}
	rec.note("One of the two users of a spent token is a thief, and the issuer cannot know which: it ends the whole login")
	a.ask(ctx, rec, question{Title: "The access token lives on until it expires", subject: "the access token", op: readOrders, token: t.Access})
	return nil
}
