// Package echoauth puts a [middleware.Guard] in front of Echo's routes.
//
// [Require] and [Enforce] guard one route or group; [EnforceRules] judges every route by one table, and [Check] tells at start
// which routes the table does not name. They are native Echo middlewares: the Principal is in the context of c.Request().
//
// # Refusals
//
// A refusal is an *echo.HTTPError that goes through the application's HTTPErrorHandler. Its Code is the status, its Internal the
// *middleware.Error, and its Message writes itself as the problem document, so Echo's own handler answers as the other adapters
// do. WWW-Authenticate, Retry-After and Cache-Control are set before, and survive whatever handler writes the body; an
// HTTPErrorHandler takes the place that GuardOptions.Refuse has elsewhere, which Echo does not call.
package echoauth

import (
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/middleware"
)

// Require returns a middleware for a route or group that lets through only requests whose token has every one of the given scopes:
// Enforce(guard, middleware.Scopes(first, rest...)). It panics when guard is nil or a scope cannot be one.
func Require(guard *middleware.Guard, first string, rest ...string) echo.MiddlewareFunc {
	return Enforce(guard, middleware.Scopes(first, rest...))
}

// Enforce returns a middleware for a route or group that lets through only requests that meet req. It panics when guard is nil or
// req is the zero Requirement. Hooks are told the request's method and Echo's path as the operation.
//
// Given to a group, it also judges requests below the group that match no route, as Echo runs a group's middlewares for those.
func Enforce(guard *middleware.Guard, req middleware.Requirement) echo.MiddlewareFunc {
	if guard == nil {
		panic("echoauth: Enforce needs a Guard")
	}
	if req.IsZero() {
		panic("echoauth: Enforce of the zero Requirement, which lets nobody through")
	}
	var names operations
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := admit(guard, c, names.of(c), req); err != nil { // mutant: enforce
				return err
			}
			return next(c)
		}
	}
}

// admit judges one request, and leaves its Principal in the request's context.
func admit(guard *middleware.Guard, c echo.Context, operation string, req middleware.Requirement) error {
	if req.IsPublic() {
		return nil
	}
	r := c.Request()
	if req.IsOptional() {
		c.Response().Header().Add(echo.HeaderVary, echo.HeaderAuthorization)
	}
	ctx, err := guard.Authorize(r.Context(), middleware.RequestCredentials(r, operation), req)
	if err != nil { // mutant: admit
		e := middleware.AsError(err)
		guard.SetRefusalHeader(c.Response().Header(), e)
		return &echo.HTTPError{Code: e.Status(), Message: e, Internal: e}
	}
	if ctx != r.Context() {
		c.SetRequest(r.WithContext(ctx))
	}
	return nil
}

// operations keeps the name of each route, so that none is built twice. Methods and paths are the routes', not the caller's.
type operations struct{ known sync.Map }

type routeKey struct{ method, path string }

func (o *operations) of(c echo.Context) string {
	key := routeKey{c.Request().Method, c.Path()}
	if name, ok := o.known.Load(key); ok {
		return name.(string)
	}
	if !isMethod(key.method) { // the caller's own text
		return key.path
	}
	name := key.method + " " + key.path
	o.known.Store(key, name)
	return name
}

func isMethod(m string) bool {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace, echo.PROPFIND, echo.REPORT:
		return true
	}
	return false
}
