package chiauth

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"github.com/go-chi/chi/v5"

	auth "github.com/bearward/bearward/middleware"
)

// Enforce returns a middleware that authorizes requests by a table of rules in front of r, for
// trees whose routes are registered elsewhere. Prefer a [Router], whose guards sit at the
// endpoints. The keys are "METHOD /pattern", or "/pattern" for every method, with the whole
// pattern. The key of a route "/" in a router mounted at "/v1" is "/v1/"; that of a file server
// mounted at "/files" is "/files/*". The rules are copied. Enforce panics when they cannot be used.
//
// A registered route that no rule names is refused with 403. A request that matches no route is
// answered with 405, or by the NotFound handler of r, and goes no further. [CheckRules] names at
// start the routes without rule and the rules without route.
//
// Give it to r.Use last; CheckRules insists on it. Middlewares in front of it may rewrite the path
// or the method: the table authorizes what they made. Behind it chi routes by the method and path
// that were authorized, in mounted routers too. What a middleware there writes into chi's context
// or into the request changes nothing. StripSlashes in a mounted router has no effect, and
// CheckRules says so. What a middleware or a mounted handler serves by itself, without chi, is
// authorized by the rule of the route that leads to it. A middleware that puts a new chi.Context
// under chi.RouteCtxKey routes by itself: no table in front can know where to. Guard what is behind
// it by a [Router].
//
// HEAD is authorized and served as GET where it has no route of its own, with GetHead and without.
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

// A table authorizes by rules the requests to a router.
type table struct {
	guard  *auth.Guard
	rules  auth.Rules
	routes chi.Routes
	tree   func() *tree
	next   http.Handler
}

func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := chi.RouteContext(r.Context())
	if ctx == nil {
		ctx = chi.NewRouteContext()
		ctx.Routes = t.routes
	}
	method, target := cmp.Or(ctx.RouteMethod, r.Method), cmp.Or(ctx.RoutePath, r.URL.RawPath, r.URL.Path, "/")
	to := t.tree().route(method, target, nil)
	if to.pattern == "" && method == http.MethodHead { // check: table-head
		to, method = t.tree().route(http.MethodGet, target, nil), http.MethodGet
	}
	if to.pattern == "" { // check: table-miss
		t.miss(w, r, target, to.otherMethod)
		return
	}
	p := keepTo(r, ctx, method, to.paths)
	p.tree = t.tree()
	r = r.WithContext(p)
	t.guarded(method, to.pattern, p, t.next).ServeHTTP(w, r)
}

// guarded puts the rule of a route in front of next. A route without a rule denies every request.
func (t *table) guarded(method, pattern string, p *keptContext, next http.Handler) http.Handler {
	key, req, ok := t.rules.Find(method, pattern)
	if !ok {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := t.guard.Authorize(r.Context(), auth.RequestCredentials(w, r, method+" "+pattern), auth.Requirement{})
			t.guard.Refuse(w, r, err)
		})
	}
	return t.guard.EnforceCredentials(func(w http.ResponseWriter, r *http.Request) auth.Credentials {
		c := auth.RequestCredentials(w, r, key)
		c.Params = p
		return c
	}, req)(next)
}

// miss answers a request that matches no route: 405 with Allow when another method has one, and 404
// otherwise.
func (t *table) miss(w http.ResponseWriter, r *http.Request, target string, otherMethod bool) {
	allowed := false
	if otherMethod {
		for _, method := range t.tree().methods {
			if t.tree().route(method, target, nil).pattern != "" {
				w.Header().Add("Allow", method)
				allowed = true
			}
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
