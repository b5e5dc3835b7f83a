package webapp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/promise"
	"github.com/bearward/bearward/examples/internal/prover"
)

// boundToken is an access token that is bound to a key of the application (RFC 9449), and that key.
type boundToken struct {
	Access string
	Key    []byte
}

// schemeDPoP is the authentication scheme of bound tokens.
const schemeDPoP = "DPoP"

// boundState is what an application can do with its bound token.
type boundState int

const (
	boundNone boundState = iota // never asked for
	boundGood
	boundExpired
)

func (b boundToken) state() boundState {
	switch {
	case b.Access == "":
		return boundNone
	case factsOf(b.Access).expired():
		return boundExpired
	}
	return boundGood
}

// thumbprintOf is the key that a token is bound to; "" for a plain one.
func thumbprintOf(token string) string {
	confirmation, _ := decodePart(token, 1)["cnf"].(map[string]any)
	thumbprint, _ := confirmation["jkt"].(string)
	return thumbprint
}

// boundTab is the tab of tokens that are bound to their sender.
func boundTab() lesson {
	return lesson{
		Label: "Bound tokens", Path: boundLesson,
		Intro: []string{
			"A bearer token serves all who have it, and so a thief too.",
			"A bound token names a key (cnf.jkt). It works only together with a proof that this key has signed, and a proof " +
				"is good for one request, once. This is DPoP, RFC 9449.",
			"Get a bound token, call with it, and then play the thief.",
		},
		Groups: []group{
			{"Call the API", []action{
				{Name: "bind", Label: "Get a bound token", Short: "Get token", Hint: "The issuer binds it to a new key of the application",
					need: needIssuerElsewhere, ask: askBound},
				{Name: "prove", Label: "Call with the key", Short: "Call", Hint: "GET /orders, with a new proof for each API",
					need: needBound, run: (*App).doProve},
			}},
			{"Play the thief", []action{
				{Name: "steal", Label: "Use it without the key", Short: "No key", Hint: "The stolen token, without a proof",
					need: needBound, run: (*App).doSteal},
				{Name: "foreign", Label: "Use another key", Short: "Other key", Hint: "The stolen token, with a proof by the thief’s key",
					need: needBound, run: (*App).doForeign},
				{Name: "reuse", Label: "Replay a proof", Short: "Replay", Hint: "The stolen token, with a proof that was used",
					need: needBound, run: (*App).doReuse},
			}},
		},
	}
}

const boundLesson = "/bound"

// askBound is the value of the field "ask" of a login that is for a bound token.
const askBound = "bound"

// askedBound are the scopes of a bound token: the everyday ones, without a refresh token.
func askedBound(registered []string) []string {
	return slices.DeleteFunc(asked(registered, false), func(scope string) bool { return scope == "offline_access" })
}

// newKey returns a new key, sealed for the attempt with that state, and its thumbprint.
func (a *App) newKey(state string) (sealed []byte, thumbprint string, err error) {
	p, err := prover.New()
	if err != nil {
		return nil, "", err
	}
	der, err := p.Marshal()
	if err != nil {
		return nil, "", err
	}
	sealed, err = a.vault.seal(state, der)
	return sealed, p.Thumbprint(), err
}

var errNotBound = errors.New("webapp: the token is not bound to the key that was proved, or is somebody else's")

// takeBound takes the answer to a login that is for a bound token.
func (a *App) takeBound(ctx context.Context, w http.ResponseWriter, r *http.Request, at attempt, answer url.Values) {
	if err := a.redeemBound(ctx, at, answer, a.current(ctx)); err != nil {
		a.log.Warn("bound token", "err", err)
		a.finish(ctx, at, endedOther)
		a.failed(w, http.StatusBadRequest, failedPage{Title: "There is no bound token", Text: redeemText(err)})
		return
	}
	a.finish(ctx, at, endedDone)
	http.Redirect(w, r, boundLesson, http.StatusSeeOther)
}

// redeemBound trades the code for a token that is bound to the attempt's key, and gives it to l.
func (a *App) redeemBound(ctx context.Context, at attempt, answer url.Values, l *login) error {
	if l == nil {
		return errors.New("webapp: nobody is logged in any more")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := a.openTokens(l)
	if err != nil {
		return err
	}
	conf, err := a.oauthConfig(l.reg)
	if err != nil {
		return err
	}
	conf.Scopes = at.Scopes
	var der []byte
	if err := a.vault.open(at.State, at.Key, &der); err != nil {
		return err
	}
	key, err := prover.Parse(der)
	if err != nil {
		return err
	}
	proving := &http.Client{Transport: prover.Transport{Prover: key, Base: a.hc.Transport}, Timeout: callTimeout}
	rec, ctx := record(context.WithValue(ctx, oauth2.HTTPClient, proving))
	rec.add(frontChannel(conf, a.cfg, answer)...)
	rec.expect(exchange{Title: "The application trades the code for a token, and proves that it has the key", From: "application", To: "issuer"})
	tok, err := conf.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(at.Verifier), oauth2.SetAuthURLParam("resource", a.cfg.Audience))
	if err != nil {
		return fmt.Errorf("webapp: redeem code: %w", quiet(err))
	}
	rec.expect(exchange{Title: "The application reads the issuer’s metadata, which leads to the keys that verify the ID token", From: "application", To: "issuer"})
	claims, err := a.verifyIdentity(ctx, conf.ClientID, at.Nonce, tok)
	if err != nil {
		return err
	}
	if claims.Subject != l.Subject || tok.TokenType != schemeDPoP || thumbprintOf(tok.AccessToken) != key.Thumbprint() {
		return errNotBound
	}
	t.Bound = boundToken{tok.AccessToken, der}
	l.results[boundLesson] = result{
		Title: "How the token was bound", Parts: rec.done(),
		opening: "The application got an access token that is bound to its key. Alone it is worth nothing.",
	}
	return a.keep(l, t)
}

// boundQuestion asks for the orders with the bound token and the proofs that prove makes.
func boundQuestion(t tokens, prove func(method, uri string) (string, error)) question {
	return question{op: readOrders, token: t.Bound.Access, scheme: schemeDPoP, prove: prove}
}

// provesWith returns proofs by a key for a token.
func provesWith(key *prover.Prover, token string) func(method, uri string) (string, error) {
	return func(method, uri string) (string, error) { return key.Proof(method, uri, token) }
}

func (a *App) doProve(ctx context.Context, rec *recorder, _ *login, t tokens) error {
	key, err := prover.Parse(t.Bound.Key)
	if err != nil {
		return err
	}
	q := boundQuestion(t, provesWith(key, t.Bound.Access))
	q.subject, q.settle = "the token with its key", recoverTime
	a.ask(ctx, rec, q)
	return nil
}

func (a *App) doSteal(ctx context.Context, rec *recorder, _ *login, t tokens) error {
	badProof, badToken := promise.BadProof(), promise.BadToken()
	q := boundQuestion(t, nil)
	q.Title, q.subject = "A thief sends the token without a proof", "the token without a proof"
	q.thief, q.why = &badProof, "the token is bound to a key, and nothing proves that the sender has it"
	a.ask(ctx, rec, q)
	q.Title, q.subject, q.scheme = "A thief sends it as a bearer token", "the token as a bearer token", ""
	q.thief, q.why = &badToken, "a bound token is no bearer token"
	a.ask(ctx, rec, q)
	return nil
}

func (a *App) doForeign(ctx context.Context, rec *recorder, _ *login, t tokens) error {
	key, err := prover.New()
	if err != nil {
		return err
	}
	q := boundQuestion(t, provesWith(key, t.Bound.Access))
	badToken := promise.BadToken()
	q.Title, q.subject = "A thief proves with a key of its own", "the token with another key"
	q.thief, q.why = &badToken, "the token is bound to another key"
	a.ask(ctx, rec, q)
	return nil
}

func (a *App) doReuse(ctx context.Context, rec *recorder, _ *login, t tokens) error {
	key, err := prover.Parse(t.Bound.Key)
	if err != nil {
		return err
	}
	used := make(map[string]string)
	q := boundQuestion(t, func(method, uri string) (string, error) {
		proof, err := key.Proof(method, uri, t.Bound.Access)
		used[uri] = proof
		return proof, err
	})
	q.Title, q.subject, q.settle = "The application calls with a proof", "the application’s call", recoverTime
	if c := a.ask(ctx, rec, q); slices.ContainsFunc(c.Answers, func(one answer) bool { return kindOf(one.Status) == kindUnavailable }) {
		rec.note("No proof was used, since the token could not be verified: there is nothing to replay")
		return nil
	}
	badProof := promise.BadProof()
	q = boundQuestion(t, func(_, uri string) (string, error) { return used[uri], nil })
	q.Title, q.subject = "A thief sends the same token and the same proof again", "the used proof"
	q.thief, q.why = &badProof, "each proof is good for one request"
	a.ask(ctx, rec, q)
	return nil
}

// boundNow is how things stand on the tab of bound tokens.
func (a *App) boundNow(n now, t tokens) now {
	n.Bound, n.LogInAgain = true, false
	n.Key = thumbprintOf(t.Bound.Access)
	facts := factsOf(t.Bound.Access)
	n.Scopes = apiScopes(facts)
	switch t.Bound.state() {
	case boundNone:
		n.Expires = "There is none yet"
	case boundExpired:
		n.Expires = "expired at " + clock(facts.expiry)
	case boundGood:
		n.Expires = "expires at " + clock(facts.expiry) + ", in " + span(time.Until(facts.expiry))
	}
	return n
}

// describeProof says what a proof is for, without the proof.
func describeProof(proof string) string {
	claims := decodePart(proof, 1)
	if claims == nil {
		return "‹proof›"
	}
	text := ""
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		if value, ok := claims[name].(string); ok && slices.Contains([]string{"htm", "htu", "jti"}, name) {
			text += ", " + name + " " + value
		}
	}
	return "‹proof" + text + "›"
}
