package webapp

import (
	"context"
	"maps"
	"net/http"
	"slices"

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
			"A bearer token serves all who have it, and so a thief too. A bound token does not, and there are two kinds.",
			"One names a key (cnf.jkt). It works only together with a proof that this key has signed, and a proof " +
				"is good for one request, once. This is DPoP, RFC 9449.",
			"The other names a certificate (cnf.x5t#S256). It works only over a TLS connection whose client has shown that " +
				"certificate. This is mutual TLS, RFC 8705.",
			"Get a bound token, call with it, and then play the thief.",
		},
		Groups: []group{
			{"With a key (DPoP)", []action{
				{Name: "bind", Label: "Get a bound token", Short: "Get token", Hint: "The issuer binds it to a new key",
					need: needIssuerElsewhere, ask: askBound},
				{Name: "prove", Label: "Call with the key", Short: "Call", Hint: "GET /orders, with a proof for each",
					need: needBound, run: (*App).doProve},
				{Name: "steal", Label: "Use it without the key", Short: "No key", Hint: "As a thief, without a proof",
					need: needBound, run: (*App).doSteal},
				{Name: "foreign", Label: "Use another key", Short: "Other key", Hint: "As a thief, with a proof by another key",
					need: needBound, run: (*App).doForeign},
				{Name: "reuse", Label: "Replay a proof", Short: "Replay", Hint: "As a thief, with a proof that was used",
					need: needBound, run: (*App).doReuse},
			}},
			{"With a certificate (mutual TLS)", []action{
				{Name: "certify", Label: "Get a TLS-bound token", Short: "TLS token", Hint: "The issuer binds it to a new certificate",
					need: needIssuerElsewhere, ask: askCertified},
				{Name: "present", Label: "Show the certificate", Short: "Show cert.", Hint: "GET /orders, over TLS with it",
					need: needCertified, run: (*App).doPresent},
				{Name: "bare", Label: "Show no certificate", Short: "No cert.", Hint: "As a thief, over TLS without one",
					need: needCertified, run: (*App).doBare},
				{Name: "forge", Label: "Show another one", Short: "Other cert.", Hint: "As a thief, with another certificate",
					need: needCertified, run: (*App).doForge},
			}},
		},
	}
}

const boundLesson = "/bound"

var furtherBound = further{
	path: boundLesson,
	prepare: func() ([]byte, []oauth2.AuthCodeOption, error) {
		p, err := prover.New()
		if err != nil {
			return nil, nil, err
		}
		der, err := p.Marshal()
		// The code, too, is that key's (RFC 9449 §10).
		return der, []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("dpop_jkt", p.Thumbprint())}, err
	},
	redeem: func(a *App, _ *oauth2.Config, _ endpoints, key []byte) (*http.Client, error) {
		p, err := prover.Parse(key)
		if err != nil {
			return nil, err
		}
		return &http.Client{Transport: prover.Transport{Prover: p, Base: a.hc.Transport}, Timeout: callTimeout}, nil
	},
	take: func(t *tokens, tok *oauth2.Token, g grant) error {
		p, err := prover.Parse(g.key)
		if err != nil {
			return err
		}
		if tok.TokenType != schemeDPoP || thumbprintOf(tok.AccessToken) != p.Thumbprint() {
			return errNotBound
		}
		t.Bound = boundToken{tok.AccessToken, g.key}
		return nil
	},
	trade: "The application trades the code for a token, and proves that it has the key",
	title: "How the token was bound", failed: "There is no bound token",
	opening: "The application got an access token that is bound to its key. Alone it is worth nothing.",
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
func boundNow(n now, t tokens) now {
	key := furtherNow("bound", "Token bound to a key", t.Bound.Access)
	key.To, key.ToID = thumbprintOf(t.Bound.Access), "key"
	certificate := furtherNow("certified", "Token bound to a certificate", t.Certified.Access)
	certificate.To, certificate.ToID = certificateOf(t.Certified.Access), "certificate"
	n.Further, n.LogInAgain = []tokenNow{key, certificate}, false
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
