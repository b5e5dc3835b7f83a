package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearward/bearward/examples/internal/api"
)

// The tabs of the dashboard.
const (
	bearerTab = "Bearer tokens"
	boundTab  = "Bound tokens"
)

var tabs = []string{bearerTab, boundTab}

// issued is a token beside that of the login.
type issued struct {
	scopes      []string
	expiry, key string
}

// The tokens beside that of the login, as the page calls them, and the button that each comes by.
const (
	boundToKey         = "bound"
	boundToCertificate = "certified"
)

var getting = map[string]string{boundToKey: "Get a bound token", boundToCertificate: "Get a TLS-bound token"}

// onTab are the tokens that each tab is about.
var onTab = map[string][]string{boundTab: {boundToKey, boundToCertificate}}

// learn takes in the tokens that were issued after the first n answers.
func (r *random) learn(n int) {
	for _, call := range r.spy.since(n) {
		if call.path != "/token" || call.status != "200" {
			continue
		}
		var said struct {
			Type    string `json:"token_type"`
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		r.must(json.Unmarshal(call.body, &said))
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(said.Access, ".")[1])
		r.must(err)
		var claims struct {
			Scope string
			Exp   int64
			Cnf   struct {
				Jkt         string
				Certificate string `json:"x5t#S256"`
			}
		}
		r.must(json.Unmarshal(raw, &claims))
		if (said.Type == "DPoP") != (claims.Cnf.Jkt != "") {
			r.t.Errorf("a token of the type %q has cnf.jkt %q", said.Type, claims.Cnf.Jkt)
		}
		further := issued{strings.Fields(claims.Scope), time.Unix(claims.Exp, 0).Format(time.TimeOnly), claims.Cnf.Jkt + claims.Cnf.Certificate}
		switch {
		case claims.Cnf.Jkt != "":
			r.further[boundToKey] = further
			continue
		case claims.Cnf.Certificate != "":
			r.further[boundToCertificate] = further
			continue
		}
		r.scopes = strings.Fields(claims.Scope)
		r.expiries = append(r.expiries, time.Unix(claims.Exp, 0).Format(time.TimeOnly))
		r.refresh = "none"
		if said.Refresh != "" {
			r.refresh = "kept"
		}
	}
}

// hold holds what a page says of how things stand.
func (r *random) hold(p page, after string) {
	r.t.Helper()
	wrong := func(format string, values ...any) {
		r.t.Helper()
		r.t.Errorf("after %s: %s", after, fmt.Sprintf(format, values...))
	}
	names := onTab[p.Tab]
	for _, name := range names {
		want, has := r.further[name]
		if got := p.Tokens[name]; has {
			r.holdToken(got, want.scopes, []string{want.expiry}, want.key, wrong)
		} else if got.Expiry != "There is none yet" || len(got.Scopes) > 0 || got.Key != "" {
			wrong("the page says of the token %s %+v, there is none", name, got)
		}
	}
	if len(names) == 0 {
		names = []string{"token"}
		r.holdToken(p.Tokens["token"], r.scopes, r.expiries, "", wrong)
		if !strings.HasPrefix(p.Refresh, r.refresh) {
			wrong("the page says of the refresh token %q, it is %s", p.Refresh, r.refresh)
		}
	}
	if len(p.Tokens) != len(names) {
		wrong("the page shows the tokens %v, want %v", p.Tokens, names)
	}
	down := r.stack.issuer.Down()
	if strings.HasPrefix(p.Issuer, "down") != down || strings.HasPrefix(p.Issuer, "up") == down {
		wrong("the page says of the issuer %q, down is %t", p.Issuer, down)
	}
	if p.Verdict != "promised" || p.Headline == "" || !strings.Contains(p.Title, p.Headline) {
		wrong("the headline is %q (%s), the title %q", p.Headline, p.Verdict, p.Title)
	}
	r.holdButtons(p, down, wrong)
}

// holdToken holds what a page says of one token.
func (r *random) holdToken(got shown, scopes, expiries []string, key string, wrong func(string, ...any)) {
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return !slices.Contains(apiScopes, scope) })
	if !slices.Equal(got.Scopes, scopes) {
		wrong("the page shows the scopes %v, the token has %v", got.Scopes, scopes)
	}
	if !slices.ContainsFunc(expiries, func(at string) bool { return strings.HasPrefix(got.Expiry, "expires at "+at) }) {
		wrong("the page says %q, such tokens of this login expire at %v", got.Expiry, expiries)
	}
	if got.Key != key {
		wrong("the page says that the token is bound to %q, it is to %q", got.Key, key)
	}
}

// needIssuer are the buttons that are off while the issuer is down.
var needIssuer = []string{
	"Ask for more scopes", "Log in again", "Let a token expire", "Replay a refresh token", "Rotate the keys",
	"Take the issuer down", "Get a bound token", "Get a TLS-bound token",
}

func (r *random) holdButtons(p page, down bool, wrong func(string, ...any)) {
	missing := slices.ContainsFunc(r.registered, func(scope string) bool { return !slices.Contains(r.scopes, scope) })
	noRefresh := map[string]string{"none": "you did not allow", "worthless": "Yours is worthless"}[r.refresh]
	if want := map[string]int{bearerTab: 8, boundTab: 9}[p.Tab]; len(p.Buttons) != want {
		wrong("%d buttons, want %d", len(p.Buttons), want)
	}
	for _, b := range p.Buttons {
		why := ""
		switch b.Name {
		case "Let a token expire", "Replay a refresh token", "Rotate the keys":
			why = noRefresh
		case "Ask for more scopes":
			if !missing {
				why = "has every scope"
			}
		case "Call with the key", "Use it without the key", "Use another key", "Replay a proof":
			if _, has := r.further[boundToKey]; !has {
				why = "Needs a bound token"
			}
		case "Show the certificate", "Show no certificate", "Show another one":
			if _, has := r.further[boundToCertificate]; !has {
				why = "Get a TLS-bound token first"
			}
		}
		if down && slices.Contains(needIssuer, b.Name) {
			why = "The issuer is down"
		}
		if b.Off != (why != "") || !strings.Contains(b.Why, why) || b.Why == "" {
			wrong("%q is off: %t, because %q; want off because %q", b.Name, b.Off, b.Why, why)
		}
	}
}

// run is the answers of one API to one question, in order.
type answerRun struct {
	host     string
	answers  []recorded
	lastKind string
}

// kinds are what a page may say of a status.
var kinds = map[string]string{
	"200": "works", "OK": "works", "401": "is refused", "403": "is refused", "Unauthenticated": "is refused",
	"PermissionDenied": "is refused", "503": "cannot be verified", "Unavailable": "cannot be verified",
}

// holdAnswers holds what a page says of each answer against the answers.
func (r *random) holdAnswers(p page, label string, calls []recorded) {
	r.t.Helper()
	var runs []answerRun
	for _, call := range calls {
		if call.host == r.ports.issuer() {
			continue
		}
		if len(runs) == 0 || runs[len(runs)-1].host != call.host {
			runs = append(runs, answerRun{host: call.host})
		}
		last := &runs[len(runs)-1]
		last.answers, last.lastKind = append(last.answers, call), kinds[call.status]
	}
	adapters := api.Adapters()
	if len(runs) != len(p.Calls)*len(adapters) || len(runs) == 0 {
		r.t.Errorf("%s: the page shows %d questions, the servers got %d", label, len(p.Calls), len(runs)/len(adapters))
		return
	}
	var verbs []string
	for i, c := range p.Calls {
		those := runs[i*len(adapters) : (i+1)*len(adapters)]
		r.holdQuestion(label, c, those)
		verbs = append(verbs, common(those))
	}
	said := regexp.MustCompile(`works|is refused|cannot be verified|gets different answers`).FindAllString(p.Headline, -1)
	n := min(len(said), len(verbs))
	if !slices.Equal(said[len(said)-n:], verbs[len(verbs)-n:]) {
		r.t.Errorf("%s: the headline is %q, the answers %v", label, p.Headline, verbs)
	}
	if len(verbs) == 3 && label == "Take the issuer down" && verbs[2] == different {
		verbs[2] = "cannot be verified" // by all but an API whose clock asked for keys in the last moment
	}
	if want := r.due(label); want != nil && !slices.Equal(verbs, want) {
		r.t.Errorf("%s: the APIs answered %v, want %v", label, verbs, want)
	}
	r.holdOrders(p, label, runs)
}

// due is what the answers to each question must come to.
func (r *random) due(label string) []string {
	with := func(scope string) string { return comesTo(r.scopes, scope) }
	read := with("read:orders")
	switch label {
	case "Call with the key":
		return []string{comesTo(r.further[boundToKey].scopes, "read:orders")}
	case "Show the certificate":
		return []string{comesTo(r.further[boundToCertificate].scopes, "read:orders")}
	case "Replay a proof":
		return []string{comesTo(r.further[boundToKey].scopes, "read:orders"), "is refused"}
	case "Use another key", "Show no certificate", "Show another one":
		return []string{"is refused"}
	case "Use it without the key":
		return []string{"is refused", "is refused"}
	case "Read the orders", "Bring the issuer up", "Replay a refresh token":
		return []string{read}
	case "Place an order":
		return []string{with("write:orders")}
	case "Read the figures":
		return []string{with("admin:all")}
	case "Let a token expire":
		return []string{read, "is refused", read}
	case "Rotate the keys":
		return []string{read, read}
	case "Take the issuer down":
		if r.refresh == "kept" {
			return []string{read, read, "cannot be verified"}
		}
		return []string{read, read}
	}
	return nil
}

// different is what a page says of answers that are not all of a kind.
const different = "gets different answers"

// common is the kind of all answers to a question.
func common(those []answerRun) string {
	for _, one := range those {
		if one.lastKind != those[0].lastKind {
			return different
		}
	}
	return those[0].lastKind
}

// comesTo is what a call comes to that needs a scope, with a token that has some.
func comesTo(has []string, needs string) string {
	if slices.Contains(has, needs) {
		return "works"
	}
	return "is refused"
}

func (r *random) holdQuestion(label string, c asked, those []answerRun) {
	r.t.Helper()
	if c.Verdict != "promised" || len(c.Answers) != len(those) {
		r.t.Errorf("%s: %q is %s with %d answers", label, c.Heading, c.Verdict, len(c.Answers))
		return
	}
	for i, a := range c.Answers {
		got := those[i].answers
		last := got[len(got)-1]
		if a.Adapter != api.Adapters()[i] || a.Status != last.status || a.Verdict != "promised" {
			r.t.Errorf("%s: %q: the page says %+v, the answer was %s", label, c.Heading, a, last.status)
		}
		if again := strings.Contains(a.Text, got[0].status+" at first"); again != (len(got) > 1) {
			r.t.Errorf("%s: %q: the page says %q, the API was asked %d times", label, c.Heading, a.Text, len(got))
		}
	}
	kind := common(those)
	opening := map[string]string{
		"works": "All four ", "is refused": "All four refused, as they must: ", "cannot be verified": "All four say that they cannot tell, as they must: ",
		different: "The answers differ, and each was right when it was given: ",
	}[kind]
	if !strings.HasPrefix(c.Sentence, opening) || (kind == "works" || kind == different) == strings.Contains(c.Sentence, "as they must") {
		r.t.Errorf("%s: %q says %q, the answers are of the kind %q", label, c.Heading, c.Sentence, kind)
	}
	var problem struct{ Scope string }
	if first := those[0].answers[0]; first.status == "403" && json.Unmarshal(first.body, &problem) == nil && !strings.Contains(c.Sentence, problem.Scope) {
		r.t.Errorf("%s: %q says %q, the API asked for %s", label, c.Heading, c.Sentence, problem.Scope)
	}
}

// holdOrders holds the first table of orders, and the figures, against the first answer that has
// some.
func (r *random) holdOrders(p page, label string, runs []answerRun) {
	r.t.Helper()
	for _, one := range runs {
		last := one.answers[len(one.answers)-1]
		var said struct {
			Orders []struct {
				ID, Item string
				Quantity int
				PlacedBy string `json:"placed_by"`
			}
			Stats *struct{ Orders, Pieces int }
		}
		if last.status != "200" || json.Unmarshal(last.body, &said) != nil {
			continue
		}
		var want [][]string
		for _, o := range said.Orders[max(0, len(said.Orders)-8):] {
			want = append(want, []string{o.ID, o.Item, strconv.Itoa(o.Quantity), o.PlacedBy})
		}
		got := p.Orders
		if len(got) > 0 && len(got[0]) == 1 { // "and 3 before these"
			if !strings.Contains(got[0][0], " "+strconv.Itoa(len(said.Orders)-8)+" ") {
				r.t.Errorf("%s: the page says %q of %d orders", label, got[0][0], len(said.Orders))
			}
			got = got[1:]
		}
		if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
			r.t.Errorf("%s: the page shows the orders %v, the API answered %v", label, got, want)
		}
		if said.Stats != nil && p.Figures != fmt.Sprintf("%d orders, %d pieces", said.Stats.Orders, said.Stats.Pieces) {
			r.t.Errorf("%s: the page shows the figures %q, the API answered %+v", label, p.Figures, *said.Stats)
		}
		return
	}
	if len(p.Orders) > 0 || p.Figures != "" {
		r.t.Errorf("%s: the page shows orders that no API answered", label)
	}
}
