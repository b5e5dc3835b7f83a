package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
)

// LiveRules are Rules that can be changed while a server runs. The operations are fixed, as a
// router's routes are. Give [LiveRules.Rules] to an adapter in place of a table. [LiveRules.Swap]
// then replaces the requirements of all of them at once. It is safe for concurrent use, and reading
// it takes no lock.
type LiveRules struct{ table atomic.Pointer[Rules] }

// NewLiveRules returns LiveRules that begin as rules. The error is that of [Rules.Validate].
func NewLiveRules(rules Rules) (*LiveRules, error) {
	if err := rules.check(); err != nil {
		return nil, err
	}
	l := new(LiveRules)
	first := maps.Clone(rules)
	l.table.Store(&first)
	return l, nil
}

// Rules returns rules for an adapter, with the same keys, whose requirements follow every Swap.
// Each request is authorized by the rules before a Swap or by those after it, never by a mixture. A
// gRPC stream is authorized when it begins, and rechecked while it is open (package grpcauth tells
// when). A single requirement can be given to a route, as in mux.Handle("GET /orders",
// live.Rules()["GET /orders"], h).
func (l *LiveRules) Rules() Rules {
	rules := Rules{}
	for key := range *l.table.Load() {
		rules[key] = Requirement{&node{kind: kindLive, live: func() Requirement { return (*l.table.Load())[key] }}} // Swap keeps every key
	}
	return rules
}

// Swap replaces the rules for every request from then on. It is an error, which names every fault,
// when they are not valid, or name other operations than those before. The rules before then stay
// in use.
func (l *LiveRules) Swap(rules Rules) error {
	if err := rules.check(); err != nil {
		return err
	}
	before := *l.table.Load()
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, ok := rules[key]; !ok { // check: live-rules-missing
			errs = append(errs, fmt.Errorf("auth: LiveRules: no rule for %q any more", key))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if _, ok := before[key]; !ok { // check: live-rules-new
			errs = append(errs, fmt.Errorf("auth: LiveRules: %q is a new operation: the adapters were not told of it", key))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	after := maps.Clone(rules)
	l.table.Store(&after)
	return nil
}

// check is Validate, and that no rule is itself one of LiveRules.
func (r Rules) check() error {
	errs := []error{r.Validate()}
	for _, key := range slices.Sorted(maps.Keys(r)) {
		if n := r[key].node; n != nil && n.kind == kindLive { // check: live-rules-nested
			errs = append(errs, fmt.Errorf("auth: LiveRules: rule %q is one of LiveRules already", key))
		}
	}
	return errors.Join(errs...)
}
