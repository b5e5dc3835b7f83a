// Package chiauth puts a [middleware.Guard] at the endpoints of a chi router.
//
// A [Router] adds routes together with their [middleware.Requirement]. The guard sits at the endpoint itself, so whatever
// middleware rewrites the path or the method on the way, before or after (StripSlashes, CleanPath, GetHead, a method override), the
// handler that is reached is the one whose rule was met. [Check] names what is left without a guard.
package chiauth

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/middleware"
)

// A Router adds guarded routes to a chi.Router. What is not registered is chi's own 404 or 405, without authentication. Add the
// routes before serving.
//
// Each method panics, naming the route, when the Requirement is the zero one or the route is registered already: chi would
// replace the handler silently.
type Router struct {
	guard *middleware.Guard
	chi   chi.Router
}

// NewRouter returns a Router that adds to r. It panics when guard or r is nil.
func NewRouter(guard *middleware.Guard, r chi.Router) *Router {
	if guard == nil {
		panic("chiauth: NewRouter needs a Guard")
	}
	if r == nil {
		panic("chiauth: NewRouter needs a chi.Router")
	}
	return &Router{guard, r}
}

// Get adds a route for GET. As in chi, HEAD needs a route of its own, or chi's GetHead middleware.
func (r *Router) Get(pattern string, req middleware.Requirement, h http.HandlerFunc) {
	r.Method(http.MethodGet, pattern, req, h)
}

// Head adds a route for HEAD.
func (r *Router) Head(pattern string, req middleware.Requirement, h http.HandlerFunc) {
	r.Method(http.MethodHead, pattern, req, h)
}

// Post adds a route for POST.
func (r *Router) Post(pattern string, req middleware.Requirement, h http.HandlerFunc) {
	r.Method(http.MethodPost, pattern, req, h)
}

// Put adds a route for PUT.
func (r *Router) Put(pattern string, req middleware.Requirement, h http.HandlerFunc) {
	r.Method(http.MethodPut, pattern, req, h)
}

// Patch adds a route for PATCH.
func (r *Router) Patch(pattern string, req middleware.Requirement, h http.HandlerFunc) {
	r.Method(http.MethodPatch, pattern, req, h)
}

// Delete adds a route for DELETE.
func (r *Router) Delete(pattern string, req middleware.Requirement, h http.HandlerFunc) {
	r.Method(http.MethodDelete, pattern, req, h)
}

// Options adds a route for OPTIONS.
func (r *Router) Options(pattern string, req middleware.Requirement, h http.HandlerFunc) {
	r.Method(http.MethodOptions, pattern, req, h)
}

// Method adds a route for one method.
func (r *Router) Method(method, pattern string, req middleware.Requirement, h http.Handler) {
	r.mustBeNew(method, pattern)
	r.chi.Method(method, pattern, r.enforce(method+" ", pattern, req)(h))
}

// Handle adds a route for every method.
func (r *Router) Handle(pattern string, req middleware.Requirement, h http.Handler) {
	r.mustBeNew("*", pattern)
	r.chi.Handle(pattern, r.enforce("", pattern, req)(h))
}

// Mount attaches a handler that is no chi router of this package's, such as a file server, with all that is below pattern. Its one
// Requirement holds for every path and method below.
func (r *Router) Mount(pattern string, req middleware.Requirement, h http.Handler) {
	r.chi.With(r.enforce("", pattern, req)).Mount(pattern, h)
}

// Route adds the routes that fn registers, below pattern.
func (r *Router) Route(pattern string, fn func(r *Router)) {
	r.chi.Route(pattern, func(sub chi.Router) { fn(&Router{r.guard, sub}) })
}

// Group adds the routes that fn registers, beside those of r, with a middleware stack of their own.
func (r *Router) Group(fn func(r *Router)) {
	r.chi.Group(func(sub chi.Router) { fn(&Router{r.guard, sub}) })
}

// With returns a Router whose routes have these middlewares in front of the guard.
func (r *Router) With(middlewares ...func(http.Handler) http.Handler) *Router {
	return &Router{r.guard, r.chi.With(middlewares...)}
}

// Use appends middlewares to the stack of the underlying router, in front of every guard.
func (r *Router) Use(middlewares ...func(http.Handler) http.Handler) { r.chi.Use(middlewares...) }

func (r *Router) enforce(prefix, pattern string, req middleware.Requirement) func(http.Handler) http.Handler {
	if req.IsZero() {
		panic(fmt.Sprintf("chiauth: route %q has the zero Requirement, which lets nobody through", prefix+pattern))
	}
	n := &name{prefix: prefix}
	return r.guard.EnforceNamed(n.of, req)
}

func (r *Router) mustBeNew(method, pattern string) {
	for _, route := range r.chi.Routes() {
		if _, ok := route.Handlers[method]; ok && route.Pattern == pattern {
			panic(fmt.Sprintf("chiauth: route %q is registered twice", method+" "+pattern))
		}
	}
}

// A name is the operation of one endpoint: its method and its whole pattern, mounts included. The pattern is known only when a
// request comes, and is then the same for nearly all, so the last one is kept.
type name struct {
	prefix string
	last   atomic.Pointer[named]
}

type named struct{ pattern, operation string }

func (n *name) of(r *http.Request) string {
	if n.prefix == "" {
		return r.Pattern
	}
	if last := n.last.Load(); last != nil && last.pattern == r.Pattern {
		return last.operation
	}
	next := &named{r.Pattern, n.prefix + r.Pattern}
	n.last.Store(next)
	return next.operation
}
