package auth

import (
	"net/http"
	"reflect"
)

// Require returns a net/http middleware that accepts only requests whose token has every one
// of the given scopes: Enforce(Scopes(first, rest...)).
func (g *Guard) Require(first string, rest ...string) func(http.Handler) http.Handler {
	return g.Enforce(Scopes(first, rest...))
}

// Enforce returns a net/http middleware that accepts only requests that meet req. It panics when g
// cannot enforce req ([Guard.CanEnforce]).
//
// Hooks are told the pattern that the router matched (http.Request.Pattern) as the operation.
func (g *Guard) Enforce(req Requirement) func(http.Handler) http.Handler {
	return g.EnforceCredentials(nil, req)
}

// EnforceCredentials is Enforce for adapters of routers. The function is called once for each
// request, and adds to [RequestCredentials] what the router knows. That is the operation, which
// must not hold what the caller sent, and the parameters of the path. With nil it is Enforce.
//
//go:noinline
func (g *Guard) EnforceCredentials(of func(http.ResponseWriter, *http.Request) Credentials, req Requirement) func(http.Handler) http.Handler {
	if err := g.CanEnforce(req); err != nil {
		panic("auth: Require or Enforce: " + err.Error())
	}
	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("auth: Enforce of a nil handler")
		}
		return &enforced{g, of, req, next}
	}
}

// IsGuarded reports whether h is a handler that a Guard's Require or Enforce returned: for the
// checks that adapters make at start.
func IsGuarded(h http.Handler) bool {
	_, ok := h.(*enforced)
	return ok
}

// IsGuard reports whether mw is a middleware that a Guard's Require or Enforce returned.
// EnforceCredentials is not inlined, so that all of them share one function.
func IsGuard(mw func(http.Handler) http.Handler) bool {
	return mw != nil && reflect.ValueOf(mw).Pointer() == guardFunc
}

var guardFunc = reflect.ValueOf((&Guard{verifier: (*Verifier)(nil)}).EnforceCredentials(nil, Public())).Pointer()

// enforced is a handler behind a Guard.
type enforced struct {
	guard *Guard
	of    func(http.ResponseWriter, *http.Request) Credentials
	req   Requirement
	next  http.Handler
}

func (h *enforced) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := h.req.now()
	if req.node.isPublic() {
		h.next.ServeHTTP(w, r)
		return
	}
	accepted, err := h.authorize(w, r, req)
	if err != nil { // check: http-refuse
		h.guard.Refuse(w, r, err)
		return
	}
	defer handBack(r, accepted)
	h.next.ServeHTTP(w, accepted)
}

// authorize asks the Guard, and returns the request that the handler is given.
func (h *enforced) authorize(w http.ResponseWriter, r *http.Request, req Requirement) (*http.Request, error) {
	var c Credentials
	if h.of == nil {
		c.ofRequest(w, r, r.Pattern)
	} else {
		c = h.of(w, r)
	}
	o := outcome{forRequest: true}
	ctx, err := h.guard.authorizeFirst(r.Context(), &c, req, &o)
	if err != nil {
		return nil, err
	}
	if o.request == nil {
		return r.WithContext(ctx), nil
	}
	*o.request = *r.WithContext(ctx) // whose own copy stays on the stack
	return o.request, nil
}

// handBack gives a request what its copy came by in the handler. The server removes the temporary
// files of a form from the request that it made, and who stands in front looks there for the
// pattern and the form.
func handBack(r, accepted *http.Request) {
	if accepted.MultipartForm != nil {
		r.MultipartForm = accepted.MultipartForm // check: form-files
	}
	if accepted.Form != nil {
		r.Form, r.PostForm = accepted.Form, accepted.PostForm
	}
	if accepted.Pattern != r.Pattern {
		r.Pattern = accepted.Pattern // check: pattern-back
	}
}
