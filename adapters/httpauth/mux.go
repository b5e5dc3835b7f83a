// Package httpauth is net/http's router with an [auth.Guard] at every route.
//
//	mux := httpauth.NewMux(guard)
//	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
//	mux.HandleFunc("GET /healthz", auth.Public(), healthz)
//	server := &http.Server{Handler: mux}
//
// A route cannot be registered without its requirement: that does not compile. Patterns are
// http.ServeMux's, and so is what they match: HEAD follows GET, a path that is not clean is
// redirected before any handler, and what is not registered is 404 or 405, without authentication.
//
// [Mux.Rules] is the table of who may call what, for review and for authtest.AssertGuarded.
//
// # Startup and runtime
//
// Routes are registered before serving. What is wrong with one panics then and names it: a nil
// handler, a zero Requirement, a pattern that ServeMux refuses. A Mux does no I/O and holds no
// goroutine; it serves concurrently, as every http.Handler. The guard is asked when the route is
// known, before its handler: hooks are told the pattern, never the path.
//
// CORS goes outside the Mux: a preflight never has a token, and a browser shows a script the
// WWW-Authenticate of a refusal only where Access-Control-Expose-Headers names it.
package httpauth

import (
	"fmt"
	"maps"
	"net/http"

	auth "github.com/bearward/bearward/middleware"
)

// A Mux is an http.ServeMux to which no route can be added without a Requirement. The guard sits at
// the route, behind the ServeMux's own matching. It authorizes a request by the rule of the handler that the request reaches, however its path is spelled.
//
// What reaches no handler is answered by the ServeMux, without authentication: 404 and 405 for what
// is not registered, and the redirect to the clean form of a path. A route for GET also takes HEAD.
// Hooks are told the pattern as the operation.
//
// Add the routes before serving; a Mux that serves is safe for concurrent use.
type Mux struct {
	guard *auth.Guard
	mux   *http.ServeMux
	rules auth.Rules
}

// NewMux returns a Mux without routes. It panics when guard is nil.
func NewMux(guard *auth.Guard) *Mux {
	if guard == nil {
		panic("httpauth: NewMux needs a Guard")
	}
	return &Mux{guard: guard, mux: http.NewServeMux(), rules: make(auth.Rules)}
}

// Handle adds a route: the pattern is net/http.ServeMux's, such as "GET /orders/{id}". It panics,
// naming the pattern, when the guard cannot enforce req, when h is nil, and when ServeMux does: for
// a pattern that is malformed or in conflict with another.
func (m *Mux) Handle(pattern string, req auth.Requirement, h http.Handler) {
	if err := m.guard.CanEnforce(req); err != nil {
		panic(fmt.Sprintf("httpauth: route %q: %v", pattern, err))
	}
	if f, ok := h.(http.HandlerFunc); h == nil || ok && f == nil {
		panic(fmt.Sprintf("httpauth: route %q has a nil handler", pattern))
	}
	h = m.guard.Enforce(req)(h) // check: route-guard
	m.mux.Handle(pattern, h)
	m.rules[pattern] = req
}

// HandleFunc is Handle for a function.
func (m *Mux) HandleFunc(pattern string, req auth.Requirement, h func(http.ResponseWriter, *http.Request)) {
	m.Handle(pattern, req, http.HandlerFunc(h))
}

// Rules returns a copy of who may call what: the Requirement of every pattern. A Requirement prints
// in words.
func (m *Mux) Rules() auth.Rules { return maps.Clone(m.rules) }

// ServeHTTP serves the route that r matches to callers who meet its Requirement.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }
