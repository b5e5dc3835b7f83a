package chiauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-chi/chi/v5"

	auth "github.com/bearward/bearward/middleware"
)

// Check returns an error that names every endpoint of the tree below r that no guard covers. It
// also names every route that is there twice, in r and in a router mounted in it. chi serves one of
// the two and says nothing. Call it after the routes are registered and before the server serves.
// The handlers of NotFound and MethodNotAllowed are not endpoints.
//
// An endpoint is covered when it was added through a Router, or when its handler is what a Guard's
// Require or Enforce returned. It is also covered when such a middleware was given to With or Use
// on the way to it. The last way is [Enforce], as the last one given to Use there:
//
//	r.With(guard.Require("read:orders")).Get("/orders", listOrders)
//	r.Method("GET", "/orders", guard.Require("read:orders")(listOrders))
//
// A guard inside another middleware or handler is not seen, and its endpoint is named. The method
// value guard.Require("read:orders")(listOrders).ServeHTTP is one;
// guard.Require("read:files")(files) given to chi's Mount is another. Use
// With(guard.Require("read:files")).Mount. One endpoint that is not covered is not named. When
// Handle replaces at "/x/*" a handler that was mounted at "/x", chi still serves the mounted one at
// "/x", and tells nobody.
func Check(r chi.Routes) error {
	var found findings
	treeOf(r).walk(func(e endpoint) {
		found.once(e)
		if !e.guarded { // check: check-uncovered
			found.add("no guard covers %s", e.key())
		}
	})
	return errors.Join(found.errs...)
}

// CheckRules is [Check] for a tree behind [Enforce]. It returns an error that names every endpoint
// that no rule covers, every rule that no endpoint uses, and every route that is there twice. Call
// it after the routes are registered and before the server serves.
//
// It is an error, too, when Enforce is not the last middleware given to Use of r, or was given
// other rules. A mounted router with a chi middleware that rewrites a path (StripSlashes,
// CleanPath, URLFormat) is another: behind Enforce it has no effect.
func CheckRules(r chi.Routes, rules auth.Rules) error {
	if err := rules.Validate(); err != nil {
		return fmt.Errorf("chiauth: %w", err)
	}
	var found findings
	t := treeOf(r)
	if t.table == nil {
		found.add("Enforce is not the last middleware that was given to Use of the router") // check: check-table-last
	} else if keys := rules.Diff(t.table.rules); len(keys) > 0 { // check: check-table-other
		found.add("Enforce was given other rules than CheckRules: they differ in %q", keys)
	}
	t.rewriters("", found.add)
	idle := maps.Clone(rules)
	t.walk(func(e endpoint) {
		found.once(e)
		covered := false
		for _, method := range e.methods {
			if key, _, ok := rules.Find(method, e.pattern); ok {
				delete(idle, key)
				covered = true
			}
		}
		if !covered { // check: check-rules-uncovered
			found.add("no rule for %s: every request is denied", e.key())
		}
	})
	for _, key := range slices.Sorted(maps.Keys(idle)) {
		found.add("no route uses rule %q", key) // check: check-rules-idle
	}
	return errors.Join(found.errs...)
}

// findings are what a check has to say.
type findings struct {
	errs []error
	seen map[string]bool
}

func (f *findings) add(format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("chiauth: "+format, args...))
}

// once adds an endpoint that was seen before.
func (f *findings) once(e endpoint) {
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	if f.seen[e.key()] { // check: check-twice
		f.add("route %q is registered twice", e.key())
	}
	f.seen[e.key()] = true
}
