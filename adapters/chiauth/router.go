// Package chiauth puts an [auth.Guard] at the endpoints of a chi router.
//
//	r := chi.NewRouter()
//	api := chiauth.NewRouter(guard, r)
//	api.Get("/orders", auth.Scopes("read:orders"), listOrders)
//	api.Get("/healthz", auth.Public(), healthz)
//	if err := chiauth.Check(r); err != nil {
//		log.Fatal(err)
//	}
//
// A [Router] adds routes together with their [auth.Requirement]. The guard sits at the endpoint
// itself. A middleware may rewrite the path or the method, as StripSlashes, CleanPath and GetHead
// do. The handler that runs is still the one whose rule was met. [Check] names what is left without
// a guard.
//
// [Enforce] is the second choice, for a router whose routes cannot be changed. It puts a table of
// rules in front of the router, and [CheckRules] compares the table with the routes. It answers 404
// and 405 itself, and is given to Use last; behind it chi serves the route that was authorized.
//
// # Startup and runtime
//
// Routes are added before serving. What is wrong with one panics then, and names it; the Checks
// return errors that name every route at fault. Nothing here does I/O or holds a goroutine, and
// what it returns serves concurrently. Middlewares of Use, With and Group stand in front of the
// guard and see every request. The handler sees accepted ones, with the Principal in the request's
// context.
//
// CORS goes outside the guard, to Use of the outermost router: a preflight never has a token. List
// WWW-Authenticate in Access-Control-Expose-Headers, or a browser hides it from scripts.
package chiauth

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	auth "github.com/bearward/bearward/middleware"
)

// A Router adds guarded routes to a chi.Router. What is not registered is chi's own 404 or 405,
// without authentication. Make it with [NewRouter]. Add the routes before serving; a Router holds
// nothing that a request needs.
//
// Each method panics, naming the route, when the Requirement is the zero one or the handler is nil.
// It also panics when the route is registered already, under any parameter names: chi would replace
// the handler silently. A route for one method may be added after one for every method, and wins.
//
// Hooks are told the method and the whole pattern, mounts included, as chi's RoutePattern tells it:
// "GET /v1/orders/{id}". A route for every method has no method in front.
type Router struct {
	guard *auth.Guard
	chi   chi.Router
}

// NewRouter returns a Router that adds to r, which may have other routes, middlewares and Routers.
// It panics when guard or r is nil.
func NewRouter(guard *auth.Guard, r chi.Router) *Router {
	if guard == nil {
		panic("chiauth: NewRouter needs a Guard")
	}
	if r == nil {
		panic("chiauth: NewRouter needs a chi.Router")
	}
	return &Router{guard, r}
}

// Connect adds a route for CONNECT.
func (r *Router) Connect(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodConnect, pattern, req, h)
}

// Delete adds a route for DELETE.
func (r *Router) Delete(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodDelete, pattern, req, h)
}

// Get adds a route for GET. As in chi, HEAD needs a route of its own, or chi's GetHead middleware.
func (r *Router) Get(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodGet, pattern, req, h)
}

// Head adds a route for HEAD.
func (r *Router) Head(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodHead, pattern, req, h)
}

// Options adds a route for OPTIONS.
func (r *Router) Options(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodOptions, pattern, req, h)
}

// Patch adds a route for PATCH.
func (r *Router) Patch(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodPatch, pattern, req, h)
}

// Post adds a route for POST.
func (r *Router) Post(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodPost, pattern, req, h)
}

// Put adds a route for PUT.
func (r *Router) Put(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodPut, pattern, req, h)
}

// Trace adds a route for TRACE.
func (r *Router) Trace(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.MethodFunc(http.MethodTrace, pattern, req, h)
}

// Method adds a route for one method, in any case of letters. It panics when chi does not know the
// method (chi.RegisterMethod).
func (r *Router) Method(method, pattern string, req auth.Requirement, h http.Handler) {
	r.add(method, pattern, req, h)
}

// MethodFunc is Method for a function.
func (r *Router) MethodFunc(method, pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.add(method, pattern, req, h)
}

// Handle adds a route for every method, or for the one that stands before the pattern: "GET
// /orders".
func (r *Router) Handle(pattern string, req auth.Requirement, h http.Handler) {
	method, pattern := splitMethod(pattern)
	r.add(method, pattern, req, h)
}

// HandleFunc is Handle for a function.
func (r *Router) HandleFunc(pattern string, req auth.Requirement, h http.HandlerFunc) {
	r.Handle(pattern, req, h)
}

// Mount attaches a handler with everything below pattern: a file server, say, or a chi router whose
// own routes have no guards. Its one Requirement holds for every path and method below. A chi
// router whose routes were added through a Router is mounted with chi's own Mount, and takes its
// guards along. A check of req finds the parameters of pattern ([auth.PathValue]); a route inside
// that uses their names again has values of its own.
func (r *Router) Mount(pattern string, req auth.Requirement, h http.Handler) {
	mustBeSound(pattern, req, h)
	guard := r.enforce("", req)
	// check: mount-guard
	r.chi.With(guard).Mount(pattern, h)
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
