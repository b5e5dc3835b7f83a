package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/promise"
	"github.com/bearward/bearward/examples/internal/prover"
)

// token is an access token, how the table calls it, and how it is sent.
type token struct {
	name, raw string
	scheme    string // "": Bearer
	// proof makes the proof that goes with a call (RFC 9449); nil: none goes with it.
	proof func(method, uri string) (string, error)
}

var none = token{name: "none"}

// credentials are the header fields of a call of op at d.
func (t token) credentials(d endpoint, op operation) (map[string]string, error) {
	if t.raw == "" {
		return nil, nil
	}
	fields := map[string]string{"authorization": cmp.Or(t.scheme, "Bearer") + " " + t.raw}
	if t.proof == nil {
		return fields, nil
	}
	proof, err := t.proof(d.target(op))
	fields["dpop"] = proof
	return fields, err
}

// proved is raw with a new proof by p for each call.
func proved(name, raw string, p *prover.Prover) token {
	return token{name: name, raw: raw, scheme: "DPoP", proof: func(method, uri string) (string, error) {
		return p.Proof(method, uri, raw)
	}}
}

// kept is t, whose proofs are kept, and a token that sends each of them once more to where it was
// used.
func (t token) kept(again string) (first, second token) {
	proofs := make(map[string]string)
	first, second = t, t
	second.name = again
	first.proof = func(method, uri string) (string, error) {
		proof, err := t.proof(method, uri)
		proofs[method+" "+uri] = proof
		return proof, err
	}
	second.proof = func(method, uri string) (string, error) {
		proof, ok := proofs[method+" "+uri]
		if !ok {
			return "", fmt.Errorf("no proof was used for %s %s", method, uri)
		}
		return proof, nil
	}
	return first, second
}

// bound: a token that is bound to its sender's key is worth nothing to a thief (RFC 9449).
func (w *walk) bound(ctx context.Context, _, _ *oauth2.Token) error {
	key, err := prover.New()
	if err != nil {
		return err
	}
	thiefsKey, err := prover.New()
	if err != nil {
		return err
	}
	tok, err := w.app.Bound(key).LogIn(ctx, alice, "offline_access", "read:orders")
	if err != nil {
		return err
	}
	plain, err := w.app.LogIn(ctx, bob, "read:orders")
	if err != nil {
		return err
	}
	raw := tok.AccessToken
	w.chapter("8. A token that is bound to its sender's key (DPoP)")
	w.fact("the issuer says that the token is of the type DPoP", wantType(tok, "DPoP"))
	first, replayed := proved("alice's, with its key", raw, key).kept("... and its proof again")
	w.ask(ctx, list, first, promise.OKAs("alice"))
	w.ask(ctx, list, replayed, promise.BadProof())
	w.ask(ctx, list, token{name: "stolen, without a key", raw: raw, scheme: "DPoP"}, promise.BadProof())
	w.ask(ctx, list, token{name: "stolen, as Bearer", raw: raw}, promise.BadToken())
	w.ask(ctx, list, proved("stolen, the thief's key", raw, thiefsKey), promise.BadToken())
	other := func(string, string) (string, error) {
		return key.Proof(http.MethodGet, "http://api.example/orders", raw)
	}
	w.ask(ctx, list, token{"alice's, another's proof", raw, "DPoP", other}, promise.BadProof())
	w.ask(ctx, place, proved("alice's, with its key", raw, key), promise.Needs("write:orders"))
	w.ask(ctx, greet, proved("alice's, with its key", raw, key), promise.OKAs("alice"))
	w.ask(ctx, list, proved("bob's plain, with a key", plain.AccessToken, key), promise.BadToken())
	w.ask(ctx, list, token{name: "bob's plain, as before", raw: plain.AccessToken}, promise.OKAs("bob"))

	next, err := w.app.Bound(key).Refresh(ctx, tok.RefreshToken)
	if err != nil {
		return err
	}
	w.ask(ctx, list, proved("alice's, refreshed", next.AccessToken, key), promise.OKAs("alice"))
	_, err = w.app.Refresh(ctx, next.RefreshToken)
	w.fact("without a proof, the issuer does not refresh (invalid_request)", wantRefused(err, "invalid_request"))
	return nil
}

func wantType(tok *oauth2.Token, want string) error {
	if tok.TokenType != want {
		return fmt.Errorf("it says %q", tok.TokenType)
	}
	return nil
}
