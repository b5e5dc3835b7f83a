package moving

import (
	"context"
	"net/http"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
)

func echoBefore(ctx context.Context, keySetURL, issuer, audience string, listOrders echo.HandlerFunc) (http.Handler, error) {
	// region: before
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{keySetURL})
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Use(echojwt.WithConfig(echojwt.Config{
		ParseTokenFunc: func(_ echo.Context, raw string) (any, error) {
			return jwt.Parse(raw, keys.Keyfunc, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
		},
	}))
	e.GET("/orders", func(c echo.Context) error {
		claims, _ := c.Get("user").(*jwt.Token).Claims.(jwt.MapClaims)
		if scope, _ := claims["scope"].(string); !hasScope(scope, "read:orders") {
			return echo.ErrForbidden
		}
		return listOrders(c)
	})
	// endregion
	return e, nil
}

func echoAfter(guard *auth.Guard, listOrders echo.HandlerFunc) http.Handler {
	// region: after
	e := echo.New()
	e.GET("/orders", listOrders, echoauth.Require(guard, "read:orders"))
	// endregion
	return e
}
