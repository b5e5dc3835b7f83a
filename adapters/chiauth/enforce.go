package chiauth

import (
	"maps"
	"net/http"
	"path"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/middleware"
)

// Enforce returns a middleware that judges requests by a table of rules in front of r, for trees whose routes are registered
// elsewhere. Prefer a [Router], whose guards sit at the endpoints. The keys are "METHOD /pattern", or "/pattern" for every method,
// the whole pattern as chi.Walk tells it; rules are copied. It panics when they cannot be used.
//
// Give it to r.Use last, and let no middleware of a sub-router rewrite the path or the method: what comes after it may send the
// request to another handler than the one it was judged for. Against what chi's own middlewares do there:
//
//   - a request that matches no route is answered here, with chi's 404 or 405, and goes no further: StripSlashes, CleanPath or GetHead
//     behind the table would find a handler for it;
//   - a path with an empty, "." or ".." segment is answered with 404, since CleanPath would make another of it;
//   - a path with a trailing slash must also meet the rule of the path without, if that one is a route.
//
// A registered route that no rule names is refused with 403; [CheckRules] names those at start.
func Enforce(guard *middleware.Guard, rules middleware.Rules, r chi.Routes) func(http.Handler) http.Handler {
	if guard == nil || r == nil {
		panic("chiauth: Enforce needs a Guard and the routes that it stands in front of")
	}
	if err := rules.Validate(); err != nil {
		panic("chiauth: " + err.Error())
	}
	rules = maps.Clone(rules)
	return func(next http.Handler) http.Handler { return &table{guard, rules, r, next} }
}

// A table judges by rules what it stands in front of.
type table struct {
	guard  *middleware.Guard
	rules  middleware.Rules
	routes chi.Routes
	next   http.Handler
}

func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, target := routed(r)
	if !isClean(target) { // mutant: table-clean-path
		http.NotFound(w, r)
		return
	}
	pattern := t.find(method, target)
	if pattern == "" { // mutant: table-miss
		t.miss(w, r, target)
		return
	}
	h := t.guarded(method, pattern, t.next)
	if shorter := strings.TrimRight(target, "/"); shorter != target && shorter != "" {
		if other := t.find(method, shorter); other != "" && other != pattern { // mutant: table-trailing-slash
			h = t.guarded(method, other, h)
		}
	}
	h.ServeHTTP(w, r)
}

// guarded puts the rule of a route in front of next. A route that no rule names lets nobody through.
func (t *table) guarded(method, pattern string, next http.Handler) http.Handler {
	key, req, ok := t.rule(method, pattern)
	if !ok {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := t.guard.Authorize(r.Context(), middleware.RequestCredentials(r, method+" "+pattern), middleware.Requirement{})
			t.guard.Refuse(w, r, err)
		})
	}
	return t.guard.EnforceNamed(func(*http.Request) string { return key }, req)(next)
}

// rule returns the rule of a route. The path at which a router or handler is mounted has a route of its own in chi, which no Walk
// tells and which leads to "/" or "/*" below it: it has the rule of where it leads.
func (t *table) rule(method, pattern string) (key string, req middleware.Requirement, ok bool) {
	if key, req, ok = t.rules.ForRoute(method, pattern); ok || t.has(pattern) {
		return key, req, ok
	}
	for _, below := range []string{"/", "/*"} {
		if leads := strings.TrimSuffix(pattern, "/") + below; t.has(leads) {
			return t.rules.ForRoute(method, leads)
		}
	}
	return "", middleware.Requirement{}, false
}

// has reports whether an endpoint has the pattern.
func (t *table) has(pattern string) bool {
	found := false
	walk(t.routes, "", false, func(e endpoint) { found = found || e.pattern == pattern })
	return found
}

// find returns the whole pattern of the route that chi takes, as chi.Walk tells it, or "".
func (t *table) find(method, target string) string {
	ctx := chi.NewRouteContext()
	if !t.routes.Match(ctx, method, target) {
		return ""
	}
	return strings.ReplaceAll(strings.Join(ctx.RoutePatterns, ""), "/*/", "/")
}

// routed returns the method and path that chi routes r by.
func routed(r *http.Request) (method, target string) {
	method, target = r.Method, r.URL.Path
	if r.URL.RawPath != "" {
		target = r.URL.RawPath
	}
	if ctx := chi.RouteContext(r.Context()); ctx != nil {
		if ctx.RouteMethod != "" {
			method = ctx.RouteMethod
		}
		if ctx.RoutePath != "" {
			target = ctx.RoutePath
		}
	}
	if target == "" {
		target = "/"
	}
	return method, target
}

func isClean(target string) bool {
	clean := path.Clean(target)
	return target == clean || strings.HasSuffix(target, "/") && target == strings.TrimSuffix(clean, "/")+"/"
}

// miss answers a request that matches no route: 405 with Allow when another method has one, and 404 otherwise.
func (t *table) miss(w http.ResponseWriter, _ *http.Request, target string) {
	status := http.StatusNotFound
	for _, method := range []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"} {
		if t.find(method, target) != "" {
			w.Header().Add("Allow", method)
			status = http.StatusMethodNotAllowed
		}
	}
	if status == http.StatusMethodNotAllowed {
		w.WriteHeader(status)
		return
	}
	http.Error(w, "404 page not found", status)
}
