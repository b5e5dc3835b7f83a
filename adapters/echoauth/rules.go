package echoauth

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"unsafe"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/middleware"
)

// EnforceRules returns a middleware for Echo.Use that judges every route by a table. The keys are "METHOD /path", or "/path" for
// every method, with the path as Echo's Route tells it; the routes of a virtual host (Echo.Host) have the host in front of the
// path, as in "GET api.example/orders". Rules are copied. It panics when guard is nil or the rules cannot be used.
//
// The rule is that of the route whose handler is about to run, whatever a middleware made of the request's method or path since
// it was routed. A route that no rule names is refused with 403. What matches no route is Echo's own 404 or 405, and what it
// answers to OPTIONS by itself is let through, all without authentication.
func EnforceRules(guard *middleware.Guard, rules middleware.Rules) echo.MiddlewareFunc {
	if guard == nil {
		panic("echoauth: EnforceRules needs a Guard")
	}
	if err := rules.Validate(); err != nil {
		panic("echoauth: " + err.Error())
	}
	t := &table{guard: guard, rules: maps.Clone(rules)}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := t.rule(c)
			if !r.own { // mutant: rules
				if err := admit(t.guard, c, r.key, r.requirement); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}

// A rule is what a table says of one route.
type rule struct {
	key         string
	requirement middleware.Requirement // zero when no rule names the route
	own         bool                   // no route: an answer of Echo itself
}

// A table finds the rule of the handler that a request was routed to.
type table struct {
	guard *middleware.Guard
	rules middleware.Rules
	known sync.Map // of rule, by the identity of the route's handler
}

// identity tells handlers apart: two closures of one function are two. As a key it keeps the handler alive, so it is never used again
// for another.
func identity(h echo.HandlerFunc) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&h))
}

// rule finds the route of the handler that is about to run. It asks the router again, for every method of the path, which of them
// leads to this very handler: the request's own method may have been overridden after it was routed.
func (t *table) rule(c echo.Context) rule {
	h := identity(c.Handler())
	if r, ok := t.known.Load(h); ok {
		return r.(rule)
	}
	host, router := routerOf(c)
	for _, method := range methodsOf(router, c.Path()) {
		if identity(find(c, router, method)) != h {
			continue
		}
		r := rule{own: method == echo.RouteNotFound}
		if !r.own {
			r.key, r.requirement, _ = t.rules.ForRoute(method, host+c.Path())
			if r.requirement.IsZero() { // ForRoute's key may be no rule's
				r.key = method + " " + host + c.Path()
			}
		}
		t.known.Store(h, r)
		return r
	}
	return rule{own: isOwn(c.Handler())} // not to be kept: it may be made anew for each request
}

// methodsOf returns the methods for which the router has routes of this path, RouteNotFound included.
func methodsOf(router *echo.Router, path string) []string {
	var methods []string
	for _, route := range router.Routes() {
		if route.Path == path {
			methods = append(methods, route.Method)
		}
	}
	return methods
}

// find returns the handler that the router has for the request's path and a method.
func find(c echo.Context, router *echo.Router, method string) echo.HandlerFunc {
	probe := c.Echo().AcquireContext()
	defer c.Echo().ReleaseContext(probe)
	probe.Reset(c.Request(), nil)
	router.Find(method, echo.GetPath(c.Request()), probe)
	return probe.Handler()
}

// routerOf returns the router that Echo chose for the request, and its host, "" for the default one.
func routerOf(c echo.Context) (string, *echo.Router) {
	host := c.Request().Host
	if router, ok := c.Echo().Routers()[host]; ok {
		return host, router
	}
	return "", c.Echo().Router()
}

// isOwn reports whether h is one of Echo's own answers to what matches no route. Anything else that is not found in the router is
// refused.
func isOwn(h echo.HandlerFunc) bool {
	code := reflect.ValueOf(h).Pointer()
	for _, own := range []echo.HandlerFunc{echo.NotFoundHandler, echo.MethodNotAllowedHandler, optionsAnswer} {
		if code == reflect.ValueOf(own).Pointer() {
			return true
		}
	}
	return false
}

// optionsAnswer is what Echo answers to OPTIONS by itself, taken from a router that has nothing but a GET.
var optionsAnswer = func() echo.HandlerFunc {
	e := echo.New()
	e.GET("/", echo.NotFoundHandler)
	c := e.NewContext(nil, nil)
	e.Router().Find(http.MethodOptions, "/", c)
	return c.Handler()
}()

// Check returns an error that names every registered route that no rule covers, and every rule that no route uses: for an Echo behind
// [EnforceRules]. Call it after the routes are registered and before the server serves.
func Check(e *echo.Echo, rules middleware.Rules) error {
	if err := rules.Validate(); err != nil {
		return fmt.Errorf("echoauth: %w", err)
	}
	idle := maps.Clone(rules)
	var errs []error
	check := func(host string, router *echo.Router) {
		for _, route := range sorted(router.Routes()) {
			if route.Method == echo.RouteNotFound { // Echo adds them to groups with middlewares
				continue
			}
			key, _, ok := rules.ForRoute(route.Method, host+route.Path)
			if !ok { // mutant: check-uncovered
				errs = append(errs, fmt.Errorf("echoauth: no rule names %s %s: it is refused to everyone", route.Method, host+route.Path))
			}
			delete(idle, key)
		}
	}
	check("", e.Router())
	routers := e.Routers()
	for _, host := range slices.Sorted(maps.Keys(routers)) {
		check(host, routers[host])
	}
	for _, key := range slices.Sorted(maps.Keys(idle)) {
		errs = append(errs, fmt.Errorf("echoauth: no route uses rule %q", key)) // mutant: check-idle
	}
	return errors.Join(errs...)
}

func sorted(routes []*echo.Route) []*echo.Route {
	return slices.SortedFunc(slices.Values(routes), func(a, b *echo.Route) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
}
