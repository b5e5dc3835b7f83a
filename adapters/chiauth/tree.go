package chiauth

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	auth "github.com/bearward/bearward/middleware"
)

// A tree is what a chi router leads to: its routes, and the routers that are mounted in it.
type tree struct {
	router  chi.Routes
	guarded bool                 // a guard or a table sees every request before it is routed
	tabled  bool                 // a table does, and nothing comes between
	routes  map[string]chi.Route // by pattern
	below   map[string]*tree     // by the pattern of the mount, such as "/v1/*"
}

// treeOf reads the tree. A mounted handler that only says that it has routes is an endpoint, as any
// other that is not chi's own router: what else it serves cannot be told.
func treeOf(r chi.Routes) *tree {
	t := &tree{router: r, routes: map[string]chi.Route{}, below: map[string]*tree{}}
	for _, route := range r.Routes() {
		t.routes[route.Pattern] = route
		if mux, ok := route.SubRoutes.(*chi.Mux); ok {
			t.below[route.Pattern] = treeOf(mux)
		}
	}
	if mux, ok := r.(*chi.Mux); ok && len(t.routes) > 0 {
		stack := stackOf(mux)
		t.tabled = tableOf(mux, stack) != nil
		t.guarded = t.tabled || slices.ContainsFunc(stack, auth.IsGuard)
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
			visit(endpoint{"*", whole, everyMethod(), guarded || isGuarded(all)})
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

// route returns the whole pattern of the endpoint to which chi takes a request, or "". Find is
// asked where chi goes, and the tree what is there: Find says "/v1" for what leads to "/" or "/*"
// of the router that is mounted there, and passes over what was put over a mount.
func (t *tree) route(method, target string) string {
	ctx := chi.NewRouteContext()
	if !t.router.Match(ctx, method, target) {
		return ""
	}
	prefix := ""
	for _, pattern := range ctx.RoutePatterns {
		route, known := t.routes[pattern]
		if route.Handlers[method] != nil {
			return collapse(prefix + pattern)
		}
		if !known || route.SubRoutes == nil {
			return t.mounted(method, prefix, strings.TrimSuffix(pattern, "/")+"/*")
		}
		below := t.below[pattern]
		if below == nil {
			return collapse(prefix + pattern)
		}
		prefix, t = prefix+pattern, below
	}
	return ""
}

// mounted returns the whole pattern of the endpoint to which a mount takes a request for the very
// path at which it is.
func (t *tree) mounted(method, prefix, pattern string) string {
	if below := t.below[pattern]; below != nil {
		leads := below.route(method, "/")
		if leads == "" {
			return ""
		}
		return collapse(prefix + pattern + leads)
	}
	if _, known := t.routes[pattern]; !known {
		return ""
	}
	return collapse(prefix + pattern)
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
