package chiauth

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	auth "github.com/bearward/bearward/middleware"
)

// A tree is what a chi router leads to: its routes, and the routers that are mounted in it.
type tree struct {
	router  chi.Routes
	guarded bool                 // a guard or a table sees every request before it is routed
	table   *table               // that does, and nothing comes between; or nil
	routes  map[string]chi.Route // by pattern
	below   map[string]*tree     // by the pattern of the mount, such as "/v1/*"
	methods []string             // that chi knows
}

// treeOf reads the tree. A mounted handler that only says that it has routes is an endpoint, as any
// other that is not chi's own router: what else it serves cannot be told.
func treeOf(r chi.Routes) *tree {
	t := &tree{router: r, routes: map[string]chi.Route{}, below: map[string]*tree{}, methods: everyMethod()}
	for _, route := range r.Routes() {
		t.routes[route.Pattern] = route
		if mux, ok := route.SubRoutes.(*chi.Mux); ok {
			t.below[route.Pattern] = treeOf(mux)
		}
	}
	if mux, ok := r.(*chi.Mux); ok && len(t.routes) > 0 {
		stack := stackOf(mux)
		t.table = tableOf(mux, stack)
		t.guarded = t.table != nil || slices.ContainsFunc(stack, auth.IsGuard)
	}
	return t
}

// stackOf returns the middlewares that every request to mux passes before it is routed. What With
// and Group return tells the routes of its whole parent, but has its middlewares only in front of
// those that were added through it: chi serves the others without. It is known by handing them
// down, which a router that stands for itself does not.
func stackOf(mux *chi.Mux) chi.Middlewares {
	if len(mux.With().Middlewares()) > 0 { // check: check-inline
		return nil
	}
	return mux.Middlewares()
}

// rewriters tells the middlewares of chi's in mounted routers that rewrite the path.
func (t *tree) rewriters(prefix string, tell func(format string, args ...any)) {
	for _, pattern := range slices.Sorted(maps.Keys(t.below)) {
		below, at := t.below[pattern], collapse(prefix+pattern)
		for _, mw := range stackOf(below.router.(*chi.Mux)) {
			if name := pathRewriters[reflect.ValueOf(mw).Pointer()]; name != "" { // check: check-rewriter
				tell("chi's %s in the router that is mounted at %q has no effect: give it to Use of the outermost router, in front of Enforce", name, at)
			}
		}
		below.rewriters(prefix+pattern, tell)
	}
}

var pathRewriters = map[uintptr]string{
	reflect.ValueOf(middleware.StripSlashes).Pointer(): "StripSlashes",
	reflect.ValueOf(middleware.CleanPath).Pointer():    "CleanPath",
	reflect.ValueOf(middleware.URLFormat).Pointer():    "URLFormat",
}

// An endpoint is a handler with the routes that lead to it.
type endpoint struct {
	method, pattern string // method "*" for all
	methods         []string
	guarded         bool
}

func (e endpoint) key() string {
	if e.method == "*" {
		return e.pattern
	}
	return e.method + " " + e.pattern
}

// walk calls visit for each endpoint, in the order of patterns and methods. Unlike chi.Walk it
// tells the endpoints of a handler for all methods as one, and those that were put over a mount.
func (t *tree) walk(visit func(endpoint)) { t.walkBelow("", false, visit) }

func (t *tree) walkBelow(prefix string, guarded bool, visit func(endpoint)) {
	guarded = guarded || t.guarded
	for _, pattern := range slices.Sorted(maps.Keys(t.routes)) {
		handlers, whole := t.routes[pattern].Handlers, collapse(prefix+pattern)
		methods := slices.DeleteFunc(slices.Sorted(maps.Keys(handlers)), func(m string) bool { return m == "*" })
		all := handlers["*"]
		below, mounted := t.below[pattern]
		switch {
		case all != nil && mounted:
			// Where methods are told, another handler was put over the mount, and its guard is
			// perhaps not the mount's.
			below.walkBelow(prefix+pattern, guarded || len(methods) == 0 && isGuarded(all), visit)
		case all != nil:
			visit(endpoint{"*", whole, t.methods, guarded || isGuarded(all)})
		}
		for _, method := range methods {
			h := handlers[method]
			if all != nil && !mounted && isGuarded(h) == isGuarded(all) {
				continue // told with all
			}
			visit(endpoint{method, whole, []string{method}, guarded || isGuarded(h)})
		}
	}
}

// isGuarded reports whether a guard is at the endpoint, or directly in front of it.
func isGuarded(h http.Handler) bool {
	if chain, ok := h.(*chi.ChainHandler); ok {
		return slices.ContainsFunc(chain.Middlewares, auth.IsGuard) || isGuarded(chain.Endpoint)
	}
	return auth.IsGuarded(h)
}

// A destination is where chi takes a request.
type destination struct {
	pattern     string   // of the endpoint, whole; "" for none
	paths       []string // that the routers on the way go by, the outermost first
	otherMethod bool     // without pattern: perhaps another method has one
}

// route returns where chi takes a request. Each router is asked by itself for the pattern that
// leads on, since Find passes over what was put over a mount, and says "/v1" for what leads to "/"
// or "/*" of the router that is mounted there. What stands in the path for the parameters is added
// to params, unless that is nil.
func (t *tree) route(method, target string, params *chi.RouteParams) destination {
	ctx := chi.NewRouteContext()
	t.router.Match(ctx, method, target)
	if len(ctx.RoutePatterns) == 0 {
		return destination{otherMethod: isMethodRefused(ctx) || !slices.Contains(t.methods, method)}
	}
	pattern, rest := ctx.RoutePatterns[0], "/"
	route := t.routes[pattern]
	found := parameters(pattern)
	if found > len(ctx.URLParams.Values) || found > len(ctx.URLParams.Keys) {
		found = 0
	}
	if params != nil {
		for i := range found {
			params.Add(ctx.URLParams.Keys[i], ctx.URLParams.Values[i])
		}
	}
	if route.Handlers[method] != nil || route.SubRoutes == nil && route.Handlers["*"] != nil {
		return destination{pattern: collapse(pattern), paths: []string{target}}
	}
	if route.SubRoutes == nil { // the very path of a mount, which Routes does not tell
		pattern = strings.TrimSuffix(pattern, "/") + "/*"
	} else if found > 0 {
		rest += ctx.URLParams.Values[found-1] // what chi hands on as the path
		if params != nil {
			params.Values[len(params.Values)-1] = ""
		}
	}
	below, known := t.below[pattern], t.routes[pattern].Handlers != nil
	if below == nil && !known {
		return destination{}
	}
	if below == nil {
		return destination{pattern: collapse(pattern), paths: []string{target}}
	}
	to := below.route(method, rest, params)
	if to.pattern == "" {
		return destination{otherMethod: to.otherMethod || isMethodRefused(ctx)}
	}
	return destination{pattern: collapse(pattern + to.pattern), paths: append([]string{target}, to.paths...)}
}

// parameters returns how many parameters a pattern has, its wildcard included.
func parameters(pattern string) (n int) {
	depth := 0
	for _, c := range pattern {
		switch {
		case c == '{':
			if depth == 0 {
				n++
			}
			depth++
		case c == '}':
			depth--
		case c == '*' && depth == 0:
			n++
		}
	}
	return n
}

// refusedField is the field of chi.Context that tells a 405 from a 404. Chi has no method for it.
var refusedField = func() []int {
	f, ok := reflect.TypeFor[chi.Context]().FieldByName("methodNotAllowed")
	if !ok || f.Type.Kind() != reflect.Bool {
		return nil
	}
	return f.Index
}()

// isMethodRefused reports whether a route has the path of a Match, but for other methods; true when
// that cannot be told.
func isMethodRefused(ctx *chi.Context) bool {
	return refusedField == nil || reflect.ValueOf(ctx).Elem().FieldByIndex(refusedField).Bool()
}

// everyMethod returns the methods that chi knows, those of chi.RegisterMethod included.
func everyMethod() []string {
	r := chi.NewRouter()
	r.Handle("/", http.NotFoundHandler())
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.Routes()[0].Handlers)), func(m string) bool { return m == "*" })
}

// collapse takes out the wildcards by which mounts hand on the rest of the path.
func collapse(pattern string) string {
	for strings.Contains(pattern, "/*/") {
		pattern = strings.ReplaceAll(pattern, "/*/", "/")
	}
	return pattern
}
