package middleware

import "net/http"

// Require returns a net/http middleware that lets through only requests whose token has every one of the given scopes:
// Enforce(Scopes(first, rest...)).
func (g *Guard) Require(first string, rest ...string) func(http.Handler) http.Handler {
	return g.Enforce(Scopes(first, rest...))
}

// Enforce returns a net/http middleware that lets through only requests that meet req. It panics when req is the zero Requirement.
//
// Hooks are told the pattern that the router matched (http.Request.Pattern) as the operation.
func (g *Guard) Enforce(req Requirement) func(http.Handler) http.Handler { return g.EnforceAs("", req) }

// EnforceAs is Enforce for routers that do not set http.Request.Pattern: hooks are told operation instead.
func (g *Guard) EnforceAs(operation string, req Requirement) func(http.Handler) http.Handler {
	if req.IsZero() {
		panic("middleware: Enforce of the zero Requirement, which lets nobody through")
	}
	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("middleware: Enforce of a nil handler")
		}
		if req.IsPublic() {
			return next
		}
		return &enforced{g, operation, req, next}
	}
}

// enforced is a handler behind a Guard.
type enforced struct {
	guard     *Guard
	operation string
	req       Requirement
	next      http.Handler
}

func (h *enforced) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.req.IsOptional() {
		w.Header().Add("Vary", "Authorization")
	}
	operation := h.operation
	if operation == "" {
		operation = r.Pattern
	}
	ctx, err := h.guard.Authorize(r.Context(), RequestCredentials(r, operation), h.req)
	if err != nil { // mutant: http-refuse
		h.guard.Refuse(w, r, err)
		return
	}
	if ctx != r.Context() {
		r = r.WithContext(ctx)
	}
	h.next.ServeHTTP(w, r)
}
