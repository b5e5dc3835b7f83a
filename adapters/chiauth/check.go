package chiauth

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/middleware"
)

// Check returns an error that names every endpoint of the tree below r that no guard covers. Call it after the routes are
// registered and before the server serves.
//
// An endpoint is covered when it was added through a Router, when its handler is what a Guard's Require or Enforce returned, or when
// such a middleware was given to With or Use on the way to it. A guard inside another middleware or handler is not seen, and its
// endpoint is named; the other way round never happens.
func Check(r chi.Routes) error {
	var errs []error
	walk(r, "", false, func(e endpoint) {
		if !e.guarded { // mutant: check-uncovered
			errs = append(errs, fmt.Errorf("chiauth: no guard covers %s", e.key()))
		}
	})
	return errors.Join(errs...)
}

// CheckRules returns an error that names every endpoint of the tree below r that no rule covers, and every rule that no endpoint uses:
// for a tree behind [Enforce].
func CheckRules(r chi.Routes, rules middleware.Rules) error {
	if err := rules.Validate(); err != nil {
		return fmt.Errorf("chiauth: %w", err)
	}
	idle := maps.Clone(rules)
	var errs []error
	walk(r, "", false, func(e endpoint) {
		keys := keysOf(rules, e)
		if len(keys) == 0 { // mutant: check-rules-uncovered
			errs = append(errs, fmt.Errorf("chiauth: no rule names %s: it is refused to everyone", e.key()))
		}
		for _, key := range keys {
			delete(idle, key)
		}
	})
	for _, key := range slices.Sorted(maps.Keys(idle)) {
		errs = append(errs, fmt.Errorf("chiauth: no route uses rule %q", key)) // mutant: check-rules-idle
	}
	return errors.Join(errs...)
}

// keysOf returns the keys of the rules that cover e. An endpoint for every method may have rules for some, and refuses the others.
func keysOf(rules middleware.Rules, e endpoint) []string {
	if e.method != "*" {
		if key, _, ok := rules.ForRoute(e.method, e.pattern); ok {
			return []string{key}
		}
		return nil
	}
	var keys []string
	for key := range rules {
		if key == e.pattern || strings.HasSuffix(key, " "+e.pattern) {
			keys = append(keys, key)
		}
	}
	return keys
}

// An endpoint is a route with a handler.
type endpoint struct {
	method, pattern string // method "*" for all
	guarded         bool
}

func (e endpoint) key() string {
	if e.method == "*" {
		return e.pattern
	}
	return e.method + " " + e.pattern
}

// walk calls visit for each endpoint of the tree, in the order of patterns and methods. Unlike chi.Walk it tells the endpoints of a
// handler for all methods as one.
func walk(r chi.Routes, prefix string, guarded bool, visit func(endpoint)) {
	guarded = guarded || slices.ContainsFunc(r.Middlewares(), middleware.IsGuard)
	for _, route := range r.Routes() {
		pattern := strings.ReplaceAll(prefix+route.Pattern, "/*/", "/")
		if route.SubRoutes != nil {
			walk(route.SubRoutes, prefix+route.Pattern, guarded || isGuarded(route.Handlers["*"]), visit)
			continue
		}
		if all, ok := route.Handlers["*"]; ok {
			visit(endpoint{"*", pattern, guarded || isGuarded(all)})
		}
		for _, method := range slices.Sorted(maps.Keys(route.Handlers)) {
			h := route.Handlers[method]
			if method == "*" || sameAsAll(route, h) {
				continue
			}
			visit(endpoint{method, pattern, guarded || isGuarded(h)})
		}
	}
}

// sameAsAll reports whether h is the handler for all methods, which chi lists under each of them too.
func sameAsAll(route chi.Route, h http.Handler) bool {
	all, ok := route.Handlers["*"]
	return ok && isGuarded(all) == isGuarded(h)
}

// isGuarded reports whether a guard is at the endpoint, or directly in front of it.
func isGuarded(h http.Handler) bool {
	if chain, ok := h.(*chi.ChainHandler); ok {
		return slices.ContainsFunc(chain.Middlewares, middleware.IsGuard) || isGuarded(chain.Endpoint)
	}
	return middleware.IsGuarded(h)
}
