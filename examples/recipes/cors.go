package recipes

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/rs/cors"

	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// newCORS returns an API that scripts of the page at origin may call.
//
// region: cors
func newCORS(guard *auth.Guard, origin string) http.Handler {
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
	return cors.New(cors.Options{
		AllowedOrigins: []string{origin},
		AllowedHeaders: []string{"Authorization"},
		ExposedHeaders: []string{"WWW-Authenticate", "Retry-After"},
	}).Handler(mux)
}

// endregion

// newEchoCORS is newCORS with Echo.
//
// region: cors-echo
func newEchoCORS(guard *auth.Guard, origin string) *echo.Echo {
	e := echo.New()
	e.Use(middleware.CORSWithConfig(middleware.CORSConfig{ // of the Echo, not of a group
		AllowOrigins:  []string{origin},
		AllowHeaders:  []string{"Authorization"},
		ExposeHeaders: []string{"WWW-Authenticate", "Retry-After"},
	}))
	e.Group("/v1").GET("/orders", echo.WrapHandler(http.HandlerFunc(listOrders)), echoauth.Require(guard, "read:orders"))
	return e
}

// endregion
