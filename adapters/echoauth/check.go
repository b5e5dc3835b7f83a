package echoauth

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/labstack/echo/v4"

	auth "github.com/bearward/bearward/middleware"
)

// Check returns an error that names every registered route that no rule covers or another route
// hides, and every rule that no route uses. It is for an Echo behind [EnforceRules]. Call it after
// the middlewares are given and the routes registered, and before the server serves.
//
// It is an error, too, when EnforceRules was given other rules than these, or was not given to
// e.Use. Pre is too early, since no route is known yet; in a group or inside another middleware
// Check cannot see it.
//
// The routes of a virtual host need rules that name the host. Handlers of RouteNotFound need one
// where they are the application's own, and not where Echo adds them to a group with middlewares:
// see EnforceRules.
func Check(e *echo.Echo, rules auth.Rules) error {
	if e == nil {
		return errors.New("echoauth: Check needs an Echo")
	}
	if err := rules.Validate(); err != nil {
		return fmt.Errorf("echoauth: %w", err)
	}
	f := findings{}
	f.placed(e, rules)
	automatic := automaticNotFound()
	idle := maps.Clone(rules)
	for _, route := range routesOf(e) {
		key, _, ok := route.rule(rules)
		delete(idle, key)
		unnamed := route.Method == echo.RouteNotFound && route.Name == automatic && !ok
		switch {
		case unnamed: // Echo's 404 stands for it
		case route.handler() == nil: // check: check-hidden
			f.add("another route takes all requests of %s", route.key())
		case ok:
		case route.Method == echo.RouteNotFound: // check: check-not-found
			f.add("no rule names %s: Echo's own 404 takes its place", route.key())
		default:
			f.add("no rule for %s: every request is denied", route.key()) // check: check-uncovered
		}
	}
	for _, key := range slices.Sorted(maps.Keys(idle)) {
		f.add("no route uses rule %q", key) // check: check-idle
	}
	return errors.Join(f.errs...)
}

// CheckRouter returns an error that names every registered route that was not added through a
// [Router]: nothing is known to guard it. It also names every route that another one hides, or whose
// handler was replaced (Add of Echo's own Router, which lists no route). Call it
// after the routes are registered and before the server serves. A guard among a route's or group's
// middlewares is not seen. The routes that Echo itself adds to groups with middlewares, for its
// 404, do not count.
func CheckRouter(e *echo.Echo) error {
	if e == nil {
		return errors.New("echoauth: CheckRouter needs an Echo")
	}
	f := findings{}
	automatic := automaticNotFound()
	for _, route := range routesOf(e) {
		switch {
		case route.Method == echo.RouteNotFound && route.Name == automatic:
		case !isMarkedGuarded(route.Route): // check: router-uncovered
			f.add("no guard covers %s", route.key())
		case route.handler() == nil: // check: router-hidden
			f.add("another route takes all requests of %s", route.key())
		case isReplaced(route.Route, route.handler()): // check: router-replaced
			f.add("another handler was put in the place of %s", route.key())
		}
	}
	return errors.Join(f.errs...)
}

// automaticNotFound returns the name of the RouteNotFound routes that Echo adds to groups.
func automaticNotFound() string { return echo.New().RouteNotFound("", echo.NotFoundHandler).Name }

// findings are what Check has to say.
type findings struct{ errs []error }

func (f *findings) add(format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("echoauth: "+format, args...))
}

// placed adds what is wrong with the place of EnforceRules in e.
func (f *findings) placed(e *echo.Echo, rules auth.Rules) {
	before, ok := tableIn(e, "premiddleware")
	after, ok2 := tableIn(e, "middleware")
	switch {
	case !ok || !ok2:
		f.add("Check cannot tell what this version of Echo, %s, was given to Use", echo.Version)
	case before != nil: // check: check-pre
		f.add("EnforceRules was given to Pre, where no route is known yet: every request is answered with 404")
	case after == nil:
		f.add("EnforceRules was not given to Use: no route is guarded by it") // check: check-use
	default:
		if keys := rules.Diff(after.rules); len(keys) > 0 { // check: check-table-other
			f.add("EnforceRules was given other rules than Check: they differ in %q", keys)
		}
	}
}

// tableIn returns the table of the last EnforceRules among the middlewares in a field of e, nil
// when there is none, and whether that could be told. Echo has no method that tells.
func tableIn(e *echo.Echo, field string) (found *table, ok bool) {
	list := reflect.ValueOf(e).Elem().FieldByName(field)
	if !list.IsValid() || list.Type() != reflect.TypeFor[[]echo.MiddlewareFunc]() {
		return nil, false
	}
	for _, mw := range *(*[]echo.MiddlewareFunc)(list.Addr().UnsafePointer()) {
		if reflect.ValueOf(mw).Pointer() == tableFunc {
			_ = mw(nil)(tableAsked{found: &found})
		}
	}
	return found, true
}
