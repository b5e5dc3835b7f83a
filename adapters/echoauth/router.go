package echoauth

import (
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"weak"

	"github.com/labstack/echo/v4"

	auth "github.com/bearward/bearward/middleware"
)

// A Router adds guarded routes to an Echo, a route never without its [auth.Requirement]. The guard
// sits at the endpoint, behind every middleware, those of the route included. They may change the
// request's method or path: the handler that runs is still the one whose rule was met. A group that
// got its middlewares too late is guarded all the same. What is not registered is Echo's own 404 or
// 405, without authentication.
//
// Each method panics, naming the route, when the guard cannot enforce the Requirement
// ([auth.Guard.CanEnforce]) or the handler is nil. It also panics when the route is registered
// already, under any parameter names: Echo would replace the handler silently. Make it with
// [NewRouter]. Add the routes before serving; a Router holds nothing that a request needs.
//
// Hooks are told the method and the whole path of the route as the operation. The host of a virtual
// one stands in front of the path. [CheckRouter] names what was added by other ways.
type Router struct {
	guard *auth.Guard
	echo  *echo.Echo
	host  string
	to    adder
}

// adder is what Echo and its groups have in common.
type adder interface {
	Add(method, path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route
	Group(prefix string, m ...echo.MiddlewareFunc) *echo.Group
}

// NewRouter returns a Router that adds to e, which may have other routes, middlewares and Routers.
// It panics when guard or e is nil.
func NewRouter(guard *auth.Guard, e *echo.Echo) *Router {
	if guard == nil || e == nil {
		panic("echoauth: NewRouter needs a Guard and an Echo")
	}
	return &Router{guard: guard, echo: e, to: e}
}

// Group returns a Router for the routes below prefix, with middlewares in front of the guard.
func (r *Router) Group(prefix string, middlewares ...echo.MiddlewareFunc) *Router {
	return &Router{r.guard, r.echo, r.host, r.to.Group(prefix, middlewares...)}
}

// Host returns a Router for the routes of a virtual host.
func (r *Router) Host(name string, middlewares ...echo.MiddlewareFunc) *Router {
	return &Router{r.guard, r.echo, name, r.echo.Host(name, middlewares...)}
}

// GET adds a route for GET. As in Echo, HEAD needs a route of its own.
func (r *Router) GET(path string, req auth.Requirement, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.Add(http.MethodGet, path, req, h, m...)
}

// HEAD adds a route for HEAD.
func (r *Router) HEAD(path string, req auth.Requirement, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.Add(http.MethodHead, path, req, h, m...)
}

// POST adds a route for POST.
func (r *Router) POST(path string, req auth.Requirement, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.Add(http.MethodPost, path, req, h, m...)
}

// PUT adds a route for PUT.
func (r *Router) PUT(path string, req auth.Requirement, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.Add(http.MethodPut, path, req, h, m...)
}

// PATCH adds a route for PATCH.
func (r *Router) PATCH(path string, req auth.Requirement, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.Add(http.MethodPatch, path, req, h, m...)
}

// DELETE adds a route for DELETE.
func (r *Router) DELETE(path string, req auth.Requirement, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.Add(http.MethodDelete, path, req, h, m...)
}

// Add adds a route for one method, which may be any that Echo takes, echo.RouteNotFound included.
// Middlewares stand in front of the guard.
func (r *Router) Add(method, path string, req auth.Requirement, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	if err := r.guard.CanEnforce(req); err != nil { // check: route-requirement
		panic(fmt.Sprintf("echoauth: route %q: %v", method+" "+r.host+path, err))
	}
	if h == nil {
		panic(fmt.Sprintf("echoauth: route %q has a nil handler", method+" "+r.host+path))
	}
	before := r.keys()
	var operation string
	added := r.to.Add(method, path, func(c echo.Context) error {
		before := c.Request()
		if err := authorize(r.guard, c, operation, req); err != nil { // check: endpoint-guard
			return err
		}
		defer handBack(before, c.Request())
		return h(c)
	}, m...)
	operation = added.Method + " " + r.host + added.Path
	if before[shape(operation)] { // check: route-twice
		panic(fmt.Sprintf("echoauth: route %q is registered twice", operation))
	}
	markGuarded(added, r.handlerOf(added))
	return added
}

// handlerOf returns the handler that Echo has for a route, nil for one that another route hides.
func (r *Router) handlerOf(added *echo.Route) echo.HandlerFunc {
	for _, route := range routesOf(r.echo) {
		if route.Route == added {
			return route.handler()
		}
	}
	return nil
}

// keys returns the shapes of the routes that are there.
func (r *Router) keys() map[string]bool {
	all := map[string]bool{}
	for _, route := range routesOf(r.echo) {
		all[shape(route.key())] = route.Name != automaticNotFound()
	}
	return all
}

var parameter = regexp.MustCompile(`([^\\]):[^/]*`)

// shape returns the key of a route without the names of its parameters: "/:id" and "/:key" are one
// route to Echo.
func shape(key string) string {
	method, path, _ := strings.Cut(key, " ")
	i := max(strings.IndexByte(path, '/'), 0) // a host may have a port
	return method + " " + path[:i] + parameter.ReplaceAllString(path[i:], "$1:")
}

// atEndpoint are the routes that Routers added, each with the address of its handler. It keeps none
// of them alive. A handler that takes the place of another one has another address, since both are
// there at that time.
var atEndpoint sync.Map // of weak.Pointer[echo.Route] to uintptr

func markGuarded(r *echo.Route, h echo.HandlerFunc) {
	key := weak.Make(r)
	atEndpoint.Store(key, addressOf(h))
	runtime.AddCleanup(r, func(key weak.Pointer[echo.Route]) { atEndpoint.Delete(key) }, key)
}

func isMarkedGuarded(r *echo.Route) bool {
	_, ok := atEndpoint.Load(weak.Make(r))
	return ok
}

// isReplaced reports whether h, which Echo has for a route of a Router, is not what was added.
func isReplaced(r *echo.Route, h echo.HandlerFunc) bool {
	was, _ := atEndpoint.Load(weak.Make(r))
	return was != addressOf(h) && was != uintptr(0)
}

func addressOf(h echo.HandlerFunc) uintptr { return uintptr(identify(h)) }
