package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/promise"
	"github.com/bearward/bearward/middleware/introspect"
)

// opaqueAPI is another name of the orders API. Tokens for it are opaque: the APIs ask the issuer
// what they are worth.
const opaqueAPI = "https://orders.example/opaque"

// How long the APIs use what the issuer told them: as long as a person waits for a page, and for
// the check, which shall be quick.
const (
	answerAge      = 3 * time.Second
	checkAnswerAge = time.Second
)

// newAsker returns who the APIs are when they ask the issuer.
func newAsker() authserver.ResourceServer {
	return authserver.ResourceServer{ID: "orders-api", Secret: rand.Text()}
}

// startOpaqueFleet starts the API behind each adapter once more: under its other name, and asking
// the issuer about tokens.
func startOpaqueFleet(is *issuer, age time.Duration, config api.Config) (fleet, error) {
	config.Audience, config.DPoP = opaqueAPI, api.DPoP{}
	config.Introspection = api.Introspection{
		Endpoint: introspect.FromMetadata, TTL: age,
		Client: introspect.Basic(is.asker.ID, introspect.FixedSecret(is.asker.Secret)),
	}
	return startFleet(func(int) string { return anyPort }, config)
}

// opaque: a token that only its issuer can read. It is revoked, and refused within the promise;
// while the issuer is down, what it has said is good until its age.
func (w *walk) opaque(ctx context.Context, _, _ *oauth2.Token) error {
	app := *w.app
	app.Resource = opaqueAPI
	tok, err := app.LogIn(ctx, alice, "offline_access", "read:orders")
	if err != nil {
		return err
	}
	other, err := app.LogIn(ctx, bob, "read:orders")
	if err != nil {
		return err
	}
	jwt, err := w.app.LogIn(ctx, alice, "read:orders")
	if err != nil {
		return err
	}
	f, err := startOpaqueFleet(w.issuer, checkAnswerAge, w.config())
	if err != nil {
		return err
	}
	defer func() { _ = f.shutdown(context.WithoutCancel(ctx)) }()
	endpoints, done, err := f.with(link{}, nil)
	if err != nil {
		return err
	}
	defer done()
	if err := f.waitReady(ctx); err != nil {
		return err
	}
	w.chapter("10. Tokens that only their issuer can read, and tokens that are taken back")
	alices, bobs := token{name: "alice's opaque", raw: tok.AccessToken}, token{name: "bob's opaque", raw: other.AccessToken}
	w.askAt(ctx, endpoints, list, alices, promise.OKAs("alice"))
	w.askAt(ctx, endpoints, place, alices, promise.Needs("write:orders"))
	w.askAt(ctx, endpoints, list, token{name: "random text", raw: "correct-horse-battery-staple"}, promise.BadToken())
	w.askAt(ctx, endpoints, list, token{name: "alice's JWT, for another", raw: jwt.AccessToken}, promise.BadToken())
	w.askAt(ctx, endpoints, list, token{name: "alice's refresh token", raw: tok.RefreshToken}, promise.BadToken())
	alices.name = "alice's, where JWTs are"
	w.ask(ctx, list, alices, promise.BadToken())

	if err := app.Revoke(ctx, tok.AccessToken); err != nil {
		return err
	}
	revoked, within := time.Now(), checkAnswerAge+time.Second
	err = w.settleAt(ctx, endpoints, list, alices, promise.BadToken())
	seen := time.Since(revoked)
	if err == nil && seen > within {
		err = fmt.Errorf("after %.1f s", seen.Seconds())
	}
	w.fact(fmt.Sprintf("a token that is revoked is refused by each API within %s", within), err)
	alices.name = "alice's, revoked"
	w.askAt(ctx, endpoints, list, alices, promise.BadToken())
	return w.unasked(ctx, endpoints, bobs)
}

// unasked: the issuer goes down, and comes up again.
func (w *walk) unasked(ctx context.Context, endpoints []endpoint, good token) error {
	w.askAt(ctx, endpoints, list, good, promise.OKAs("bob"))
	asked := time.Now()
	w.issuer.SetDown(true)
	defer w.issuer.SetDown(false)
	fmt.Fprintln(w.out, "  ... the issuer goes down: what it said is good until its age")
	early := promise.OKAs("bob")
	if time.Since(asked) > checkAnswerAge/2 { // on a machine that is so busy
		early = early.Or(promise.Unavailable())
	}
	w.askAt(ctx, endpoints, list, good, early)
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(asked.Add(checkAnswerAge + checkAnswerAge/10))):
	}
	w.askAt(ctx, endpoints, list, good, promise.Unavailable())
	w.issuer.SetDown(false)
	if err := w.settleAt(ctx, endpoints, list, good, promise.OKAs("bob")); err != nil {
		return err
	}
	fmt.Fprintln(w.out, "  ... the issuer is up again")
	w.askAt(ctx, endpoints, list, good, promise.OKAs("bob"))
	return nil
}
