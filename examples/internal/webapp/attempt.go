package webapp

import (
	"context"
	"crypto/subtle"
	"encoding/json"
)

// attempt is a login that was started in this browser and is not finished. It stays in the session.
type attempt struct {
	State, Nonce, Verifier, ClientID string
	Scopes                           []string
	Ask                              string // what the login is for: a further token, or more
	Key                              []byte // what its token is bound to; sealed for State
}

// ended is an attempt that is over, and how it ended.
type ended struct{ State, How string }

// Keys of the session, and how an attempt ends.
const (
	keyAttempt = "attempt"
	keyEnded   = "ended"

	endedDenied = "you said no"
	endedDone   = "you were logged in by it"
	endedOther  = "it came to nothing"
	endedLater  = "another login was started after it"

	textNotHere = "It does not belong to a login that was started in this browser."
)

// maxEnded bounds the ended attempts that a session remembers.
const maxEnded = 5

// begin puts an attempt into the session, and ends the one that is there.
func (a *App) begin(ctx context.Context, at attempt) {
	if before, open := a.takeAttempt(ctx); open {
		a.finish(ctx, before, endedLater)
	}
	raw, _ := json.Marshal(at) // strings
	a.sessions.Put(ctx, keyAttempt, string(raw))
}

// takeAttempt takes the attempt out of the session.
func (a *App) takeAttempt(ctx context.Context) (at attempt, open bool) {
	err := json.Unmarshal([]byte(a.sessions.PopString(ctx, keyAttempt)), &at)
	return at, err == nil
}

// finish remembers how an attempt ended, for a browser that goes back and sends it again.
func (a *App) finish(ctx context.Context, at attempt, how string) {
	all := append(a.ended(ctx), ended{at.State, how})
	raw, _ := json.Marshal(all[max(0, len(all)-maxEnded):]) // strings
	a.sessions.Put(ctx, keyEnded, string(raw))
}

func (a *App) ended(ctx context.Context) (all []ended) {
	_ = json.Unmarshal([]byte(a.sessions.GetString(ctx, keyEnded)), &all) // none at first
	return all
}

// howEnded says why the answer to an attempt that is over is not taken; "" when there was no such
// attempt in this browser.
func (a *App) howEnded(ctx context.Context, state string) string {
	for _, e := range a.ended(ctx) {
		if subtle.ConstantTimeCompare([]byte(e.State), []byte(state)) == 1 {
			return "It belongs to a login that was started in this browser and is over: " + e.How + ". Each login is answered once."
		}
	}
	return ""
}
