package chiauth

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"

	"github.com/go-chi/chi/v5"

	auth "github.com/bearward/bearward/middleware"
)

// add registers h behind the guard, for one method or, when method is "", for every one.
func (r *Router) add(method, pattern string, req auth.Requirement, h http.Handler) {
	method = strings.ToUpper(method)
	route := strings.TrimSpace(method + " " + pattern)
	mustBeSound(route, req, h)
	mustBeNew(r.chi, method, pattern)
	prefix := ""
	if method != "" {
		prefix = method + " "
	}
	h = r.enforce(prefix, req)(h) // check: endpoint-guard
	if method == "" {
		r.chi.Handle(pattern, h)
		return
	}
	r.chi.Method(method, pattern, h)
}

func (r *Router) enforce(prefix string, req auth.Requirement) func(http.Handler) http.Handler {
	return r.guard.EnforceCredentials((&name{prefix: prefix}).credentials, req)
}

func mustBeSound(route string, req auth.Requirement, h http.Handler) {
	if req.IsZero() { // check: route-zero
		panic(fmt.Sprintf("chiauth: route %q has the zero Requirement, which denies every request", route))
	}
	if f, ok := h.(http.HandlerFunc); h == nil || ok && f == nil {
		panic(fmt.Sprintf("chiauth: route %q has a nil handler", route))
	}
}

// mustBeNew panics when the route would replace another one of r.
func mustBeNew(r chi.Routes, method, pattern string) {
	for _, route := range r.Routes() {
		if shape(route.Pattern) != shape(pattern) {
			continue
		}
		all, there := route.Handlers["*"], route.Handlers[method]
		switch {
		case route.SubRoutes != nil: // check: route-hides-mount
			panic(fmt.Sprintf("chiauth: route %q would hide what is mounted there", strings.TrimSpace(method+" "+pattern)))
		case method == "": // check: route-replaces
			panic(fmt.Sprintf("chiauth: route %q would replace one that is registered already: add it first", pattern))
		case there != nil && !same(there, all): // check: route-twice
			panic(fmt.Sprintf("chiauth: route %q is registered twice", method+" "+pattern))
		}
	}
}

// same reports whether two handlers are one, or functions of one body.
func same(a, b http.Handler) bool {
	if a == nil || b == nil {
		return false
	}
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Type() != y.Type() || x.Kind() != reflect.Func && x.Kind() != reflect.Pointer {
		return false
	}
	return x.Pointer() == y.Pointer()
}

// shape returns pattern without the names of its parameters: "/{id}" and "/{key}" are one route to
// chi.
func shape(pattern string) string {
	var b strings.Builder
	depth, naming := 0, false
	for _, c := range pattern {
		switch {
		case c == '{':
			depth++
			if depth == 1 {
				b.WriteRune(c)
				naming = true
			}
		case c == '}':
			depth--
			naming = naming && depth > 0
		case c == ':' && depth == 1:
			naming = false
		}
		if !naming {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// splitMethod splits a pattern as chi's Handle does: "GET /orders" is a route for GET, "/orders"
// one for every method.
func splitMethod(pattern string) (method, rest string) {
	if i := strings.IndexAny(pattern, " \t"); i >= 0 {
		return pattern[:i], strings.TrimLeft(pattern[i+1:], " \t")
	}
	return "", pattern
}

// A name is the operation of one endpoint: its method and its whole pattern, mounts included. The
// pattern is known only when a request comes, and is then the same for nearly all, so the last one
// is kept.
type name struct {
	prefix string
	last   atomic.Pointer[named]
}

type named struct{ pattern, operation string }

func (n *name) credentials(w http.ResponseWriter, r *http.Request) auth.Credentials {
	c := auth.RequestCredentials(w, r, n.of(r))
	c.Params = params{r}
	return c
}

// params are what chi found on its way to the endpoint. It is as large as a pointer, so that it
// costs no allocation.
type params struct{ *http.Request }

func (p params) Param(name string) string { return chi.URLParam(p.Request, name) }

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
