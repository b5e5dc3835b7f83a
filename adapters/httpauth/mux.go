// Package httpauth is net/http's router with a [middleware.Guard] at every route.
package httpauth

import (
	"fmt"
	"maps"
	"net/http"

	"github.com/bearward/bearward/middleware"
)

// A Mux is an http.ServeMux to which no route can be added without a Requirement. The guard sits at the route, behind the
// ServeMux's own matching, so that a request is judged by the rule of the handler that it reaches, however its path is spelled. A path
// that is not registered is the ServeMux's own 404 or 405, without authentication.
//
// Add the routes before serving; a Mux that serves is safe for concurrent use.
type Mux struct {
	guard *middleware.Guard
	mux   *http.ServeMux
	rules middleware.Rules
}

// NewMux returns a Mux without routes. It panics when guard is nil.
func NewMux(guard *middleware.Guard) *Mux {
	if guard == nil {
		panic("httpauth: NewMux needs a Guard")
	}
	return &Mux{guard: guard, mux: http.NewServeMux(), rules: make(middleware.Rules)}
}

// Handle adds a route: the pattern is net/http.ServeMux's, such as "GET /orders/{id}"; one with GET also takes HEAD. It panics when
// req is the zero Requirement, and when ServeMux does: for a pattern that is malformed or in conflict with another.
func (m *Mux) Handle(pattern string, req middleware.Requirement, h http.Handler) {
	if req.IsZero() {
		panic(fmt.Sprintf("httpauth: route %q has the zero Requirement, which lets nobody through", pattern))
	}
	m.mux.Handle(pattern, m.guard.Enforce(req)(h))
	m.rules[pattern] = req
}

// HandleFunc is Handle for a function.
func (m *Mux) HandleFunc(pattern string, req middleware.Requirement, h func(http.ResponseWriter, *http.Request)) {
	if h == nil {
		panic(fmt.Sprintf("httpauth: route %q has a nil handler", pattern))
	}
	m.Handle(pattern, req, http.HandlerFunc(h))
}

// Rules returns a copy of who may call what: the Requirement of every pattern.
func (m *Mux) Rules() middleware.Rules { return maps.Clone(m.rules) }

// ServeHTTP serves the route that r matches to callers who meet its Requirement.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }
