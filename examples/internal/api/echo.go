package api

import (
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/examples/internal/orders"
	auth "github.com/bearward/bearward/middleware"
)

// newEcho hangs the API on Echo under one table of rules, which is checked
// against the routes before anything is served.
func newEcho(guard *auth.Guard, api *orders.API, cfg Config) (front, auth.Rules, error) {
	rules := auth.Rules{
		"GET /orders":      auth.Scopes("read:orders"),
		"POST /orders":     auth.Scopes("write:orders"),
		"GET /admin/stats": auth.Scopes("admin:all"),
		"GET /vault":       vault(),
		"POST /payments":   cfg.payments(),
		"GET /me":          auth.AnyToken(),
		"GET /optional":    auth.Optional(),
		"GET /public/ping": auth.Public(),
		"GET /healthz":     auth.Public(),
		"GET /readyz":      auth.Public(),
	}
	document, err := cfg.document(guard, rules)
	if err != nil {
		return nil, nil, err
	}
	e := echo.New()
	if document != nil {
		rules[document.Pattern()] = auth.Public()
		e.Any(document.Pattern(), echo.WrapHandler(document))
	}
	e.Use(echoauth.EnforceRules(guard, rules))
	e.GET("/orders", echoHandler(api.List))
	e.POST("/orders", echoHandler(api.Place))
	e.GET("/admin/stats", echoHandler(api.Stats))
	e.GET("/vault", echoHandler(api.Vault))
	e.POST("/payments", echoHandler(api.Pay))
	e.GET("/me", echoHandler(api.Me))
	e.GET("/optional", echoHandler(api.Greet))
	e.GET("/public/ping", echoHandler(api.Ping))
	e.GET("/healthz", echoHandler(api.Healthz))
	e.GET("/readyz", echoHandler(api.Readyz))
	if err := echoauth.Check(e, rules); err != nil {
		return nil, nil, err
	}
	return httpFront(e), rules, nil
}

func echoHandler(op orders.Operation) echo.HandlerFunc {
	return func(c echo.Context) error {
		status, answer := op(c.Request().Context(), c.Request().Body)
		return c.JSON(status, answer)
	}
}
