package authtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/cite"
	auth "github.com/bearward/bearward/middleware"
)

// assert asks all, and reports whether the operation is guarded as its rule says.
func (a *assertion) assert() bool {
	a.tb.Helper()
	if a.need.IsPublic() {
		if got := a.send(request{}, a.issuer.Token("", Expired)); got.status == 401 || got.status == 403 {
			a.failf("O-08", "a public operation, with a bad token", "got %d, want it accepted: the rule is %s", got.status, a.need)
		}
		return false
	}
	if !a.need.IsOptional() && a.acceptsAll() {
		a.tb.Log("authtest: AssertGuarded: " + a.key + " is only reported on, accepts every request, and is not asked")
		return false
	}
	token := a.goodToken()
	if a.need.IsOptional() {
		a.optional(token)
	} else if !a.withoutToken(token) {
		return false // every other question would tell the same
	}
	if !a.accepts(token) {
		return false
	}
	a.inHeader(token)
	a.thieves(token)
	a.want("B-08", "two tokens", a.send(request{}, token, token), 400, `error="invalid_request"`)
	a.badTokens()
	met := a.scopeSets(http.MethodGet) && a.claimSets()
	if a.every {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			if key, _, _ := a.rules.Find(method, a.pattern); met && key == a.key {
				met = a.scopeSets(method)
			}
		}
	}
	a.identity(token)
	if met && !a.need.IsOptional() {
		a.bypassAttempts()
	}
	return met
}

// accepts asks with a good token, and reports whether the guard takes the issuer's tokens for good.
func (a *assertion) accepts(token string) bool {
	a.tb.Helper()
	if a.refusalOf(token, a.need) != nil { // for a check of the user's own
		return true
	}
	got := a.send(request{}, token)
	if got.status != 401 {
		return true
	}
	if a.options.Prover != nil && strings.Contains(got.challenge(), "invalid_dpop_proof") {
		a.failf("D-01", "a good token with a good proof", "got %s, want it accepted. Is GuardedOptions.Origin, %s, what the API's dpop.New was given?", got, a.options.Origin)
		return false
	}
	row, has := "B-01", ""
	if a.options.Certificate != nil {
		row, has = "M-01", " Has it an mtls.Binding?"
	}
	config := a.issuer.Config()
	a.failf(row, "a good token", "got %s, want it accepted. The token is of issuer %s for audience %q: does the API's Guard trust them?%s "+
		"Make it by issuer.Guard, or the issuer with authtest.Options.Config", got, config.Issuer, config.Audiences, has)
	return false
}

// goodToken returns a token that meets the requirement, and keeps the answer to it.
func (a *assertion) goodToken() string {
	a.tb.Helper()
	for _, scope := range []string{a.everyScope(), strings.Join(a.need.ChallengeScopes(), " ")} {
		token := a.token(scope)
		if a.refusalOf(token, a.need) != nil {
			continue
		}
		first, second := a.send(request{}, token), a.send(request{}, token)
		a.reference, a.stable = &first, same(first, second)
		return token
	}
	return a.token(strings.Join(a.need.ChallengeScopes(), " "))
}

// withoutToken asks without a token that counts, and reports whether the plain request was refused.
func (a *assertion) withoutToken(token string) bool {
	a.tb.Helper()
	got := a.send(request{})
	switch {
	case got.reached():
		a.failf("B-13", "no token", "got %s, want 401: a handler was reached without the guard, and the rule is %s", got, a.need)
		return false
	case (got.status == 404 || got.status == 405) && same(got, a.send(request{}, token)):
		a.failf("O-07", a.method+" "+a.path, "got %s with and without a good token, want 401 without: no route answers this rule. "+
			"Compare its pattern with the router's; GuardedOptions.Paths names another path", got)
		return false
	}
	a.want("B-13", "no token", got, 401, "realm=")
	a.answeredAlone("no token", got)
	if said := strings.Join(got.header.Values("WWW-Authenticate"), ", "); strings.Contains(said, "error=") {
		a.failf("B-14", "no token", "the challenge says error: %q", said)
	}
	a.want("B-15", "another scheme", a.send(request{header: map[string]string{"Authorization": "Basic eDp5"}}), 401, "realm=")
	a.want("B-11", "the token in the query", a.send(request{path: withQuery(a.path, "access_token="+url.QueryEscape(token))}), 401)
	a.want("B-11", "the token in a cookie", a.send(request{header: map[string]string{"Cookie": "access_token=" + token + "; jwt=" + token}}), 401)
	return true
}

// inHeader asks an API whose tokens come in a field of their own.
func (a *assertion) inHeader(token string) {
	a.tb.Helper()
	field := a.options.Header
	if field == "" {
		return
	}
	if !a.need.IsOptional() {
		a.want("W-05", "the token in Authorization, and none in "+field, a.send(request{header: map[string]string{"Authorization": "Bearer " + token}}), 401, "realm=")
	}
	a.want("W-05", "a token with its scheme in "+field, a.send(request{}, "Bearer "+token), 400, `error="invalid_request"`)
	if got := a.send(request{}, token); got.reached() && !a.varies(got.header) {
		a.failf("W-26", "a good token in "+field, `got %s without "Vary: %s": a cache may give one caller's answer to another (RFC 9111 §3.5)`, got, field)
	}
}

// leastAnswer is how many bytes an answer must have to be known again in another.
const leastAnswer = 8

// answeredAlone fails the test when a handler answered too, behind the guard's refusal: where a
// guard of one's own goes on after it.
func (a *assertion) answeredAlone(what string, got reply) {
	a.tb.Helper()
	if !got.whole || got.head || got.status != 401 && got.status != 403 {
		return
	}
	answer := []byte{}
	if a.stable && a.reference != nil {
		answer = bytes.TrimSpace(a.reference.body)
	}
	if len(answer) >= leastAnswer && bytes.Contains(got.body, answer) || got.mediaType() == "application/problem+json" && !json.Valid(got.body) {
		a.failf("B-13", what, "got %s, and a handler's answer behind the refusal: it ran all the same. Does the guard return after Guard.Refuse? The rule is %s", got, a.need)
	}
}

// optional asks an operation that needs no token. What it answers depends on the token, and a cache
// must know that (RFC 9110 §12.5.5).
func (a *assertion) optional(token string) {
	a.tb.Helper()
	const anonymous = "an optional operation, without a token"
	got := a.send(request{})
	if got.status == 401 || got.status == 403 || got.status == 503 {
		a.failf("O-08", anonymous, "got %d, want it accepted", got.status)
		return
	}
	for what, got := range map[string]reply{anonymous: got, "an optional operation, with a good token": a.send(request{}, token)} {
		if got.reached() && !a.varies(got.header) {
			a.failf("O-08", what, `got %s without "Vary: %s": a cache may give one caller's answer to another (RFC 9110 §12.5.5)`, got, a.tokenField())
		}
	}
}

// tokenField is the field that tokens come in.
func (k *kit) tokenField() string { return cmp.Or(k.options.Header, "Authorization") }

// varies reports whether caches are told that the answer depends on the token, or not to store it.
func (k *kit) varies(h http.Header) bool {
	for _, directive := range strings.Split(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		if directive = strings.TrimSpace(directive); directive == "no-store" || directive == "private" {
			return true
		}
	}
	for _, name := range strings.Split(strings.Join(h.Values("Vary"), ","), ",") {
		if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, k.tokenField()) {
			return true
		}
	}
	return false
}

// mostLines is how many failures of one kind are told in full.
const mostLines = 3

// hintConfig stands behind the first bad token that is accepted.
const hintConfig = ". If the API's Config accepts it on purpose, give that to the issuer: authtest.Options.Config"

// badTokens asks with every token that the issuer's Config refuses.
func (a *assertion) badTokens() {
	a.tb.Helper()
	var accepted []string
	for _, b := range a.bad {
		row, got := cite.Defect(string(b.defect)), a.send(request{}, b.token)
		what := "a token with the defect " + string(b.defect)
		switch {
		case got.status == b.status && b.status == 401:
			a.want(row, what, got, 401, `error="invalid_token"`)
		case got.status == b.status:
		case len(accepted) < mostLines:
			hint := ""
			if !a.hinted {
				a.kit.hinted, hint = true, hintConfig
			}
			a.failf(row, what, "got %s, want %d%s", got, b.status, hint)
			fallthrough
		default:
			accepted = append(accepted, fmt.Sprintf("%s (%s)", b.defect, row))
		}
	}
	if len(accepted) > mostLines {
		a.failf("B-24", fmt.Sprintf("%d more bad tokens", len(accepted)-mostLines), "not refused either: %s", strings.Join(accepted[mostLines:], ", "))
	}
}

// scopeSets asks with all the scopes that the requirement names, with all but one, with each alone,
// with none, and with all that the other rules name. It wants what the requirement itself says, and
// reports whether it got that. The method counts for rules of every method.
func (a *assertion) scopeSets(method string) bool {
	a.tb.Helper()
	all := a.need.Names("scope")
	sets := [][]string{all, nil, a.poorScopes()}
	for i := range all {
		sets = append(sets, slices.Delete(slices.Clone(all), i, i+1), all[i:i+1])
	}
	slices.SortFunc(sets, slices.Compare)
	met := true
	for _, set := range slices.CompactFunc(sets, slices.Equal) {
		token := a.token(strings.Join(set, " "))
		what, q := fmt.Sprintf("a good token with scopes %q", set), request{}
		if a.every {
			what, q.method = method+" with "+what, method
		}
		met = a.isAsTheRuleSays(what, q, token) && met
	}
	return met
}

// isAsTheRuleSays asks with a token, and wants what the requirement itself says of it.
func (a *assertion) isAsTheRuleSays(what string, q request, token string) bool {
	a.tb.Helper()
	refusal, got := a.refusalOf(token, a.need), a.send(q, token)
	switch {
	case refusal == nil:
		if got.status == 400 || got.status == 401 || got.status == 403 || got.status == 503 {
			a.failf("B-01", what, "got %s, want it accepted: the rule is %s", got, a.need)
			return false
		}
	case refusal.Reason == auth.ReasonForbidden && refusal.Claim() == "": // a check of the user's own
		if got.reached() {
			a.failf("B-25", what, "got %d, want it refused: %s", got.status, refusal.Reason)
			return false
		}
	case got.status != refusal.Status():
		a.failf(rowOf(refusal), what, "got %s, want %d: the rule is %s", got, refusal.Status(), a.need)
		return false
	case refusal.Reason == auth.ReasonForbidden:
		if got.challenge() != "" {
			a.failf(rowOf(refusal), what, "got %s, want no challenge: another token with more scopes would not help", got)
			return false
		}
	default:
		a.answeredAlone(what, got)
		var params []string
		for name, value := range refusal.Params() {
			params = append(params, name+`="`+value+`"`)
		}
		return a.want(rowOf(refusal), what, got, refusal.Status(), params...)
	}
	return true
}

// rowOf returns the row that says how a requirement refuses.
func rowOf(refusal *auth.Error) string {
	switch {
	case refusal.Reason == auth.ReasonInsufficientUserAuthentication:
		return "SU-01"
	case refusal.Reason == auth.ReasonForbidden:
		return "W-06"
	case len(refusal.Scopes) == 0:
		return "RA-03"
	}
	return "B-25"
}

// claimSets asks with every scope that the requirement names, and with none, and with what else it
// names but for one thing: without it, and for the authentication with what falls short.
func (a *assertion) claimSets() bool {
	a.tb.Helper()
	met, short := true, a.claims.Short()
	for _, what := range slices.Sorted(maps.Keys(short)) {
		for _, scopes := range [][]string{a.need.Names("scope"), nil} {
			said := fmt.Sprintf("a good token %s with scopes %q", what, scopes)
			met = a.isAsTheRuleSays(said, request{}, a.tokenWith(strings.Join(scopes, " "), short[what])) && met
		}
	}
	return met
}

// poorScopes returns as many of the API's scopes as a token can have and still not meet the
// requirement, and none when every token does.
func (a *assertion) poorScopes() []string {
	a.tb.Helper()
	own := a.need.Names("scope")
	poor := slices.DeleteFunc(slices.Clone(a.scopes), func(s string) bool { return slices.Contains(own, s) })
	refused := func(scopes []string) bool { return a.refusalOf(a.token(strings.Join(scopes, " ")), a.need) != nil }
	if !refused(poor) {
		return nil
	}
	for _, s := range own {
		if more := append(slices.Clone(poor), s); refused(more) {
			poor = more
		}
	}
	slices.Sort(poor)
	return poor
}

// keysDown asks with a key that nobody knows while the issuer fails: that cannot be judged.
func (a *assertion) keysDown() {
	a.tb.Helper()
	token := a.issuer.Token(strings.Join(a.need.ChallengeScopes(), " "), append(a.bound(), a.claims, UnknownKid)...)
	a.tb.Log("authtest: AssertGuarded: the issuer answers 503 now, on purpose")
	a.issuer.Fail(http.StatusServiceUnavailable)
	defer a.issuer.Recover()
	const what = "a token whose key cannot be fetched"
	asked := a.issuer.Fetches() + a.issuer.Discoveries()
	got := a.send(request{}, token)
	if got.status == 401 && asked == a.issuer.Fetches()+a.issuer.Discoveries() {
		return // the cached keys were fetched just now, or are fixed: that is refused (K-12)
	}
	a.want("K-11", what, got, 503)
	if got.status == 503 && got.header.Get("Retry-After") == "" {
		a.failf("O-02", what, "got 503 without Retry-After")
	}
	if got.status == 503 && got.challenge() != "" {
		a.failf("O-02", what, "got 503 with a challenge: %q", got.challenge())
	}
}
