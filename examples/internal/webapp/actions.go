package webapp

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// action is one button of the dashboard.
type action struct {
	Name, Label, Hint string
	run               func(*App, context.Context, *recorder, *login, tokens) error
}

// actions are the buttons, in their order.
func actions() []action {
	return []action{
		{"read", "Read the orders", "GET /orders needs read:orders", (*App).doRead},
		{"place", "Place an order", "POST /orders needs write:orders", (*App).doPlace},
		{"stats", "Call with too little scope", "GET /admin/stats needs admin:all, which was never asked for", (*App).doStats},
		{"expire", "Let a token expire", "Then refresh. The token lives two seconds, so this takes about three", (*App).doExpire},
		{"rotate", "Rotate the keys now", "The next token is signed with a key that no API has seen", (*App).doRotate},
		{"replay", "Replay a used refresh token", "As a thief would: the whole family dies", (*App).doReplay},
	}
}

// outageAction takes the issuer down or up, whichever it is not.
func outageAction(down bool) action {
	if down {
		return action{"up", "Bring the issuer up", "The APIs find it again by themselves", (*App).doUp}
	}
	return action{"down", "Take the issuer down", "Known tokens keep working; a token by an unseen key is not judged", (*App).doDown}
}

// do runs one action and keeps its steps for the dashboard. It goes on when
// the browser goes away: a refresh token that was sent is spent.
func (a *App) do(w http.ResponseWriter, r *http.Request) {
	l := a.current(r.Context())
	if l == nil {
		if r.PathValue("action") == "up" { // or nobody could log in any more
			a.cfg.Issuer.SetDown(false)
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	act, ok := findAction(r.PathValue("action"))
	if !ok {
		a.failed(w, http.StatusNotFound, "There is no such button.")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actionTimeout)
	defer cancel()
	rec, ctx := record(ctx)

	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := a.held(l)
	if err == nil {
		err = act.run(a, ctx, rec, l, t)
	}
	l.title, l.steps = act.Label, rec.Steps()
	if err != nil {
		a.log.Warn("action", "name", act.Name, "err", err)
		l.steps = append(l.steps, Step{Title: problemText(err), Status: "stopped"})
	}
	http.Redirect(w, r, "/dashboard#steps", http.StatusSeeOther)
}

func findAction(name string) (action, bool) {
	for _, act := range append(actions(), outageAction(true), outageAction(false)) {
		if act.Name == name {
			return act, true
		}
	}
	return action{}, false
}

func problemText(err error) string {
	var refused *refusedError
	if errors.As(err, &refused) {
		return "The issuer refuses to refresh (" + refused.code + "): log out and in again."
	}
	return "The issuer does not answer, so there is no new token."
}

// fresh returns tokens whose access token is still good, refreshing first if
// need be.
func (a *App) fresh(ctx context.Context, rec *recorder, l *login, t tokens) (tokens, error) {
	if time.Until(t.Expiry) > 5*time.Second {
		return t, nil
	}
	rec.next("The access token has expired: the application refreshes", "application", "issuer")
	return a.refresh(ctx, l, t)
}

func (a *App) doRead(ctx context.Context, rec *recorder, l *login, t tokens) error {
	return a.doCall(ctx, rec, l, t, "Read the orders", readOrders)
}

func (a *App) doPlace(ctx context.Context, rec *recorder, l *login, t tokens) error {
	return a.doCall(ctx, rec, l, t, "Place an order", placeOrder)
}

func (a *App) doStats(ctx context.Context, rec *recorder, l *login, t tokens) error {
	return a.doCall(ctx, rec, l, t, "Read the figures of the shop", readStats)
}

func (a *App) doCall(ctx context.Context, rec *recorder, l *login, t tokens, why string, op operation) error {
	t, err := a.fresh(ctx, rec, l, t)
	if err != nil {
		return err
	}
	a.callAll(ctx, rec, why, op, t.Access)
	return nil
}

// shortLife is the life of the token that is left to expire. The APIs of the
// quickstart allow no leeway, since one machine has one clock.
const shortLife = 2 * time.Second

func (a *App) doExpire(ctx context.Context, rec *recorder, l *login, t tokens) error {
	a.cfg.Issuer.SetTokenLifetime(shortLife)
	defer a.cfg.Issuer.SetTokenLifetime(a.cfg.TokenLifetime)
	rec.next("Get a token that lives two seconds", "application", "issuer")
	t, err := a.refresh(ctx, l, t)
	if err != nil {
		return err
	}
	a.callAll(ctx, rec, "Call at once", readOrders, t.Access)
	rec.note("Wait until it has expired")
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(shortLife + time.Second):
	}
	a.callAll(ctx, rec, "Call with the expired token", readOrders, t.Access)
	a.cfg.Issuer.SetTokenLifetime(a.cfg.TokenLifetime)
	rec.next("Refresh", "application", "issuer")
	if t, err = a.refresh(ctx, l, t); err != nil {
		return err
	}
	a.callAll(ctx, rec, "Call with the new token", readOrders, t.Access)
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
	rec.note("The issuer publishes and uses a new key, " + kid + "; the old one stays published")
	rec.next("Get a token signed with the new key", "application", "issuer")
	if t, err = a.refresh(ctx, l, t); err != nil {
		return err
	}
	a.callAll(ctx, rec, "Call with the new key's token: each API looks for the key and finds it", readOrders, t.Access)
	a.callAll(ctx, rec, "Call with the old key's token, which is still good", readOrders, old)
	return nil
}

// doDown gets a token by a key that no API has met, before the issuer goes.
func (a *App) doDown(ctx context.Context, rec *recorder, l *login, t tokens) error {
	t, err := a.fresh(ctx, rec, l, t)
	if err != nil {
		return err
	}
	known := t.Access
	if _, err := a.cfg.Issuer.RotateNow(); err != nil {
		return err
	}
	rec.next("The issuer rotates its key, and signs one more token", "application", "issuer")
	if t, err = a.refresh(ctx, l, t); err != nil {
		return err
	}
	t.Unseen, t.Access = t.Access, known
	if err := a.keep(l, t); err != nil {
		return err
	}
	a.cfg.Issuer.SetDown(true)
	rec.note("The issuer goes down")
	a.callAll(ctx, rec, "A token by a known key keeps working", readOrders, known)
	a.callAll(ctx, rec, "A token by the unseen key is not judged: 503, and no challenge", readOrders, t.Unseen)
	return nil
}

func (a *App) doUp(ctx context.Context, rec *recorder, l *login, t tokens) error {
	a.cfg.Issuer.SetDown(false)
	rec.note("The issuer is up again")
	if t.Unseen == "" {
		return nil
	}
	// The APIs wait a moment between two tries, so as not to storm an issuer
	// that has just come up.
	rec.note("Wait five seconds: an API backs off after a fetch that failed")
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Second):
	}
	a.callAll(ctx, rec, "The token that was not judged is good", readOrders, t.Unseen)
	t.Access, t.Unseen = t.Unseen, ""
	return a.keep(l, t)
}

func (a *App) doReplay(ctx context.Context, rec *recorder, l *login, t tokens) error {
	stolen := t.Refresh
	rec.next("The application refreshes, which spends its refresh token", "application", "issuer")
	t, err := a.refresh(ctx, l, t)
	if err != nil {
		return err
	}
	rec.next("Somebody who copied the spent refresh token uses it", "thief", "issuer")
	if _, err := a.redeemRefresh(ctx, stolen); err == nil {
		return errors.New("webapp: the spent refresh token was accepted")
	}
	rec.next("So the issuer ends the whole family: the application's own one is refused, too", "application", "issuer")
	if _, err := a.redeemRefresh(ctx, t.Refresh); err == nil {
		return errors.New("webapp: the family survived")
	}
	rec.note("Access tokens live on until they expire, which is why they are short-lived. Log out and in again for more.")
	return nil
}
