package rules

import (
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// A Rule is what counts for requests to an operation.
type Rule struct {
	// Operation is the key of the rule where that is another one, such as "/orders" for
	// "GET /orders", or "GET /files/" for "GET /files/{name}".
	Operation string `json:"operation,omitempty"`
	// Rule is what it asks for; "" where requests have no rule, and are refused.
	Rule string `json:"rule"`

	requirement auth.Requirement
}

// A Change is one operation whose rule differs.
type Change struct {
	Operation string `json:"operation"`
	// Old and New are its own rule, or else what counts in its place: several where that depends on
	// the method.
	Old []Rule `json:"old"`
	New []Rule `json:"new"`
	// Gains and Loses are who may call it now and could not before, and the reverse. Each has what
	// is listed, and nothing else that the two rules name: "no token", "any token", or what a token
	// has, such as "read:orders and role:admin".
	Gains []string `json:"gains"`
	Loses []string `json:"loses"`
	// TooMany is true where the rules name too much to try every caller: Gains and Loses are empty.
	TooMany bool `json:"too_many,omitempty"`
}

// Diff returns what differs from old to new, in the order of Keys. Implies is that of the Guard's
// options, before and after; it may be nil.
func Diff(old, new auth.Rules, implies map[string][]string) ([]Change, error) {
	if _, err := allowed(auth.AnyToken(), nil, implies); err != nil {
		return nil, err // of scopes that are none
	}
	changed := auth.Rules{}
	for _, key := range old.Diff(new) {
		changed[key] = auth.AnyToken() // for the order of keys
	}
	changes := make([]Change, 0, len(changed))
	before, after := newSide(old), newSide(new)
	for _, key := range Keys(changed) {
		c := Change{Operation: key, Gains: []string{}, Loses: []string{}}
		c.Old, c.New = before.counts(key, after), after.counts(key, before)
		if err := c.compare(implies); err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// compare finds who gains and who loses.
func (c *Change) compare(implies map[string][]string) error {
	var reqs []auth.Requirement
	for _, r := range slices.Concat(c.Old, c.New) {
		reqs = append(reqs, r.requirement)
	}
	all, ok := callers(implies, reqs...)
	if !ok {
		c.TooMany = true
		return nil
	}
	gains, loses := make([]bool, len(all)), make([]bool, len(all))
	for _, was := range c.Old {
		could, err := allowed(was.requirement, all, implies)
		if err != nil {
			return err
		}
		for _, is := range c.New {
			can, err := allowed(is.requirement, all, implies)
			if err != nil {
				return err
			}
			for i := range all {
				gains[i] = gains[i] || can[i] && !could[i]
				loses[i] = loses[i] || could[i] && !can[i]
			}
		}
	}
	c.Gains = fewest(all, func(i int) bool { return gains[i] })
	c.Loses = fewest(all, func(i int) bool { return loses[i] })
	return nil
}

// fewest returns the callers that are in, but for those who have all that another one has.
func fewest(all []caller, in func(int) bool) []string {
	least := []string{}
	var kept []caller
	for i, c := range all {
		if !in(i) || slices.ContainsFunc(kept, c.hasAllOf) {
			continue
		}
		kept = append(kept, c)
		least = append(least, c.String())
	}
	return least
}

func (c caller) hasAllOf(other caller) bool {
	if c.anonymous || other.anonymous {
		return false
	}
	return !slices.ContainsFunc(other.has, func(word string) bool { return !slices.Contains(c.covers, word) })
}

func (c caller) String() string {
	switch {
	case c.anonymous:
		return "no token"
	case len(c.has) == 0:
		return "any token"
	}
	return strings.Join(c.has, " and ")
}
