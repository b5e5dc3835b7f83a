// Package echoauth puts a [auth.Guard] in front of Echo's routes.
//
// [Require] and [Enforce] guard one route or group; [EnforceRules] judges every route by one table,
// and [Check] tells at start what the table leaves open. They are native Echo middlewares: the
// Principal is in the context of c.Request(), for auth.PrincipalFrom, and nothing is put where
// c.Get looks.
//
//	e := echo.New()
//	e.GET("/orders", listOrders, echoauth.Require(guard, "read:orders"))
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
// A nil guard, a zero Requirement and a key of another form panic at start and say so; Check
// returns an error that names every route without a rule and every rule without a route. The
// middlewares do no I/O of their own, hold no goroutine and serve concurrently. EnforceRules goes
// to Use, so that Echo has found the route when it is asked; a route that is not registered is
// Echo's own 404 or 405, without authentication.
//
// # Refusals
//
// A refusal is an *echo.HTTPError that goes through the application's HTTPErrorHandler. Its Code is
// the status, its Internal the
// *auth.Error, and its Message writes itself as the problem document, so that Echo's own handler answers as the other adapters
// do. An HTTPErrorHandler takes the place that GuardOptions.WriteRefusal has elsewhere: that is not
// called here.
//
// WWW-Authenticate, Retry-After, Cache-Control and Content-Type are set before, and survive
// whatever handler writes the body. Echo's helpers keep a Content-Type that is set: a handler that
// writes HTML, say, sets its own first.
//
// # CORS
//
// CORS goes outside the guard: Echo's CORS middleware is given to Use before, with WWW-Authenticate
// among its ExposeHeaders. A preflight never has a token, and a browser shows a script only the
// headers that are exposed.
package echoauth

import (
	"github.com/labstack/echo/v4"

	auth "github.com/bearward/bearward/middleware"
)

// Require returns a middleware for a route or group that lets through only requests whose token has
// every one of the given scopes: Enforce(guard, auth.Scopes(first, rest...)). It panics when guard
// is nil or a scope cannot be one.
func Require(guard *auth.Guard, first string, rest ...string) echo.MiddlewareFunc {
	return Enforce(guard, auth.Scopes(first, rest...))
}

// Enforce returns a middleware for a route or group that lets through only requests that meet req.
// It panics when guard is nil or cannot enforce req ([auth.Guard.CanEnforce]). Hooks are told the
// method and path of the route as the operation, and the host of a virtual one in front of the
// path.
//
// A group gets it before its routes: Echo gives a route the middlewares that the group has at that
// moment. It also judges requests below the group that match no route, since Echo runs a group's
// middlewares for those; given to Use or Pre of Echo, it judges all.
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
			if err := admit(guard, c, routes.of(c), req); err != nil { // check: enforce
				return err
			}
			return next(c)
		}
	}
}

// admit judges one request, and leaves its Principal in the request's context.
func admit(guard *auth.Guard, c echo.Context, operation string, req auth.Requirement) error {
	if req.IsPublic() {
		return nil
	}
	r := c.Request()
	if req.IsOptional() {
		c.Response().Header().Add(echo.HeaderVary, echo.HeaderAuthorization)
	}
	ctx, err := guard.Authorize(r.Context(), auth.RequestCredentials(c.Response(), r, operation), req)
	if err != nil { // check: admit
		e := auth.AsError(err)
		guard.SetRefusalHeader(c.Response().Header(), e)
		return &echo.HTTPError{Code: e.Status(), Message: e, Internal: e}
	}
	c.SetRequest(r.WithContext(ctx))
	return nil
}
