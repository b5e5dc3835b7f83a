package echoauth

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/labstack/echo/v4"

	auth "github.com/bearward/bearward/middleware"
)

// EnforceRules returns a middleware for Echo.Use that authorizes every route by a table. The keys
// are "METHOD /path", or "/path" for every method, with the path as Echo's Route tells it:
// e.Static("/files", dir) is "GET /files*". The routes of a virtual host (Echo.Host) have the host
// in front of the path, as in "GET api.example/orders". The rules are copied. EnforceRules panics
// when guard is nil or the rules cannot be used.
//
// The rule is that of the route whose handler is about to run. What another middleware made of the
// request's method, host or path since it was routed changes nothing. It is found by the handler
// that Echo routed to, so no other middleware may route again (Router.Find) or call SetHandler. A
// route that no rule names is refused with 403. [Check] names at start the routes without rule and
// the rules without route. The routes are read when the first request comes; one that is added
// later is refused.
//
// # What matches no route
//
// It is answered here and now, without authentication: Echo's own 404 or 405, and its 204 to
// OPTIONS. The middlewares behind this one do not run for it, since a Static or Proxy among them
// would serve what no rule names. Those in front of it do: they are outside.
//
// Echo's 404 also stands in for the handlers of RouteNotFound, with which Echo runs the middlewares
// of a group where the group has no route. To have such a handler run, or a Proxy that is a group's
// middleware, name it:
//
//	echo.RouteNotFound + " /blog/*": auth.Scopes("read:blog"),
//
// A rule for every method, such as "/blog/*", is not one for RouteNotFound.
func EnforceRules(guard *auth.Guard, rules auth.Rules) echo.MiddlewareFunc {
	if guard == nil {
		panic("echoauth: EnforceRules needs a Guard")
	}
	if err := rules.Validate(); err != nil {
		panic("echoauth: " + err.Error())
	}
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if err := guard.CanEnforce(rules[key]); err != nil {
			panic(fmt.Sprintf("echoauth: rule %q: %v", key, err))
		}
	}
	return inFront(&table{guard: guard, rules: maps.Clone(rules)})
}

// inFront returns the middleware of a table. It is not inlined, so that all of them share one
// function.
//
//go:noinline
func inFront(t *table) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		if next == nil { // Check asks whose it is
			return func(c echo.Context) error { *c.(tableAsked).found = t; return nil }
		}
		return func(c echo.Context) error {
			r := t.rule(c)
			if r.answer != nil { // check: rules-unrouted
				return r.answer(c)
			}
			before := c.Request()
			if err := authorize(t.guard, c, r.key, r.requirement); err != nil { // check: rules
				return err
			}
			defer handBack(before, c.Request())
			return next(c)
		}
	}
}

// tableAsked is a context that takes the table of a middleware.
type tableAsked struct {
	echo.Context
	found **table
}

var tableFunc = reflect.ValueOf(inFront(nil)).Pointer()

// A table finds the rule of the handler that a request was routed to.
type table struct {
	guard *auth.Guard
	rules auth.Rules
	known sync.Map // from *echo.Echo to index
}

// A rule is what a table says of one handler.
type rule struct {
	key         string
	requirement auth.Requirement // zero when no rule names the route
	answer      echo.HandlerFunc // what matches no route is answered with; nil for a route
}

// rule returns the rule of the handler that is about to run. In Pre, where nothing is routed yet,
// that is Echo's 404.
func (t *table) rule(c echo.Context) rule {
	h := c.Handler()
	if r, ok := t.index(c.Echo())[identify(h)]; ok {
		return r
	}
	if isOwn(h) { // check: rules-unknown
		return rule{answer: h}
	}
	return rule{} // a handler that no route has
}

func (t *table) index(e *echo.Echo) index {
	if known, ok := t.known.Load(e); ok {
		return known.(index)
	}
	known, _ := t.known.LoadOrStore(e, newIndex(e, t.rules))
	return known.(index)
}

// An index holds the rule of every route of an Echo, by its handler.
type index map[identity]rule

func newIndex(e *echo.Echo, rules auth.Rules) index {
	all := index{}
	for _, route := range routesOf(e) {
		h := route.handler()
		if h == nil {
			continue
		}
		id := identify(h)
		if _, twice := all[id]; twice { // check: rules-ambiguous
			all[id] = rule{} // Router.Add puts a handler as it is, be it at two routes
			continue
		}
		r := rule{key: route.key()}
		if key, req, ok := route.rule(rules); ok {
			r.key, r.requirement = key, req
		} else if route.Method == echo.RouteNotFound {
			r.answer = notFound
		}
		all[id] = r
	}
	return all
}

// notFound is Echo's own 404, as the application may have set it.
func notFound(c echo.Context) error { return echo.NotFoundHandler(c) }
