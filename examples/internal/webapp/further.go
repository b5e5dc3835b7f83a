package webapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"
)

// A further token is one that a person who is logged in lets the application have besides the one
// of the login. It is asked for by a login of its own, and shown on a tab of its own.
type further struct {
	path string // of the tab
	// prepare returns what the token is bound to, to be sealed, and what the request says of it;
	// nil: nothing.
	prepare func() (key []byte, options []oauth2.AuthCodeOption, err error)
	// redeem returns who trades the code, and where; nil: as at the login.
	redeem func(a *App, conf *oauth2.Config, md endpoints, key []byte) (*http.Client, error)
	take   func(t *tokens, tok *oauth2.Token, g grant) error
	// resource is the API that the token is for; nil: that of the login.
	resource func(Config) string

	trade, title, opening, failed string
}

// A grant is what a further token comes of.
type grant struct {
	key     []byte // what it is bound to
	scopes  []string
	subject string
}

// resource is the API that the token of a login is for.
func (a *App) resource(ask string) string {
	if f := furtherTokens[ask]; f.resource != nil {
		return f.resource(a.cfg)
	}
	return a.cfg.Audience
}

// endpoints are those of the issuer that a login does not need.
type endpoints struct{ token, revocation string }

// The values of the field "ask" of a login.
const (
	askAll       = "all" // for every scope of the registration
	askBound     = "bound"
	askCertified = "certified"
)

// furtherTokens are what a login can ask for beside the bearer token, by the field "ask".
var furtherTokens = map[string]further{askBound: furtherBound, askCertified: furtherCertified, askOpaque: furtherOpaque}

// askedFurther are the scopes of a further token: the everyday ones, without a refresh token.
func askedFurther(registered []string) []string {
	return slices.DeleteFunc(asked(registered, false), func(scope string) bool { return scope == "offline_access" })
}

// prepare adds to the attempt what its token is bound to.
func (a *App) prepare(at *attempt) ([]oauth2.AuthCodeOption, error) {
	f, ok := furtherTokens[at.Ask]
	if !ok || f.prepare == nil {
		return nil, nil
	}
	key, options, err := f.prepare()
	if err != nil {
		return nil, err
	}
	at.Key, err = a.vault.seal(at.State, key)
	return options, err
}

var errNotBound = errors.New("webapp: the token is not bound to what was proved, or is somebody else's")

// takeFurther takes the answer to a login that is for a further token.
func (a *App) takeFurther(ctx context.Context, w http.ResponseWriter, r *http.Request, at attempt, answer url.Values) {
	f := furtherTokens[at.Ask]
	if err := a.redeemFurther(ctx, f, at, answer, a.current(ctx)); err != nil {
		a.log.Warn("further token", "err", err)
		a.finish(ctx, at, endedOther)
		a.failed(w, http.StatusBadRequest, failedPage{Title: f.failed, Text: redeemText(err)})
		return
	}
	a.finish(ctx, at, endedDone)
	http.Redirect(w, r, f.path, http.StatusSeeOther)
}

// redeemFurther trades the code for a further token, and gives it to l.
func (a *App) redeemFurther(ctx context.Context, f further, at attempt, answer url.Values, l *login) error {
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
	rec, ctx := record(ctx)
	resource := a.resource(at.Ask)
	rec.add(frontChannel(conf, resource, answer)...)
	hc := a.hc
	var key []byte
	if at.Key != nil {
		if err := a.vault.open(at.State, at.Key, &key); err != nil {
			return err
		}
	}
	if f.redeem != nil {
		if hc, err = f.redeem(a, conf, endpoints{l.reg.md.Aliases.Token, l.reg.md.Revocation}, key); err != nil {
			return err
		}
	}
	rec.expect(exchange{Title: f.trade, From: "application", To: "issuer"})
	trading := context.WithValue(ctx, oauth2.HTTPClient, hc)
	tok, err := conf.Exchange(trading, answer.Get("code"), oauth2.VerifierOption(at.Verifier), oauth2.SetAuthURLParam("resource", resource))
	if err != nil {
		return fmt.Errorf("webapp: redeem code: %w", quiet(err))
	}
	rec.expect(exchange{Title: "The application reads the issuer’s metadata, which leads to the keys that verify the ID token", From: "application", To: "issuer"})
	claims, err := a.verifyIdentity(ctx, conf.ClientID, at.Nonce, tok)
	if err != nil {
		return err
	}
	if claims.Subject != l.Subject {
		return errNotBound
	}
	if err := f.take(&t, tok, grant{key, conf.Scopes, l.Subject}); err != nil {
		return err
	}
	if f.path == opaqueLesson {
		l.remembers = memory{} // nobody knows the new token
	}
	l.results[f.path] = result{Title: f.title, Parts: rec.done(), opening: f.opening}
	return a.keep(l, t)
}

// tokenState is what an application can do with a further token.
type tokenState int

const (
	tokenNone tokenState = iota // never asked for
	tokenGood
	tokenExpired
	tokenRevoked
)

func stateOf(token string) tokenState {
	switch {
	case token == "":
		return tokenNone
	case factsOf(token).expired():
		return tokenExpired
	}
	return tokenGood
}

// furtherNow is how things stand with a further token.
func furtherNow(id, label, token string) tokenNow {
	facts := factsOf(token)
	n := tokenNow{ID: id, Label: label, Scopes: apiScopes(facts), Any: token != ""}
	switch stateOf(token) {
	case tokenNone:
		n.Expires = "There is none yet"
	case tokenExpired:
		n.Expires = "expired at " + clock(facts.expiry)
	case tokenGood:
		n.Expires = "expires at " + clock(facts.expiry) + ", in " + span(time.Until(facts.expiry))
	}
	return n
}

// isFurther tells whether a login is for a further token.
func isFurther(ask string) bool {
	_, ok := furtherTokens[ask]
	return ok
}
