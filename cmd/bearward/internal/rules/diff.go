package rules

import (
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// A Change is one operation whose rule differs.
type Change struct {
	Operation string `json:"operation"`
	Old       string `json:"old"` // what it asked for; "" where no rule named it
	New       string `json:"new"`
	// OldBy and NewBy are the rule that counts on the side where Operation has none of its own,
	// such as "/orders" for "GET /orders", or "GET /files/" for "GET /files/{name}".
	OldBy string `json:"old_by,omitempty"`
	NewBy string `json:"new_by,omitempty"`
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
	before, after := newFallback(old), newFallback(new)
	for _, key := range Keys(changed) {
		c := Change{Operation: key, Gains: []string{}, Loses: []string{}}
		var was, is auth.Requirement
		was, c.Old, c.OldBy = before.rule(key)
		is, c.New, c.NewBy = after.rule(key)
		all, ok := callers(implies, was, is)
		if c.TooMany = !ok; ok {
			could, err := allowed(was, all, implies)
			if err != nil {
				return nil, err
			}
			can, err := allowed(is, all, implies)
			if err != nil {
				return nil, err
			}
			c.Gains = fewest(all, func(i int) bool { return can[i] && !could[i] })
			c.Loses = fewest(all, func(i int) bool { return could[i] && !can[i] })
		}
		changes = append(changes, c)
	}
	return changes, nil
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
