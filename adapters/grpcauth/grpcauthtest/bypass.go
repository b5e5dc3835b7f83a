package grpcauthtest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/bearward/bearward/internal/cite"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// mostLines is how many failures of one kind are told in full.
const mostLines = 3

// badTokens calls with every token that the issuer's Config refuses. It reports whether the guard
// answered.
func (a *assertion) badTokens() bool {
	a.tb.Helper()
	var accepted []string
	for _, b := range a.bad {
		row, got := cite.Defect(string(b.defect)), a.call(attempt{authorization: bearer(b.token)})
		if got.refused() || len(accepted) < mostLines {
			if !a.wantRefused(row, "a token with the defect "+string(b.defect), got, b.reason) {
				return false // it would be as silent for each of them
			}
		}
		if !got.refused() {
			accepted = append(accepted, fmt.Sprintf("%s (%s)", b.defect, row))
		}
	}
	if len(accepted) > mostLines {
		a.failf("B-24", fmt.Sprintf("%d more bad tokens", len(accepted)-mostLines), "not refused either: %s. If the API's Config accepts them "+
			"on purpose, give it to the issuer: authtest.Options.Config", strings.Join(accepted[mostLines:], ", "))
	}
	return true
}

// scopeSets calls with all the scopes that the requirement names, with all but one, with each
// alone, with none, and with all that the other rules name. It wants what the requirement itself
// says, and reports whether it got that.
func (a *assertion) scopeSets() bool {
	a.tb.Helper()
	all := a.need.Names("scope")
	sets := [][]string{all, nil, a.poorScopes()}
	for i := range all {
		sets = append(sets, slices.Delete(slices.Clone(all), i, i+1), all[i:i+1])
	}
	slices.SortFunc(sets, slices.Compare)
	met := true
	for _, set := range slices.CompactFunc(sets, slices.Equal) {
		token := a.token(set...)
		what := fmt.Sprintf("a good token with scopes %q", set)
		met = a.isAsTheRuleSays(what, token) && met
	}
	return met
}

// isAsTheRuleSays calls with a token, and wants what the requirement itself says of it.
func (a *assertion) isAsTheRuleSays(what, token string) bool {
	a.tb.Helper()
	refusal := a.refusalOf(token, a.need)
	if refusal == nil {
		a.wantPassed("B-01", what, a.call(attempt{authorization: bearer(token), patience: quiet}))
		return true
	}
	got := a.call(attempt{authorization: bearer(token)})
	if refusal.Reason == auth.ReasonForbidden && refusal.Claim() == "" { // a check of the user's own
		if !got.refused() {
			a.failf("B-25", what, "got %s, want it refused: %s", got, refusal.Reason)
		}
		return got.refused()
	}
	row := "B-25"
	switch {
	case refusal.Reason == auth.ReasonInsufficientUserAuthentication:
		row = "SU-01"
	case refusal.Reason == auth.ReasonForbidden:
		row = "W-06"
	case refusal.Reason == auth.ReasonInsufficientScope && len(refusal.Scopes) == 0:
		row = "RA-03"
	}
	a.wantRefusal(row, what, got, refusal)
	return got.refused()
}

// claimSets calls with every scope that the requirement names, and with none, and with what else it
// names but for one thing.
func (a *assertion) claimSets() bool {
	a.tb.Helper()
	met, short := true, a.claims.Short()
	for _, what := range slices.Sorted(maps.Keys(short)) {
		for _, scopes := range [][]string{a.need.Names("scope"), nil} {
			said := fmt.Sprintf("a good token %s with scopes %q", what, scopes)
			met = a.isAsTheRuleSays(said, a.newToken(strings.Join(scopes, " "), short[what])) && met
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
	if a.refusalOf(a.token(poor...), a.need) == nil {
		return nil
	}
	for _, s := range own {
		if more := append(slices.Clone(poor), s); a.refusalOf(a.token(more...), a.need) != nil {
			poor = more
		}
	}
	slices.Sort(poor)
	return poor
}

// otherNames are not quite the method's own.
func (a *assertion) otherNames() (names []string) {
	service, short, _ := strings.Cut(a.name[1:], "/")
	for _, name := range []string{
		service + "/" + short, "/" + a.name, "//" + service + "//" + short, a.name + "/", "/" + service + "/" + strings.ToLower(short), "/" + strings.ToLower(service) + "/" + short,
		strings.ToUpper(a.name), "/" + service + "/*", "/" + service + "/", "/" + service + "/" + short + "2", "/" + service + "2/" + short, "/x" + a.name,
		"/" + service + "/" + short + "?x", "/" + service + "/./" + short, fmt.Sprintf("/%s/%%%02x%s", service, short[0], short[1:]),
		fmt.Sprintf("/%s/%%25%02x%s", service, short[0], short[1:]), "/" + service + "%2F" + short, "/grpc.health.v1.Health/" + short,
	} {
		if name != a.name && !a.registered(name) { // or it is asked by itself
			names = append(names, name)
		}
	}
	return names
}

func (a *assertion) registered(name string) bool {
	return slices.ContainsFunc(a.methods, func(m method) bool { return m.name == name })
}

// somebody is whom the identity metadata name.
const somebody = "bearward-somebody"

// identities are what proxies tell servers of callers, and callers may send, too.
var identities = map[string]string{
	"x-user": somebody, "x-user-id": somebody, "x-username": somebody, "x-roles": "admin", "x-groups": "admin", "x-subject": somebody, "x-scope": "*",
	"user-id": somebody, "username": somebody, "x-auth-subject": somebody, "x-auth-user": somebody, "impersonate-user": somebody,
	"x-remote-user": somebody, "x-authenticated-user": somebody, "x-authenticated-userid": somebody,
	"x-forwarded-user": somebody, "x-forwarded-email": somebody + "@example.com", "x-forwarded-groups": "admin",
	"x-auth-request-user": somebody, "x-consumer-username": somebody, "x-credential-identifier": somebody,
	"x-goog-authenticated-user-id": somebody, "x-endpoint-api-userinfo": "eyJzdWIiOiJiZWFyd2FyZC1zb21lYm9keSJ9",
	"x-ssl-client-verify": "SUCCESS", "x-ssl-client-s-dn": "CN=" + somebody, "x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1", "x-internal": "true",
	"grpcgateway-x-user": somebody, "grpcgateway-x-forwarded-user": somebody,
}

// others returns metadata that name another call than the one made: what a proxy, or an interceptor
// of one's own, may go by.
func (a *assertion) others() map[string]string {
	open := "/grpc.health.v1.Health/Check"
	for _, m := range a.methods {
		if m.need.IsPublic() {
			open = m.name
			break
		}
	}
	return map[string]string{
		"x-original-url": open, "x-rewrite-url": open, "x-original-uri": open, "x-forwarded-uri": open, "x-envoy-original-path": open, "x-original-method": "OPTIONS",
		"x-http-method-override": "OPTIONS", "x-forwarded-method": "OPTIONS", "grpc-method": open, "x-grpc-method": open, "x-method": open,
	}
}

// probeAgent is the user agent of health probes.
const probeAgent = "kube-probe/1.30 grpc_health_probe/0.4.25"

// kindsOfCalls are metadata of gRPC-Web, of pages on the developer's machine, and of tools.
var kindsOfCalls = map[string]string{
	"x-grpc-web": "1", "x-user-agent": "grpc-web-javascript/0.1", "origin": "http://localhost", "referer": "http://localhost/", "x-requested-with": "XMLHttpRequest",
	"x-forwarded-host": "localhost", "x-forwarded-proto": "https", "x-api-key": somebody, "x-debug": "true",
}

// bypassAttempts calls the method in other ways, without a token and with one that is good for all
// the API but this method. Each is refused, or is nothing that the server knows.
func (a *assertion) bypassAttempts() {
	a.tb.Helper()
	type holder struct {
		what          string
		authorization []string
	}
	poor := holder{"with an expired token", bearer(a.newToken(strings.Join(a.scopes, " "), authtest.Expired))}
	if scopes := a.poorScopes(); a.refusalOf(a.token(scopes...), a.need) != nil {
		poor = holder{fmt.Sprintf("with a good token of scopes %q", scopes), bearer(a.token(scopes...))}
	}
	short := a.claims.Short()
	for _, what := range slices.Sorted(maps.Keys(short)) {
		if token := a.newToken(strings.Join(a.scopes, " "), short[what]); a.refusalOf(token, a.need) != nil {
			poor = holder{"with a good token of every scope, " + what, bearer(token)}
			break
		}
	}
	for _, h := range []holder{{"without a token", nil}, poor} {
		for _, name := range a.otherNames() {
			if got := a.call(attempt{name: name, authorization: h.authorization}); !got.refused() && got.code != codes.Unimplemented && !got.isNoPath(name) {
				a.failf("O-11", "called as "+name+", "+h.what, "got %s: a handler was reached; want it refused: the rule is %s", got, a.need)
				break // others would tell the same
			}
		}
		for _, extra := range []struct {
			row, what string
			values    map[string]string
			probe     bool
		}{
			{"S-10", "metadata that name a user", identities, false}, {"O-11", "metadata that name another call", a.others(), false},
			{"O-11", "metadata of another kind of call", kindsOfCalls, false}, {"O-11", "the user agent " + probeAgent, nil, true},
		} {
			call := func(values map[string]string) reply {
				return a.call(attempt{authorization: h.authorization, metadata: metadata.New(values), probe: extra.probe})
			}
			got := call(extra.values)
			if got.refused() {
				continue
			}
			what := extra.what
			for _, key := range slices.Sorted(maps.Keys(extra.values)) {
				if one := call(map[string]string{key: extra.values[key]}); !one.refused() {
					what, got = fmt.Sprintf("the metadata %s: %s", key, extra.values[key]), one
					break
				}
			}
			a.failf(extra.row, what+", "+h.what, "got %s: a handler was reached; want it refused: the rule is %s", got, a.need)
		}
	}
}

// sameAnswers is how often an answer must be the same before it counts as what a key of metadata
// caused: two entries of a map come in one order that often about once in 60,000 times.
const sameAnswers = 8

// identity calls with metadata that name a user, and with a good token. Nobody but the token may
// say who calls.
func (a *assertion) identity(token string) {
	a.tb.Helper()
	if a.refusalOf(token, a.need) != nil {
		return
	}
	call := func(values map[string]string) reply {
		return a.call(attempt{authorization: bearer(token), metadata: metadata.New(values), patience: quiet})
	}
	plain := call(nil)
	if plain.silent || plain.refused() {
		return
	}
	differs := func(got reply) bool {
		return !got.silent && (got.code != plain.code || got.text != plain.text || !bytes.Equal(got.message, plain.message))
	}
	changed := func(values map[string]string) bool { return differs(call(values)) }
	// An answer may vary by itself: the entries of a map come in any order. So what is found must
	// come again each time, and never without the metadata.
	always := func(values map[string]string) bool {
		for range sameAnswers {
			if !changed(values) || changed(nil) {
				return false
			}
		}
		return true
	}
	users := maps.Clone(identities) // without addresses, which a method may well tell its caller
	maps.DeleteFunc(users, func(_, value string) bool { return !strings.Contains(value, somebody) && value != "admin" })
	if !changed(users) || changed(nil) {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(users)) {
		if always(map[string]string{key: identities[key]}) {
			a.failf("S-10", fmt.Sprintf("the metadata %s: %s, with a good token", key, identities[key]),
				"the answer is another than without it: the handler believes the caller's own metadata; want it removed, or not read")
			return
		}
	}
}
