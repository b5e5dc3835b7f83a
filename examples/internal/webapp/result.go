package webapp

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/examples/internal/orders"
	"github.com/bearward/bearward/examples/internal/promise"
)

// result is what came of one action. Every sentence of it is computed from what was answered.
type result struct {
	Action string // the button that was pressed; "" for a login
	Title  string
	Parts  []part
	// Blocked is why the action was not possible; "" when it ran.
	Blocked string
	opening string // of the headline, when calls alone do not tell it
}

// part is a note, an exchange, a question that every API was asked, or what stopped the action.
type part struct {
	Note, Problem string
	Exchange      *exchange
	Calls         *calls
	Open          bool // shown in full
	Repeated      bool // the headline says the same
}

// promised tells whether everything was answered as promised.
func (p part) promised() bool {
	switch {
	case p.Exchange != nil:
		return p.Exchange.Fault == ""
	case p.Calls != nil:
		return p.Calls.Promised()
	}
	return p.Problem == ""
}

// Lanes are who stands side by side where exchanges are drawn; none when nothing is drawn.
func (r result) Lanes() []string {
	if slices.ContainsFunc(r.Parts, func(p part) bool { return p.Exchange != nil && p.Exchange.lane != nil }) {
		return lanes
	}
	return nil
}

// Promised tells whether everything was answered as promised.
func (r result) Promised() bool {
	return !slices.ContainsFunc(r.Parts, func(p part) bool { return !p.promised() })
}

// Headline is the one line that says what came of it.
func (r result) Headline() string {
	if r.Blocked != "" {
		return "Not possible now. " + r.Blocked
	}
	var clauses, faults []string
	done := "Done"
	var questions []*calls
	for _, p := range r.Parts {
		switch {
		case p.Note != "":
			done = p.Note
		case p.Problem != "":
			return p.Problem
		case p.Calls != nil:
			questions = append(questions, p.Calls)
			if p.Calls.subject != "" {
				clauses = append(clauses, p.Calls.clause())
			}
			if !p.Calls.Promised() {
				faults = append(faults, strings.TrimSuffix(p.Calls.faults(), "."))
			}
		case p.Exchange != nil && p.Exchange.Subject != "":
			clauses = append(clauses, p.Exchange.clause())
		}
		if p.Exchange != nil && p.Exchange.Fault != "" {
			faults = append(faults, p.Exchange.Title+": "+p.Exchange.Fault)
		}
	}
	switch {
	case len(faults) > 0:
		return sentence(faults)
	case r.opening != "":
		return r.opening
	case len(questions) == 1 && len(clauses) == 1:
		return questions[0].Sentence()
	case len(clauses) == 0:
		return done + "."
	}
	return sentence(clauses)
}

func (e exchange) clause() string {
	if e.OK {
		return e.Subject + " is accepted"
	}
	return e.Subject + " is refused"
}

// calls is one question and what each API answered.
type calls struct {
	question
	Answers []answer
	last    time.Time // when the last answer came
}

// answer is what one API answered.
type answer struct {
	promise.Outcome
	Adapter, Addr     string
	Request, Response []string
	Orders            []orders.Order
	Stats             *orders.Stats
	Fault             string        // how it differs from what was promised; "" if it does not
	Earlier           []string      // what it answered at first, when it was asked again
	Waited            time.Duration // for it to come round
}

func (a *answer) take(said orders.Answer) {
	a.Scope, a.Orders, a.Stats = said.Scope, said.Orders, said.Stats
	if said.Sub != nil {
		a.Sub = *said.Sub
	}
}

// Heading is what was asked, in a few words.
func (c *calls) Heading() string {
	if c.Title != "" {
		return c.Title
	}
	return c.op.String()
}

// Promised tells whether every API answered as promised.
func (c *calls) Promised() bool {
	return !slices.ContainsFunc(c.Answers, func(a answer) bool { return a.Fault != "" })
}

// kind is what an answer comes to, whatever the transport.
type kind int

const (
	kindOther kind = iota
	kindAnswered
	kindRefused
	kindUnavailable
)

func kindOf(status int) kind {
	switch status {
	case http.StatusOK:
		return kindAnswered
	case http.StatusUnauthorized, http.StatusForbidden:
		return kindRefused
	case http.StatusServiceUnavailable:
		return kindUnavailable
	}
	return kindOther
}

// common is the kind of all answers, and kindOther when they differ.
func (c *calls) common() kind {
	all := kindOther
	for i, a := range c.Answers {
		if k := kindOf(a.Status); i == 0 {
			all = k
		} else if k != all {
			return kindOther
		}
	}
	return all
}

// every begins a sentence about all APIs.
func (c *calls) every() string {
	switch len(c.Answers) {
	case 1:
		return "The API"
	case 2:
		return "Both"
	}
	return "All " + number(len(c.Answers))
}

// Sentence says what the APIs answered, and whether that was promised.
func (c *calls) Sentence() string {
	if !c.Promised() {
		return c.faults()
	}
	why := "."
	if c.why != "" {
		why = ": " + c.why + "."
	}
	switch c.common() {
	case kindAnswered:
		return c.every() + " " + c.op.did + "."
	case kindRefused:
		return c.every() + " refused, as they must" + why
	case kindUnavailable:
		return c.every() + " say that they cannot tell, as they must" + why
	}
	return c.tally()
}

func (c *calls) faults() string {
	var wrong []string
	for _, a := range c.Answers {
		if a.Fault != "" {
			wrong = append(wrong, a.Adapter+" ("+a.Fault+")")
		}
	}
	return capital(number(len(wrong))) + " of " + number(len(c.Answers)) + " did not answer as promised: " + list(wrong) + "."
}

// tally is for answers that differ and are all right: some APIs know a key that others do not, or
// the token expired meanwhile.
func (c *calls) tally() string {
	var texts []string
	for _, a := range c.Answers {
		texts = append(texts, a.Adapter+" "+a.Shown)
	}
	return "The answers differ, and each was right when it was given: " + list(texts) + "."
}

// clause is Sentence within a sentence.
func (c *calls) clause() string {
	switch c.common() {
	case kindAnswered:
		return c.subject + " works"
	case kindRefused:
		return c.subject + " is refused"
	case kindUnavailable:
		return c.subject + " cannot be verified"
	}
	return c.subject + " gets different answers"
}

// First is the answer that is shown in full.
func (c *calls) First() answer { return c.Answers[0] }

// lastOrders bounds how many orders a page lists.
const lastOrders = 8

// Orders are the last orders of the first answer.
func (c *calls) Orders() []orders.Order {
	all := c.First().Orders
	return all[max(0, len(all)-lastOrders):]
}

// EarlierOrders is how many orders came before those.
func (c *calls) EarlierOrders() int { return len(c.First().Orders) - len(c.Orders()) }

// OrdersTitle says whose orders are shown.
func (c *calls) OrdersTitle() string {
	if c.op.method == http.MethodPost {
		return "The new order"
	}
	return "The orders"
}

// Difference is what of answer i is not as in the first one, in a few words.
func (c *calls) Difference(i int) string {
	first, a := c.Answers[0], c.Answers[i]
	var texts []string
	switch {
	case i == 0:
		texts = append(texts, "the one shown")
	case a.Adapter == "grpc":
		texts = append(texts, "the same in gRPC’s words")
		switch {
		case kindOf(a.Status) != kindOf(first.Status) || a.Sub != first.Sub || a.Scope != first.Scope:
			texts[0] = "another answer"
		case first.Stats != nil && a.Stats == nil:
			texts[0] += ", which have no figures"
		}
	case slices.Equal(first.Response, a.Response):
		texts = append(texts, "the same")
	default:
		texts = append(texts, "differs in "+list(differing(first.Response, a.Response)))
	}
	if len(a.Orders) > 0 && !slices.Equal(first.Orders, a.Orders) {
		texts = append(texts, "with "+plural(len(a.Orders), "order", "orders")+" of its own")
	}
	if len(a.Earlier) > 0 {
		texts = append(texts, a.Earlier[0]+" at first, and this "+fmt.Sprintf("%.1f s later", a.Waited.Seconds()))
	}
	return strings.Join(texts, "; ")
}

// Own tells whether answer i has something to show that the first one has not.
func (c *calls) Own(i int) bool {
	return i > 0 && !slices.Equal(c.Answers[0].Response, c.Answers[i].Response)
}

// differing names the lines of b that a has not, by their first word.
func differing(a, b []string) []string {
	var names []string
	for _, line := range b {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		name = strings.Trim(name, `:"`)
		if name != "" && !slices.Contains(a, line) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return []string{"what it leaves out"}
	}
	return names
}
