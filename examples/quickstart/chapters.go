package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/promise"
)

// coldStart: the API starts while its issuer is down.
func (w *walk) coldStart(ctx context.Context, reader, _ *oauth2.Token) error {
	w.issuer.SetDown(true)
	if err := w.open(); err != nil {
		return err
	}
	good := token{name: "alice: read:orders", raw: reader.AccessToken}
	w.chapter("1. The API starts while the issuer is down: tokens cannot be verified yet")
	w.ask(ctx, list, good, promise.Unavailable())
	w.ask(ctx, list, none, promise.NoToken())
	w.ask(ctx, ping, none, promise.OKAnonymous())
	w.issuer.SetDown(false)
	if err := w.fleet.waitReady(ctx); err != nil {
		return err
	}
	fmt.Fprintln(w.out, "  ... the issuer comes up, and each API finds its keys by itself")
	w.ask(ctx, list, good, promise.OKAs("alice"))
	return nil
}

func (w *walk) whoMayCallWhat(ctx context.Context, reader, writer *oauth2.Token) error {
	alices := token{name: "alice: read:orders", raw: reader.AccessToken}
	bobs := token{name: "bob: read, write, admin", raw: writer.AccessToken}
	w.chapter("2. Who may call what")
	for _, line := range []struct {
		op    operation
		needs string
	}{{list, "read:orders"}, {place, "write:orders"}, {stats, "admin:all"}} {
		w.ask(ctx, line.op, none, promise.NoToken())
		if line.needs == "read:orders" {
			w.ask(ctx, line.op, alices, promise.OKAs("alice"))
		} else {
			w.ask(ctx, line.op, alices, promise.Needs(line.needs))
		}
		w.ask(ctx, line.op, bobs, promise.OKAs("bob"))
	}
	w.ask(ctx, me, none, promise.NoToken())
	w.ask(ctx, me, alices, promise.OKAs("alice"))
	w.ask(ctx, greet, none, promise.OKAnonymous())
	w.ask(ctx, greet, alices, promise.OKAs("alice"))
	w.ask(ctx, ping, none, promise.OKAnonymous())
	w.ask(ctx, ping, alices, promise.OKAnonymous())
	return nil
}

func (w *walk) badTokens(ctx context.Context, reader, _ *oauth2.Token) error {
	identity, _ := reader.Extra("id_token").(string)
	if identity == "" {
		return errors.New("the issuer gave no ID token")
	}
	foreign, err := w.foreignTokens(ctx)
	if err != nil {
		return err
	}
	w.chapter("3. Bad tokens")
	for _, tok := range append(foreign, []token{
		{name: "random text", raw: "correct-horse-battery-staple"},
		{name: "alice's ID token", raw: identity},
		{name: "alice's refresh token", raw: reader.RefreshToken},
		{name: "alice's, claims changed", raw: graft(reader.AccessToken, identity)},
		{name: "alice's, signature cut", raw: reader.AccessToken[:len(reader.AccessToken)-4]},
		{name: "alice's, alg none", raw: unsigned(reader.AccessToken)},
	}...) {
		w.ask(ctx, list, tok, promise.BadToken())
	}
	w.ask(ctx, greet, token{name: "random text, at Optional", raw: "correct-horse-battery-staple"}, promise.BadToken())
	return nil
}

// foreignTokens are good tokens for somebody else: of the same issuer for
// another API, and of another issuer for this one.
func (w *walk) foreignTokens(ctx context.Context) ([]token, error) {
	elsewhere := *w.app
	elsewhere.Resource = otherAPI
	stock, err := elsewhere.LogIn(ctx, alice, "read:orders")
	if err != nil {
		return nil, err
	}
	other, err := startIssuer(anyPort, time.Minute, link{}, link{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer other.shutdown(ctx)
	app, err := registerAt(ctx, other.url)
	if err != nil {
		return nil, err
	}
	tok, err := app.LogIn(ctx, alice, "read:orders")
	if err != nil {
		return nil, err
	}
	return []token{{name: "alice's, for another API", raw: stock.AccessToken}, {name: "another issuer's", raw: tok.AccessToken}}, nil
}

// graft returns token with the claims of another one under its own signature.
func graft(token, other string) string {
	parts := strings.Split(token, ".")
	parts[1] = strings.Split(other, ".")[1]
	return strings.Join(parts, ".")
}

// unsigned returns token under {"alg":"none","typ":"at+jwt"}.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + parts[1] + "." + parts[2]
}

func (w *walk) streams(ctx context.Context, reader, writer *oauth2.Token) error {
	alices := token{name: "alice: read:orders", raw: reader.AccessToken}
	bobs := token{name: "bob: read, write, admin", raw: writer.AccessToken}
	w.chapter("4. gRPC streams")
	for _, op := range []operation{watch, track, placeMany} {
		w.ask(ctx, op, none, promise.NoToken())
		w.ask(ctx, op, token{name: "random text", raw: "correct-horse-battery-staple"}, promise.BadToken())
	}
	w.ask(ctx, watch, alices, promise.OKAnonymous().Silent())
	w.ask(ctx, track, alices, promise.OKAnonymous().Silent())
	w.ask(ctx, placeMany, alices, promise.Needs("write:orders"))
	w.ask(ctx, placeMany, bobs, promise.OKAs("bob"))
	return nil
}

// rotation: publish, promote, retire. No call fails until the old key is
// withdrawn, and then only the tokens that it signed.
func (w *walk) rotation(ctx context.Context, reader, _ *oauth2.Token) error {
	old := token{name: "alice's, by the old key", raw: reader.AccessToken}
	if _, err := w.issuer.PublishKey(); err != nil {
		return err
	}
	if _, err := w.issuer.PromoteKey(); err != nil {
		return err
	}
	next, err := w.app.LogIn(ctx, alice, "read:orders")
	if err != nil {
		return err
	}
	fresh := token{name: "alice's, by the new key", raw: next.AccessToken}
	w.chapter("5. The signing key rotates: publish, promote, retire")
	w.ask(ctx, list, fresh, promise.OKAs("alice"))
	w.ask(ctx, list, old, promise.OKAs("alice"))

	w.issuer.RetireKeys()
	if _, err := w.issuer.RotateNow(); err != nil {
		return err
	}
	third, err := w.app.LogIn(ctx, alice, "read:orders")
	if err != nil {
		return err
	}
	coolDown(ctx)
	fmt.Fprintln(w.out, "  ... the old key is withdrawn, and a third one signs; a token of it makes each API look")
	w.ask(ctx, list, token{name: "alice's, by the third key", raw: third.AccessToken}, promise.OKAs("alice"))
	w.ask(ctx, list, fresh, promise.OKAs("alice"))
	w.ask(ctx, list, old, promise.BadToken())
	return nil
}

// outage: the issuer goes down after it signed with a key that no API knows.
func (w *walk) outage(ctx context.Context, _, _ *oauth2.Token) error {
	known, err := w.app.LogIn(ctx, alice, "read:orders")
	if err != nil {
		return err
	}
	if _, err := w.issuer.RotateNow(); err != nil {
		return err
	}
	unknown, err := w.app.LogIn(ctx, alice, "read:orders")
	if err != nil {
		return err
	}
	coolDown(ctx)
	w.issuer.SetDown(true)
	knownToken := token{name: "alice's, by a known key", raw: known.AccessToken}
	newToken := token{name: "alice's, by a key unseen", raw: unknown.AccessToken}
	w.chapter("6. The issuer goes down: what can be verified is verified, the rest is not")
	w.ask(ctx, list, knownToken, promise.OKAs("alice"))
	w.ask(ctx, place, knownToken, promise.Needs("write:orders"))
	w.ask(ctx, list, newToken, promise.Unavailable())
	w.ask(ctx, list, token{name: "random text", raw: "correct-horse-battery-staple"}, promise.BadToken())
	w.ask(ctx, list, none, promise.NoToken())
	w.ask(ctx, ping, none, promise.OKAnonymous())
	w.issuer.SetDown(false)
	if err := w.settle(ctx, list, newToken, promise.OKAs("alice")); err != nil {
		return err
	}
	fmt.Fprintln(w.out, "  ... the issuer is up again")
	w.ask(ctx, list, newToken, promise.OKAs("alice"))
	return nil
}

// refresh: a token expires, a refresh brings a new one, and a refresh token
// that is used twice ends the family.
func (w *walk) refresh(ctx context.Context, reader, _ *oauth2.Token) error {
	w.issuer.SetTokenLifetime(time.Second)
	short, err := w.app.Refresh(ctx, reader.RefreshToken)
	if err != nil {
		return err
	}
	w.issuer.SetTokenLifetime(5 * time.Minute)
	next, err := w.app.Refresh(ctx, short.RefreshToken)
	if err != nil {
		return err
	}
	expired := token{name: "alice's, expired", raw: short.AccessToken}
	w.chapter("7. Expiry and refresh")
	if err := w.settle(ctx, list, expired, promise.BadToken()); err != nil {
		return err
	}
	w.ask(ctx, list, expired, promise.BadToken())
	w.ask(ctx, list, token{name: "alice's, refreshed", raw: next.AccessToken}, promise.OKAs("alice"))

	_, err = w.app.Refresh(ctx, short.RefreshToken)
	w.fact("a refresh token that was used before is refused (invalid_grant)", wantRefused(err, "invalid_grant"))
	_, err = w.app.Refresh(ctx, next.RefreshToken)
	w.fact("its whole family is refused from then on (invalid_grant)", wantRefused(err, "invalid_grant"))
	return nil
}

// wantRefused returns nil when err is the issuer's refusal by that code.
func wantRefused(err error, code string) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == code {
		return nil
	}
	return fmt.Errorf("got %w", err)
}
