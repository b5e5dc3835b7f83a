package grpcauthtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/adapters/grpcauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// rowOf are the bad tokens that every method is asked with, where the form of the tokens makes them bad.
var rowOf = map[authtest.Defect]string{
	authtest.Expired: "AT-18", authtest.NoExpiry: "AT-19", authtest.WrongAudience: "AT-14", authtest.NoAudience: "AT-15", authtest.WrongIssuer: "AT-10",
	authtest.BadSignature: "AT-09", authtest.TamperedClaims: "AT-09", authtest.WrongKey: "AT-38", authtest.AlgNoneSigned: "AT-07",
	authtest.HMACWithPublicKey: "J-04", authtest.CritHeader: "J-17", authtest.DuplicateClaim: "AT-40", authtest.SenderConstrained: "S-06", authtest.RandomText: "B-24",
}

// wantRefused fails the test unless the reply is the guard's refusal for reason, whole: code, ErrorInfo and challenge. It reports whether the
// guard answered at all.
func (a *assertion) wantRefused(row, what string, got reply, reason auth.Reason, scopes ...string) bool {
	a.tb.Helper()
	want := &auth.Error{Reason: reason, Scopes: scopes}
	code := grpcauth.Code(want)
	if got.silent || got.code != code {
		a.failf(row, what, "got %s, want %s", got, name(code))
		return !got.silent
	}
	if got.info == nil {
		a.failf("G-07", what, "got %s without an ErrorInfo of domain %q: the guard did not say this", name(code), grpcauth.Domain)
		return true
	}
	if got.info.Reason != reason.Code() {
		a.failf("G-07", what, "got reason %s, want %s", got.info.Reason, reason.Code())
	}
	if said, fault := got.info.Metadata["error"], want.OAuthError(); said != fault {
		a.failf("G-07", what, "the ErrorInfo has error %q, want %q", said, fault)
	}
	if said, needed := got.info.Metadata["scope"], strings.Join(scopes, " "); said != needed {
		a.failf(row, what, "the ErrorInfo has scope %q, want %q", said, needed)
	}
	a.wantChallenge(what, got, want)
	return true
}

// wantChallenge fails the test unless the trailer has the challenge of a refusal, or none where there is none.
func (a *assertion) wantChallenge(what string, got reply, want *auth.Error) {
	a.tb.Helper()
	switch fault := want.OAuthError(); {
	case want.Reason == auth.ReasonUnavailable || want.Reason == auth.ReasonNoRule:
		if got.challenge != "" {
			a.failf("O-02", what, "a www-authenticate trailer: %q", got.challenge)
		}
	case !strings.HasPrefix(got.challenge, "Bearer "):
		a.failf("G-11", what, "got www-authenticate %q in the trailer, want a Bearer challenge", got.challenge)
	case fault == "" && strings.Contains(got.challenge, "error="):
		a.failf("B-14", what, "the challenge says error: %q", got.challenge)
	case fault != "" && !strings.Contains(got.challenge, fmt.Sprintf("error=%q", fault)):
		a.failf("G-11", what, "got www-authenticate %q in the trailer, want error=%q in it", got.challenge, fault)
	}
}

// wantPassed fails the test when the guard, or something else that asks for credentials, refused.
func (a *assertion) wantPassed(row, what string, got reply) {
	a.tb.Helper()
	if got.refused() || got.code == codes.Unauthenticated {
		a.failf(row, what, "got %s, want it let through", got)
	}
}

// named asks a method that a rule names.
func (a *assertion) named() {
	a.tb.Helper()
	good := strings.Join(a.need.ChallengeScopes(), " ")
	switch {
	case a.need.IsPublic():
		a.wantPassed("O-08", "public, with a bad token", a.call(attempt{authorization: bearer(a.issuer.Token("", authtest.Expired)), patience: quiet}))
		return
	case a.need.IsOptional():
		a.wantPassed("O-08", "optional, without a token", a.call(attempt{patience: quiet}))
	case !a.withoutToken(a.issuer.Token(good)):
		return
	}
	for _, values := range []struct {
		row, what     string
		authorization []string
	}{
		{"B-04", "a Bearer without a token", []string{"Bearer"}},
		{"G-10", "the same token twice", bearer(a.issuer.Token(good), a.issuer.Token(good))},
		{"G-10", "a good token before a bad one", bearer(a.issuer.Token(good), a.issuer.Token(good, authtest.Expired))},
		{"G-10", "a good token after a bad one", bearer(a.issuer.Token(good, authtest.Expired), a.issuer.Token(good))},
	} {
		if !a.wantRefused(values.row, values.what, a.call(attempt{authorization: values.authorization}), auth.ReasonInvalidRequest) {
			return
		}
	}
	for _, d := range a.defects {
		got := a.call(attempt{authorization: bearer(a.issuer.Token(good, d))})
		if !a.wantRefused(rowOf[d], "a token with the defect "+string(d), got, d.Reason()) {
			return // it would be as silent for each of them
		}
	}
	a.scopes()
	if a.options.StreamsEnd && a.stream() {
		a.end(good)
	}
}

// withoutToken asks without a token that counts. It reports whether the guard answered.
func (a *assertion) withoutToken(token string) bool {
	a.tb.Helper()
	got := a.call(attempt{})
	if !a.wantRefused("B-13", "no token", got, auth.ReasonCredentialsMissing) {
		return false
	}
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
	a.bypassAttempts()
	return true
}

// bypassAttempts calls the method by names that are not quite its own, without a token. Each is refused, or is nothing that the server knows.
func (a *assertion) bypassAttempts() {
	a.tb.Helper()
	service, short, _ := strings.Cut(a.name[1:], "/")
	for _, name := range []string{
		service + "/" + short, "/" + a.name, "//" + service + "//" + short, a.name + "/", "/" + service + "/" + strings.ToLower(short), "/" + strings.ToLower(service) + "/" + short,
		strings.ToUpper(a.name), "/" + service + "/*", "/" + service + "/", "/" + service + "/" + short + "2", "/" + service + "2/" + short, "/x" + a.name,
		"/" + service + "/" + short + "?x", "/" + service + "/./" + short, fmt.Sprintf("/%s/%%%02x%s", service, short[0], short[1:]), "/grpc.health.v1.Health/" + short,
	} {
		if name == a.name || a.registered(name) {
			continue
		}
		if got := a.call(attempt{name: name}); !got.refused() && got.code != codes.Unimplemented {
			a.failf("O-11", "called as "+name+" without a token", "got %s: a handler was reached", got)
		}
	}
}

// registered reports whether a method of this name is there, and so is asked by itself.
func (a *assertion) registered(name string) bool {
	return slices.ContainsFunc(a.methods, func(m method) bool { return m.name == name })
}

// scopes asks with all the scopes that the requirement names, with all but one, with each alone and with none, and wants what the requirement
// itself says.
func (a *assertion) scopes() {
	a.tb.Helper()
	all := a.need.Scopes()
	sets := [][]string{all}
	for i := range all {
		sets = append(sets, slices.Delete(slices.Clone(all), i, i+1), all[i:i+1])
	}
	sets = append(sets, nil)
	slices.SortFunc(sets, slices.Compare)
	for _, set := range slices.CompactFunc(sets, slices.Equal) {
		token := a.issuer.Token(strings.Join(set, " "))
		what := fmt.Sprintf("a good token with scopes %q", set)
		switch verdict := a.judge(token); {
		case verdict == nil:
			a.wantPassed("B-01", what, a.call(attempt{authorization: bearer(token), patience: quiet}))
		case verdict.Reason == auth.ReasonInsufficientScope:
			a.wantRefused("B-25", what, a.call(attempt{authorization: bearer(token)}), verdict.Reason, verdict.Scopes...)
		default: // a check of the user's own
			if got := a.call(attempt{authorization: bearer(token)}); !got.refused() {
				a.failf("B-25", what, "got %s, want it refused: %s", got, verdict.Reason)
			}
		}
	}
}

// unnamed asks a method that no rule names, with every scope that there is: it is refused to everyone.
func (a *assertion) unnamed() {
	a.tb.Helper()
	row := "G-16"
	if strings.HasPrefix(a.name, "/grpc.") {
		row = "G-17"
	}
	scopes := map[string]bool{}
	for _, need := range a.rules {
		for _, s := range need.Scopes() {
			scopes[s] = true
		}
	}
	token := a.issuer.Token(strings.Join(slices.Sorted(maps.Keys(scopes)), " "))
	a.wantRefused(row, "a method that no rule names, with a good token", a.call(attempt{authorization: bearer(token)}), auth.ReasonNoRule)
}

// keysDown asks with a key that nobody knows while the issuer fails: that cannot be judged.
func (a *assertion) keysDown() {
	a.tb.Helper()
	token := a.issuer.Token(strings.Join(a.need.ChallengeScopes(), " "), authtest.UnknownKid)
	a.issuer.Fail(http.StatusServiceUnavailable)
	defer a.issuer.Recover()
	const what = "a token whose key cannot be fetched"
	got := a.call(attempt{authorization: bearer(token)})
	a.wantRefused("G-04", what, got, auth.ReasonUnavailable)
	if got.code == codes.Unavailable && !got.retry {
		a.failf("G-04", what, "no RetryInfo")
	}
}

// end opens a stream with a token that is good for a minute, and looks whether it outlives that. One that its handler ends tells nothing.
func (a *assertion) end(scope string) {
	a.tb.Helper()
	ends := time.Now().Add(time.Minute)
	token := a.issuer.Token(scope, authtest.Claims{"exp": ends.Unix()})
	if a.outlives(token, ends.Add(auth.MaxLeeway+quiet)) {
		a.failf("G-15", "a stream whose token has run out", "it goes on")
	}
}
