// Package ginauth puts an [auth.Guard] at the endpoints of a gin engine.
//
//	engine := gin.Default()
//	api := ginauth.NewRouter(guard, engine)
//	api.GET("/orders/:id", auth.Scopes("read:orders"), getOrder)
//	api.GET("/healthz", auth.Public(), healthz)
//	if err := ginauth.Check(engine); err != nil {
//		log.Fatal(err)
//	}
//
// A [Router] adds routes together with their [auth.Requirement]. The guard is part of the endpoint,
// the last handler of its chain. In gin a middleware covers the routes that are added after Use,
// and no others; the guard does not depend on that order. [Check] names the routes that were added
// by other ways. The Principal is in the context of c.Request, for auth.PrincipalFrom; c.Get does
// not find it.
//
// # Startup and runtime
//
// Routes are added before serving. What is wrong with one panics then, and names it; Check returns
// an error that names every route at fault. Nothing here does I/O or holds a goroutine, and what it
// returns serves concurrently. A Router keeps no *gin.Context: gin gives it to the next request.
//
// Middlewares of Use and Group stand in front of the guard and see every request. They may change
// the method and the path, or route again (Engine.HandleContext): the handler that runs is still
// the one whose rule was met.
//
// What matches no route is gin's own 404, 405 or redirect, without authentication. So are the
// handlers of NoRoute and NoMethod: let them serve nothing that needs a caller.
//
// # Refusals
//
// The guard writes a refusal by itself, or [auth.GuardOptions].WriteRefusal does, and calls
// c.Abort. Nothing is added to c.Errors, whose texts some middlewares send to callers: give
// auth.LogRefusals to the Guard for the exact reason.
//
// # CORS
//
// CORS goes outside the guard, to Use of the engine: a preflight never has a token. List
// WWW-Authenticate in Access-Control-Expose-Headers, or a browser hides it from scripts.
package ginauth

import (
	"net/http"

	"github.com/gin-gonic/gin"

	auth "github.com/bearward/bearward/middleware"
)

// endpoint returns the last handler of a route: the guard, and h behind it. It is not inlined, so
// that all of them share one function, by which Check knows them.
//
//go:noinline
func endpoint(guard *auth.Guard, operation string, req auth.Requirement, h gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		before := c.Request
		if !authorize(guard, c, operation, req) { // check: endpoint-guard
			return
		}
		defer handBack(before, c.Request)
		h(c)
	}
}

// authorize authorizes one request and leaves its Principal in the request's context. It reports
// false when the request is refused and answered.
func authorize(guard *auth.Guard, c *gin.Context, operation string, req auth.Requirement) bool {
	if req.IsPublic() {
		return true
	}
	r, w := c.Request, c.Writer
	sent := auth.RequestCredentials(w, r, operation)
	sent.Params = c
	ctx, err := guard.Authorize(r.Context(), sent, req)
	if c.Request != r { // check: context-reused
		return false // a middleware gave up on the request, and gin gave c to another one
	}
	if err != nil { // check: refused
		guard.Refuse(w, r, err)
		c.Abort() // check: abort
		return false
	}
	c.Request = r.WithContext(ctx)
	return true
}

// handBack gives a request the form that its copy came by in the handler: the server removes the
// temporary files from the one that it made.
func handBack(before, accepted *http.Request) {
	if accepted.MultipartForm != nil {
		before.MultipartForm = accepted.MultipartForm // check: form-files
	}
}
