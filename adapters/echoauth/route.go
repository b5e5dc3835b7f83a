package echoauth

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/labstack/echo/v4"

	auth "github.com/bearward/bearward/middleware"
)

// A route is one route of an Echo, and where it is.
type route struct {
	*echo.Route
	echo   *echo.Echo
	router *echo.Router
	host   string // "" for the default router
	depth  int    // the most segments that a path of this router's needs to be told apart
}

// routesOf returns the routes of every host, in order.
func routesOf(e *echo.Echo) []route {
	var all []route
	add := func(host string, router *echo.Router) {
		routes := router.Routes()
		depth := 0
		for _, r := range routes {
			depth = max(depth, strings.Count(r.Path, "/"))
		}
		for _, r := range routes {
			all = append(all, route{r, e, router, host, depth})
		}
	}
	add("", e.Router())
	for host, router := range e.Routers() {
		add(host, router)
	}
	slices.SortStableFunc(all, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return all
}

// key returns the key of a rule that names this route alone.
func (r route) key() string { return r.Method + " " + r.host + r.Path }

// rule returns the rule of the route, and its key.
func (r route) rule(rules auth.Rules) (key string, req auth.Requirement, ok bool) {
	if r.Method == echo.RouteNotFound { // no method: a rule for every method is not its own
		req, ok = rules[r.key()]
		return r.key(), req, ok
	}
	return rules.Find(r.Method, r.host+r.Path)
}

// handler returns the handler that the router has for the route, or nil when another route takes
// all its requests.
func (r route) handler() echo.HandlerFunc {
	for _, path := range r.samples() {
		if c := r.find(path); c.Path() == r.Path {
			return c.Handler()
		}
	}
	return nil
}

// find asks the router for a path. Echo's router panics at some paths, such as "/a:b/c" where
// `/a\:b/:y/:z` was registered before "/a:x". That ends the one request that comes with such a
// path; it must not end those that come with others.
func (r route) find(path string) (c echo.Context) {
	c = r.echo.NewContext(nil, nil)
	defer func() { _ = recover() }()
	r.router.Find(r.Method, path, c)
	return c
}

// sample is a segment that no route spells out.
const sample = "\x00"

// samples returns paths of which one reaches the route, if any path does. A parameter takes
// anything, so a segment that no other route spells out goes there. What a "*" takes may have to be
// longer or shorter than what the routes beside it take.
func (r route) samples() []string {
	var b strings.Builder
	for rest := r.Path; rest != ""; {
		switch {
		case strings.HasPrefix(rest, `\:`): // a colon that is no parameter
			b.WriteByte(':')
			rest = rest[2:]
		case rest[0] == ':':
			b.WriteString(sample)
			_, after, found := strings.Cut(rest, "/")
			rest = after
			if found {
				rest = "/" + after
			}
		case rest[0] == '*':
			var all []string
			for n := range r.depth + 2 {
				some := b.String() + strings.Repeat(sample+"/", n)
				all = append(all, some, some+sample)
			}
			return all
		default:
			b.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	return []string{b.String()}
}

// An identity tells handlers apart: two closures of one function are two. It keeps its handler
// alive, so that its address is never that of another one. reflect tells the function alone, and
// Echo makes the handlers of all routes by one function.
type identity unsafe.Pointer

func identify(h echo.HandlerFunc) identity {
	return *(*identity)(unsafe.Pointer(&h))
}

// isOwn reports whether h is one of Echo's answers to what matches no route.
func isOwn(h echo.HandlerFunc) bool {
	return identify(h) == identify(echo.NotFoundHandler) || identify(h) == identify(echo.MethodNotAllowedHandler) ||
		reflect.ValueOf(h).Pointer() == optionsFunc()
}

// optionsFunc returns the function of the closures with which Echo answers OPTIONS, taken from a
// router that has nothing but a GET.
var optionsFunc = sync.OnceValue(func() uintptr {
	e := echo.New()
	e.GET("/", echo.NotFoundHandler)
	c := e.NewContext(nil, nil)
	e.Router().Find(http.MethodOptions, "/", c)
	return reflect.ValueOf(c.Handler()).Pointer()
})
