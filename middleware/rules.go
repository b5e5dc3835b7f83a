package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Rules say, operation by operation, who may call what. An operation that no rule names is refused.
// They are a map: do not change it while it is in use. The adapters copy it, and [LiveRules] are
// for changes while serving.
//
// The key of an HTTP operation is "METHOD pattern", or "pattern" alone for all methods, in the
// router's own syntax. The key with the method wins. The key of a gRPC operation is
// "/pkg.Service/Method", or "/pkg.Service/*" for a whole service; the exact key wins.
type Rules map[string]Requirement

// Validate returns an error that names every rule with an empty key or the zero Requirement. No
// rules at all is an error, too: nothing could be called.
func (r Rules) Validate() error {
	if len(r) == 0 { // check: rules-empty
		return errors.New("auth: Rules are empty: every operation would be refused")
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(r)) {
		if key == "" {
			errs = append(errs, errors.New("auth: a rule has an empty key"))
		}
		if r[key].IsZero() { // check: rules-zero
			errs = append(errs, fmt.Errorf("auth: rule %q has the zero Requirement", key))
		}
	}
	return errors.Join(errs...)
}

// Find returns the rule of an HTTP route and its key: the one for the method, or else the one
// for all methods.
func (r Rules) Find(method, pattern string) (key string, req Requirement, ok bool) {
	key = method + " " + pattern
	if req, ok = r[key]; ok { // check: method-rule
		return key, req, true
	}
	req, ok = r[pattern]
	return pattern, req, ok
}

// Diff returns the keys whose rules differ between r and other, sorted: those that one of the two
// lacks, and those whose Requirements print differently.
func (r Rules) Diff(other Rules) []string {
	var keys []string
	for key := range r {
		if was, ok := other[key]; !ok || was.String() != r[key].String() { // check: rules-diff
			keys = append(keys, key)
		}
	}
	for key := range other {
		if _, ok := r[key]; !ok { // check: rules-diff-lacking
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
