package grpcauthtest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/adapters/grpcauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// wantRefused fails the test unless the reply is the guard's refusal for reason, whole: code,
// ErrorInfo and challenge. It reports whether the guard answered at all.
func (a *assertion) wantRefused(row, what string, got reply, reason auth.Reason, scopes ...string) bool {
	a.tb.Helper()
	return a.wantRefusal(row, what, got, &auth.Error{Reason: reason, Scopes: scopes})
}

// wantRefusal is wantRefused for a refusal with all that a client is told of it.
func (a *assertion) wantRefusal(row, what string, got reply, want *auth.Error) bool {
	a.tb.Helper()
	code := grpcauth.Code(want)
	if got.silent || got.code != code {
		a.failf(row, what, "got %s, want %s", got, name(code))
		return !got.silent
	}
	if got.info == nil {
		a.failf("G-07", what, "got %s without an ErrorInfo of domain %q: the guard did not say this", name(code), grpcauth.Domain)
		return true
	}
	if got.info.Reason != want.Reason.Code() {
		a.failf("G-07", what, "got reason %s, want %s", got.info.Reason, want.Reason.Code())
	}
	for name, wanted := range want.Params() {
		if said := got.info.Metadata[name]; said != wanted {
			a.failf(row, what, "the ErrorInfo has %s %q, want %q", name, said, wanted)
		}
	}
	a.wantChallenge(what, got, want)
	return true
}

// wantChallenge fails the test unless the trailer has the challenge of a refusal, or none where
// there is none.
func (a *assertion) wantChallenge(what string, got reply, want *auth.Error) {
	a.tb.Helper()
	said := got.challenge(a.scheme())
	switch fault := want.Params()["error"]; {
	case fault == "" && want.Reason != auth.ReasonCredentialsMissing:
		if said != "" {
			a.failf("O-02", what, "a www-authenticate trailer: %q", said)
		}
	case !strings.HasPrefix(said, a.scheme()+" "):
		a.failf("G-11", what, "got www-authenticate %q in the trailer, want a %s challenge", said, a.scheme())
	case fault == "" && strings.Contains(strings.Join(got.challenges, ", "), "error="):
		a.failf("B-14", what, "the challenge says error: %q", got.challenges)
	case fault != "" && !strings.Contains(said, fmt.Sprintf("error=%q", fault)):
		a.failf("G-11", what, "got www-authenticate %q in the trailer, want error=%q in it", said, fault)
	}
}

// wantPassed fails the test when the guard, or something else that asks for credentials, refused.
func (a *assertion) wantPassed(row, what string, got reply) {
	a.tb.Helper()
	if got.refused() || got.code == codes.Unauthenticated {
		a.failf(row, what, "got %s, want it accepted: the rule is %s", got, a.need)
	}
}

// named asks a method that a rule names, and reports whether its guard answers.
func (a *assertion) named() bool {
	a.tb.Helper()
	good := strings.Join(a.need.ChallengeScopes(), " ")
	switch {
	case a.need.IsPublic():
		a.wantPassed("O-08", "public, with a bad token", a.call(attempt{authorization: bearer(a.newToken("", authtest.Expired)), patience: quiet}))
		return false
	case a.need.IsOptional():
		a.wantPassed("O-08", "optional, without a token", a.call(attempt{patience: quiet}))
	case a.acceptsAll():
		a.tb.Log("grpcauthtest: AssertGuarded: " + a.name + " is only reported on, accepts every call, and is not asked")
		return false
	case !a.withoutToken(a.newToken(good)):
		return false
	}
	for _, values := range []struct {
		row, what     string
		authorization []string
	}{
		{"B-04", "a Bearer without a token", []string{"Bearer"}},
		{"G-10", "the same token twice", bearer(a.newToken(good), a.newToken(good))},
		{"G-10", "a good token before a bad one", bearer(a.newToken(good), a.newToken(good, authtest.Expired))},
		{"G-10", "a good token after a bad one", bearer(a.newToken(good, authtest.Expired), a.newToken(good))},
	} {
		if !a.wantRefused(values.row, values.what, a.call(attempt{authorization: values.authorization}), auth.ReasonInvalidRequest) {
			return false
		}
	}
	if !a.badTokens() {
		return false
	}
	a.thieves(a.newToken(good))
	met := a.scopeSets() && a.claimSets()
	a.identity(a.newToken(good))
	if met && !a.need.IsOptional() {
		a.bypassAttempts()
	}
	if a.options.StreamsEnd && a.stream() {
		a.end(good)
	}
	return true
}

// withoutToken asks without a token that counts. It reports whether the guard answered.
func (a *assertion) withoutToken(token string) bool {
	a.tb.Helper()
	got := a.call(attempt{})
	if got.silent || !got.refused() && got.code != codes.Unauthenticated {
		a.failf("B-13", "no token", "got %s, want UNAUTHENTICATED: a handler was reached without the guard, and the rule is %s. "+
			"grpcauth.ServerOptions has the interceptors for unary calls and for streams", got, a.need)
		return false
	}
	a.wantRefused("B-13", "no token", got, auth.ReasonCredentialsMissing)
	if a.stream() && got.refused() {
		a.wantRefused("G-13", "no token, and nothing sent yet", a.call(attempt{mute: true}), auth.ReasonCredentialsMissing)
	}
	if !a.wantRefused("B-15", "another scheme", a.call(attempt{authorization: []string{"Basic eDp5"}}), auth.ReasonCredentialsMissing) {
		return false
	}
	for _, key := range []string{"x-authorization", "proxy-authorization", "grpcgateway-authorization", "x-forwarded-authorization", "token", "access_token", "cookie"} {
		value := map[string]string{"token": token, "access_token": token, "cookie": "access_token=" + token}[key]
		if value == "" {
			value = "Bearer " + token
		}
		if !a.wantRefused("G-09", "the token in "+key, a.call(attempt{metadata: metadata.Pairs(key, value)}), auth.ReasonCredentialsMissing) {
			return false
		}
	}
	return true
}

// unnamed asks a method that no rule names, with every scope that there is: it is refused to
// everyone.
func (a *assertion) unnamed() {
	a.tb.Helper()
	row := "G-16"
	if strings.HasPrefix(a.name, "/grpc.") {
		row = "G-17"
	}
	token := a.newToken(strings.Join(a.scopes, " "))
	a.wantRefused(row, "a method that no rule names, with a good token", a.call(attempt{authorization: bearer(token)}), auth.ReasonNoRule)
}

// keysDown asks with a key that nobody knows while the issuer fails: that cannot be judged.
func (a *assertion) keysDown() {
	a.tb.Helper()
	token := a.newToken(strings.Join(a.need.ChallengeScopes(), " "), authtest.UnknownKid)
	a.tb.Log("grpcauthtest: AssertGuarded: the issuer answers 503 now, on purpose")
	a.issuer.Fail(http.StatusServiceUnavailable)
	defer a.issuer.Recover()
	const what = "a token whose key cannot be fetched"
	asked := a.issuer.Fetches() + a.issuer.Discoveries()
	got := a.call(attempt{authorization: bearer(token)})
	if got.code == codes.Unauthenticated && asked == a.issuer.Fetches()+a.issuer.Discoveries() {
		return // the cached keys were fetched just now, or are fixed: that is refused (K-12)
	}
	a.wantRefused("G-04", what, got, auth.ReasonUnavailable)
	if got.code == codes.Unavailable && !got.retry {
		a.failf("G-04", what, "no RetryInfo")
	}
}

// end opens a stream with a token that is good for a minute, and looks whether it outlives that.
// One that its handler ends tells nothing.
func (a *assertion) end(scope string) {
	a.tb.Helper()
	ends := time.Now().Add(time.Minute)
	token := a.newToken(scope, authtest.Claims{"exp": ends.Unix()})
	if a.outlives(token, ends.Add(5*time.Minute+quiet)) {
		a.failf("G-15", "a stream whose token has run out", "it goes on")
	}
}
