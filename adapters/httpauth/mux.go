// Package httpauth is net/http's router with an [auth.Guard] at every route.
//
//	mux := httpauth.NewMux(guard)
//	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
//	mux.HandleFunc("GET /healthz", auth.Public(), healthz)
//	server := &http.Server{Handler: mux}
//
// A route cannot be registered without its requirement: that does not compile. Patterns are
// http.ServeMux's, and match as there: HEAD follows GET, and a path that is not clean is redirected
// before any handler. What is not registered is 404 or 405, without authentication.
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
// CORS goes outside the Mux: a preflight never has a token. List WWW-Authenticate in
// Access-Control-Expose-Headers, or a browser hides it from scripts.
package httpauth

import (
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// A Mux is an http.ServeMux to which no route can be added without a Requirement. The guard sits at
// the route, behind the ServeMux's own matching. It authorizes a request by the rule of the handler
// that the request reaches, however its path is spelled.
//
// The ServeMux answers what reaches no handler, without authentication. That is 404 or 405 for what
// is not registered, and the redirect to the clean form of a path. A route for GET also takes HEAD.
// Hooks are told the pattern as the operation.
//
// Make it with [NewMux]. Add the routes before serving; a Mux that serves is safe for concurrent
// use.
type Mux struct {
	guard *auth.Guard
	mux   *http.ServeMux
	rules auth.Rules
	lines map[string]string // of the program that registered each pattern
}

// NewMux returns a Mux without routes. It panics when guard is nil.
func NewMux(guard *auth.Guard) *Mux {
	if guard == nil {
		panic("httpauth: NewMux needs a Guard")
	}
	return &Mux{guard: guard, mux: http.NewServeMux(), rules: make(auth.Rules), lines: make(map[string]string)}
}

// Handle adds a route: the pattern is net/http.ServeMux's, such as "GET /orders/{id}". It panics,
// naming the pattern, when the guard cannot enforce req and when h is nil. It also panics when
// ServeMux does: for a malformed pattern, or for one in conflict with another, whose lines of the
// program it then names.
func (m *Mux) Handle(pattern string, req auth.Requirement, h http.Handler) {
	m.handle(pattern, req, h, caller())
}

func (m *Mux) handle(pattern string, req auth.Requirement, h http.Handler, line string) {
	if err := m.guard.CanEnforce(req); err != nil {
		panic(fmt.Sprintf("httpauth: route %q: %v", pattern, err))
	}
	if f, ok := h.(http.HandlerFunc); h == nil || ok && f == nil {
		panic(fmt.Sprintf("httpauth: route %q has a nil handler", pattern))
	}
	h = m.guard.Enforce(req)(h) // check: route-guard
	defer m.nameLines(pattern, line)
	m.mux.Handle(pattern, h)
	m.rules[pattern], m.lines[pattern] = req, line
}

// nameLines adds to a panic of ServeMux which lines of the program registered the routes: ServeMux
// names the line that called it, which is this package's.
func (m *Mux) nameLines(pattern, line string) {
	v := recover()
	if v == nil {
		return
	}
	text := fmt.Sprintf("httpauth: route %q at %s: %v", pattern, line, v)
	for other, first := range m.lines {
		if strings.Contains(text, fmt.Sprintf("conflicts with pattern %q", other)) {
			text += fmt.Sprintf("\n%q is registered at %s", other, first)
		}
	}
	panic(text)
}

// caller returns the line that called the exported method.
func caller() string {
	_, file, line, ok := runtime.Caller(2)
	if !ok {
		return "an unknown line"
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// HandleFunc is Handle for a function.
func (m *Mux) HandleFunc(pattern string, req auth.Requirement, h func(http.ResponseWriter, *http.Request)) {
	m.handle(pattern, req, http.HandlerFunc(h), caller())
}

// Rules returns a copy of who may call what: the Requirement of every pattern. A Requirement prints
// in words.
func (m *Mux) Rules() auth.Rules { return maps.Clone(m.rules) }

// ServeHTTP serves the route that r matches to callers who meet its Requirement.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }
