package chiauth

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	auth "github.com/bearward/bearward/middleware"
)

// Enforce returns a middleware that judges requests by a table of rules in front of r, for trees
// whose routes are registered elsewhere. Prefer a [Router], whose guards sit at the endpoints. The
// keys are "METHOD /pattern", or "/pattern" for every method, with the whole pattern: that of a
// route "/" in a router mounted at "/v1" is "/v1/", that of a file server mounted at "/files" is
// "/files/*". The rules are copied. Enforce panics when they cannot be used.
//
// A registered route that no rule names is refused with 403; a request that matches no route is
// answered with 405, or with the NotFound handler of r, and goes no further. [CheckRules] names at
// start the routes without rule and the rules without route.
//
// Give it to r.Use last; CheckRules insists on it. What comes behind a table may send a request to
// another handler than the one it was judged for, so no middleware of a mounted router may rewrite
// the path or the method. Against those that often do, wherever they are:
//
//   - chi is told the method that was judged, and does not look at http.Request.Method again;
//   - a path with an empty, "." or ".." segment is answered with 404, since CleanPath would make another of it;
//   - a path with a trailing slash must also meet the rule of the path without, if that one is a route: StripSlashes.
//
// The routes are read when the first request comes.
func Enforce(guard *auth.Guard, rules auth.Rules, r chi.Routes) func(http.Handler) http.Handler {
	if guard == nil || r == nil {
		panic("chiauth: Enforce needs a Guard and the routes that it stands in front of")
	}
	if err := rules.Validate(); err != nil {
		panic("chiauth: " + err.Error())
	}
	mustEnforce(guard, rules)
	return inFront(table{guard: guard, rules: maps.Clone(rules), routes: r, tree: sync.OnceValue(func() *tree { return treeOf(r) })})
}

// mustEnforce panics when guard cannot enforce one of rules.
func mustEnforce(guard *auth.Guard, rules auth.Rules) {
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if err := guard.CanEnforce(rules[key]); err != nil {
			panic(fmt.Sprintf("chiauth: rule %q: %v", key, err))
		}
	}
}

// inFront returns the middleware of a table. It is not inlined, so that all of them share one
// function.
//
//go:noinline
func inFront(t table) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		t := t
		t.next = next
		return &t
	}
}

var tableFunc = reflect.ValueOf(inFront(table{})).Pointer()

// tableOf returns the table of mux that is the last of its middlewares, or nil.
func tableOf(mux *chi.Mux, stack chi.Middlewares) *table {
	if len(stack) == 0 {
		return nil
	}
	last := stack[len(stack)-1]
	if reflect.ValueOf(last).Pointer() != tableFunc {
		return nil
	}
	t, ok := last(nil).(*table)
	if !ok || t.routes != chi.Routes(mux) { // check: table-of-another
		return nil
	}
	return t
}

// A table judges by rules what it stands in front of.
type table struct {
	guard  *auth.Guard
	rules  auth.Rules
	routes chi.Routes
	tree   func() *tree
	next   http.Handler
}

func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, method, target := t.pinned(r)
	if !isClean(target) { // check: table-clean-path
		t.notFound(w, r)
		return
	}
	pattern := t.tree().route(method, target)
	if pattern == "" { // check: table-miss
		t.miss(w, r, target)
		return
	}
	h := t.guarded(method, pattern, t.next)
	if shorter := strings.TrimSuffix(target, "/"); shorter != target && shorter != "" {
		if other := t.tree().route(method, shorter); other != "" && other != pattern { // check: table-trailing-slash
			h = t.guarded(method, other, h)
		}
	}
	h.ServeHTTP(w, r)
}

// guarded puts the rule of a route in front of next. A route without a rule denies every request.
func (t *table) guarded(method, pattern string, next http.Handler) http.Handler {
	key, req, ok := t.rules.ForRoute(method, pattern)
	if !ok {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := t.guard.Authorize(r.Context(), auth.RequestCredentials(w, r, method+" "+pattern), auth.Requirement{})
			t.guard.Refuse(w, r, err)
		})
	}
	return t.guard.EnforceNamed(func(*http.Request) string { return key }, req)(next)
}

// pinned returns the method and path that chi routes r by, and a request that it routes by them
// whatever a middleware behind the table writes into r.Method. The path is written down where it
// has an escaped form of its own: StripSlashes would otherwise route "/admin%2Fstats/" by the
// decoded one, "/admin/stats".
func (t *table) pinned(r *http.Request) (pinned *http.Request, method, target string) {
	ctx := chi.RouteContext(r.Context())
	if ctx == nil {
		ctx = chi.NewRouteContext()
		ctx.Routes = t.routes
		r = r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, ctx))
	}
	if ctx.RouteMethod == "" { // check: table-pin-method
		ctx.RouteMethod = r.Method
	}
	if ctx.RoutePath == "" { // check: table-pin-path
		ctx.RoutePath = r.URL.RawPath
	}
	method, target = cmp.Or(ctx.RouteMethod, r.Method), cmp.Or(ctx.RoutePath, r.URL.RawPath, r.URL.Path, "/")
	return r, method, target
}

func isClean(target string) bool {
	clean := path.Clean(target)
	return target == clean || strings.HasSuffix(target, "/") && target == strings.TrimSuffix(clean, "/")+"/"
}

// miss answers a request that matches no route: 405 with Allow when another method has one, and 404
// otherwise.
func (t *table) miss(w http.ResponseWriter, r *http.Request, target string) {
	allowed := false
	for _, method := range everyMethod() {
		if t.tree().route(method, target) != "" {
			w.Header().Add("Allow", method)
			allowed = true
		}
	}
	if !allowed {
		t.notFound(w, r)
		return
	}
	if mux, ok := t.routes.(*chi.Mux); ok {
		mux.MethodNotAllowedHandler()(w, r)
		return
	}
	w.WriteHeader(http.StatusMethodNotAllowed)
}

func (t *table) notFound(w http.ResponseWriter, r *http.Request) {
	if mux, ok := t.routes.(*chi.Mux); ok {
		mux.NotFoundHandler()(w, r)
		return
	}
	http.NotFound(w, r)
}
