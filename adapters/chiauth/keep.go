package chiauth

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/go-chi/chi/v5"
)

// noMethod is a method that chi knows no route for.
const noMethod = "\x00"

// A keptContext keeps chi to the route that was authorized. Every router on the way asks it for
// chi's own context before it routes. It finds the method and the path there that were authorized.
// What a middleware wrote there in between counts for nothing.
type keptContext struct {
	context.Context
	chi    *chi.Context
	method string
	paths  []string // that the routers go by, the outermost first
	passed int      // patterns that were matched before
	seen   int      // patterns that were matched since
	before string   // the RoutePath that was there
	tree   *tree    // that found the route
	done   atomic.Bool
}

// keepTo returns the context of r in which chi's is kept to method and paths.
func keepTo(r *http.Request, ctx *chi.Context, method string, paths []string) *keptContext {
	return &keptContext{Context: r.Context(), chi: ctx, method: method, paths: paths, passed: len(ctx.RoutePatterns), before: ctx.RoutePath}
}

func (p *keptContext) Value(key any) any {
	if key == chi.RouteCtxKey {
		p.apply()
		return p.chi
	}
	return p.Context.Value(key)
}

// Param returns the parameter that chi will find on its way to the endpoint: the innermost of that
// name, as chi.URLParam does. Else it returns the one of a router in front.
func (p *keptContext) Param(name string) string {
	var found chi.RouteParams
	p.tree.route(p.method, p.paths[0], &found)
	for i, key := range slices.Backward(found.Keys) {
		if key == name {
			return found.Values[i]
		}
	}
	return p.chi.URLParam(name)
}

// apply writes the authorized method and path into chi's context, until the endpoint is reached. An
// endpoint that holds a router of its own, behind http.StripPrefix say, goes by its own request.
func (p *keptContext) apply() {
	if p.done.Load() {
		return
	}
	at := len(p.chi.RoutePatterns) - p.passed // chi adds one each time that it finds a route
	switch {
	case at < p.seen: // check: route-reset
		p.chi.RouteMethod = noMethod // somebody has reset it
	case at < len(p.paths):
		p.seen = at
		p.chi.RouteMethod, p.chi.RoutePath = p.method, p.paths[at] // check: route-kept
	case p.done.CompareAndSwap(false, true):
		p.chi.RoutePath = p.before
	}
}
