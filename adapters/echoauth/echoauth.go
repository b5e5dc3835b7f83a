// Package echoauth guards Echo's routes with an [auth.Guard].
//
// A [Router] adds routes together with their requirement, and guards them at the endpoint;
// [CheckRouter] tells at start what was added by other ways. [Require] and [Enforce] are
// middlewares for one route or group. [EnforceRules] authorizes every route by one table, and
// [Check] names the routes that the table leaves out. The Principal is in the context of
// c.Request(), for auth.PrincipalFrom, and c.Get does not find it.
//
//	e := echo.New()
//	api := echoauth.NewRouter(guard, e)
//	api.GET("/orders", auth.Scopes("read:orders"), listOrders)
//	if err := echoauth.CheckRouter(e); err != nil {
//		log.Fatal(err)
//	}
//
// or, by one table,
//
//	e.Use(echoauth.EnforceRules(guard, rules))
//	e.GET("/orders", listOrders)
//	if err := echoauth.Check(e, rules); err != nil {
//		log.Fatal(err)
//	}
//
// # Startup and runtime
//
// A nil guard, a zero Requirement and a key of another form panic at start and say so. Check
// returns an error that names every route without a rule and every rule without a route. The
// middlewares do no I/O of their own, hold no goroutine and serve concurrently. EnforceRules goes
// to Use, so that Echo has found the route when it is asked. A route that is not registered is
// Echo's own 404 or 405, without authentication. To bound a request's time use Echo's
// ContextTimeout. Its deprecated Timeout gives a context to the next request while the last one's
// handler may still read it.
//
// # Refusals
//
// A refusal is an *echo.HTTPError that goes through the application's HTTPErrorHandler. Its Code is
// the status, its Message the text that callers may read, and errors.As finds the *auth.Error in
// it. Echo's own handler answers with the problem document, as the other adapters do. An
// HTTPErrorHandler takes the place that GuardOptions.WriteRefusal has elsewhere: that is not called
// here. The error's own text (Error) is for logs: it names the exact reason.
//
// WWW-Authenticate, Retry-After and Cache-Control are set before, and survive whatever handler
// writes the body. Content-Type is the writer's.
//
// # CORS
//
// CORS goes outside the guard: Echo's CORS middleware is given to Use before, with WWW-Authenticate
// among its ExposeHeaders. A preflight never has a token, and a browser shows a script only the
// headers that are exposed.
package echoauth

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	auth "github.com/bearward/bearward/middleware"
)

// Require returns a middleware for a route or group that accepts only requests whose token has
// every one of the given scopes: Enforce(guard, auth.Scopes(first, rest...)). It panics when guard
// is nil or a scope cannot be one.
func Require(guard *auth.Guard, first string, rest ...string) echo.MiddlewareFunc {
	return Enforce(guard, auth.Scopes(first, rest...))
}

// Enforce returns a middleware for a route or group that accepts only requests that meet req.
// It panics when guard is nil or cannot enforce req ([auth.Guard.CanEnforce]). Hooks are told the
// method and path of the route as the operation, and the host of a virtual one in front of the
// path.
//
// A group gets it before its routes: Echo gives a route the middlewares that the group has at that
// moment. It also authorizes requests below the group that match no route, since Echo runs a
// group's middlewares for those. Given to Use or Pre of Echo, it authorizes every request.
func Enforce(guard *auth.Guard, req auth.Requirement) echo.MiddlewareFunc {
	if guard == nil {
		panic("echoauth: Require and Enforce need a Guard")
	}
	if err := guard.CanEnforce(req); err != nil {
		panic("echoauth: Require or Enforce: " + err.Error())
	}
	var routes names
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			before := c.Request()
			if err := authorize(guard, c, routes.of(c), req); err != nil { // check: enforce
				return err
			}
			defer handBack(before, c.Request())
			return next(c)
		}
	}
}

// authorize authorizes one request, and leaves its Principal in the request's context.
func authorize(guard *auth.Guard, c echo.Context, operation string, req auth.Requirement) error {
	if req.IsPublic() {
		return nil
	}
	r := c.Request()
	sent := auth.RequestCredentials(c.Response(), r, operation)
	sent.Params = c
	ctx, err := guard.Authorize(r.Context(), sent, req)
	if c.Request() != r { // check: context-reused
		return errContextReused
	}
	if err != nil { // check: admit
		return refusal(guard, c, err)
	}
	c.SetRequest(r.WithContext(ctx))
	return nil
}

// errContextReused ends a request whose answer is long given: Echo has its context in use for
// another one, whose Principal and answer are not to be touched. Echo's deprecated Timeout does
// that to a guard that waits for an issuer's keys. Nobody gets this error.
var errContextReused = errors.New("echoauth: the request was answered before it was authorized")

// handBack gives a request the form that its copy came by in the handler: the server removes the
// temporary files from the one that it made.
func handBack(before, accepted *http.Request) {
	if accepted.MultipartForm != nil {
		before.MultipartForm = accepted.MultipartForm // check: form-files
	}
}
