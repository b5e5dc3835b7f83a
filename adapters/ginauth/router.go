package ginauth

import (
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	auth "github.com/bearward/bearward/middleware"
)

// A Router adds guarded routes to a gin engine, a route never without its [auth.Requirement]. The
// guard is in the endpoint, behind every middleware of the engine and of its groups. Make a Router
// with [NewRouter]. Add the routes before serving; a Router holds nothing that a request needs.
//
// Each method panics, naming the route, when the guard cannot enforce the Requirement
// ([auth.Guard.CanEnforce]) or the handler is nil. gin panics by itself when a route is registered
// already, under any parameter names.
//
// Hooks are told the method and the whole path of the route as the operation: "GET
// /v1/orders/:id". That is also the key of its rule, for authtest.AssertGuarded. A check of the
// Requirement finds the parameters of the path by [auth.PathValue], as c.Param tells them.
type Router struct {
	guard *auth.Guard
	to    routes
}

// routes is what an engine and its groups have in common.
type routes interface {
	gin.IRouter
	BasePath() string
}

// NewRouter returns a Router that adds to r: a *gin.Engine or a *gin.RouterGroup. It may have other
// routes, middlewares and Routers. NewRouter panics when guard or r is nil.
func NewRouter(guard *auth.Guard, r interface {
	gin.IRouter
	BasePath() string
}) *Router {
	if guard == nil || r == nil {
		panic("ginauth: NewRouter needs a Guard and an Engine or RouterGroup")
	}
	return &Router{guard, r}
}

// Group returns a Router for the routes below prefix, with middlewares in front of the guard.
func (r *Router) Group(prefix string, middlewares ...gin.HandlerFunc) *Router {
	return &Router{r.guard, r.to.Group(prefix, middlewares...)}
}

// GET adds a route for GET. As in gin, HEAD needs a route of its own.
func (r *Router) GET(path string, req auth.Requirement, h gin.HandlerFunc) {
	r.Handle(http.MethodGet, path, req, h)
}

// HEAD adds a route for HEAD.
func (r *Router) HEAD(path string, req auth.Requirement, h gin.HandlerFunc) {
	r.Handle(http.MethodHead, path, req, h)
}

// POST adds a route for POST.
func (r *Router) POST(path string, req auth.Requirement, h gin.HandlerFunc) {
	r.Handle(http.MethodPost, path, req, h)
}

// PUT adds a route for PUT.
func (r *Router) PUT(path string, req auth.Requirement, h gin.HandlerFunc) {
	r.Handle(http.MethodPut, path, req, h)
}

// PATCH adds a route for PATCH.
func (r *Router) PATCH(path string, req auth.Requirement, h gin.HandlerFunc) {
	r.Handle(http.MethodPatch, path, req, h)
}

// DELETE adds a route for DELETE.
func (r *Router) DELETE(path string, req auth.Requirement, h gin.HandlerFunc) {
	r.Handle(http.MethodDelete, path, req, h)
}

// OPTIONS adds a route for OPTIONS.
func (r *Router) OPTIONS(path string, req auth.Requirement, h gin.HandlerFunc) {
	r.Handle(http.MethodOptions, path, req, h)
}

// anyMethods are those of gin's own Any.
var anyMethods = []string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodHead,
	http.MethodOptions, http.MethodDelete, http.MethodConnect, http.MethodTrace,
}

// Any adds a route for each method that gin's own Any does, all with one Requirement.
func (r *Router) Any(path string, req auth.Requirement, h gin.HandlerFunc) {
	r.Match(anyMethods, path, req, h)
}

// Match adds a route for each of the methods, all with one Requirement.
func (r *Router) Match(methods []string, path string, req auth.Requirement, h gin.HandlerFunc) {
	for _, method := range methods {
		r.Handle(method, path, req, h)
	}
}

// StaticFS serves the files of fs below prefix, for GET and HEAD. What is not there is answered as
// http.FileServer does, and directories are listed; with gin.Dir(root, false) they are not.
func (r *Router) StaticFS(prefix string, req auth.Requirement, fs http.FileSystem) {
	whole := joined(r.to.BasePath(), prefix)
	if strings.ContainsAny(whole, ":*") { // check: static-parameter
		panic(fmt.Sprintf("ginauth: StaticFS: %q has a parameter", whole))
	}
	if fs == nil {
		panic(fmt.Sprintf("ginauth: StaticFS: %q has no file system", prefix))
	}
	files := http.StripPrefix(strings.TrimSuffix(whole, "/"), http.FileServer(fs))
	r.Match([]string{http.MethodGet, http.MethodHead}, path.Join(prefix, "/*filepath"), req, gin.WrapH(files))
}

// Handle adds a route for one method. It is where handlers of net/http go, by gin.WrapH.
func (r *Router) Handle(method, path string, req auth.Requirement, h gin.HandlerFunc) {
	operation := method + " " + joined(r.to.BasePath(), path)
	if err := r.guard.CanEnforce(req); err != nil { // check: route-requirement
		panic(fmt.Sprintf("ginauth: route %q: %v", operation, err))
	}
	if h == nil {
		panic(fmt.Sprintf("ginauth: route %q has a nil handler", operation))
	}
	r.to.Handle(method, path, endpoint(r.guard, operation, req, h))
}

// joined returns the path of a route in a group, as gin makes it.
func joined(base, relative string) string {
	if relative == "" {
		return base
	}
	whole := path.Join(base, relative)
	if strings.HasSuffix(relative, "/") && !strings.HasSuffix(whole, "/") {
		whole += "/"
	}
	return whole
}
