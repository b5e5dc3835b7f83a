package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bearward/bearward/examples/internal/api"
)

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
	if _, has := r.further[readByIssuer]; p.Tab == opaqueTab && label == "Bring the issuer up" && !has {
		if len(runs) != 0 || len(p.Calls) != 0 || p.Headline != "The issuer is up again." {
			r.t.Errorf("%s: without a token, the page says %q, and %d APIs were asked", label, p.Headline, len(runs))
		}
		return
	}
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
	want := r.due(p.Tab, label)
	if len(want) == len(verbs) {
		for i := range want {
			if strings.Contains(want[i], verbs[i]) {
				want[i] = verbs[i] // one of several
			}
		}
	}
	if r.mayBeNew(p.Tab, label) {
		for i, verb := range verbs {
			if i < len(want) && (verb == "cannot be verified" || verb == different) {
				want = append(want[:i:i], verbs[i:]...) // a proof that was not used is not sent again
			}
		}
	}
	if want != nil && !slices.Equal(verbs, want) {
		r.t.Errorf("%s: the APIs answered %v, want %v", label, verbs, want)
	}
	r.holdOrders(p, label, runs)
}

// mayBeNew tells whether the key of a token may be new to an API that cannot fetch it: the APIs for
// certificates are not asked before the issuer goes down, and no API is when it does so on the tab
// of opaque tokens.
func (r *random) mayBeNew(tab, label string) bool {
	if !r.stack.issuer.Down() || tab == opaqueTab {
		return false
	}
	return r.downByOpaque || slices.Contains([]string{"Show the certificate", "Show no certificate", "Show another one"}, label)
}

// either is of a call whose answer depends on what an API remembers.
const either = "works, is refused, cannot be verified, " + different

// dueOpaque is due for the tab of opaque tokens. What an API remembers is three seconds old at
// most.
func (r *random) dueOpaque(label string) []string {
	token := r.further[readByIssuer]
	read := comesTo(token.scopes, "read:orders")
	switch {
	case label == "Revoke the token":
		return []string{read, read + ", is refused, " + different, "is refused"}
	case label == "Take the issuer down":
		return []string{read, read + ", cannot be verified, " + different, "cannot be verified"}
	case label == "Call with the token" && r.stack.issuer.Down():
		return []string{either}
	case token.revoked:
		return []string{"is refused"}
	}
	return []string{read}
}

// due is what the answers to each question must come to. Several are parted by commas.
func (r *random) due(tab, label string) []string {
	if tab == opaqueTab {
		return r.dueOpaque(label)
	}
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
	answers := those[0].answers
	if last := answers[len(answers)-1]; kind != different && last.status == "403" && json.Unmarshal(last.body, &problem) == nil && !strings.Contains(c.Sentence, problem.Scope) {
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
