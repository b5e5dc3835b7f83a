package echoauth_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A middleware such as Echo's deprecated Timeout answers while the guard is still waiting. Echo
// then uses the context for another request: it must get neither the Principal of the first nor its
// refusal.
func TestAContextThatIsAnothersByNow(t *testing.T) {
	for name, guardBy := range map[string]func(*auth.Guard, *echo.Echo, echo.HandlerFunc){
		"Router": func(g *auth.Guard, e *echo.Echo, h echo.HandlerFunc) {
			echoauth.NewRouter(g, e).GET("/orders", auth.Scopes("read:orders"), h)
		},
		"Require": func(g *auth.Guard, e *echo.Echo, h echo.HandlerFunc) {
			e.GET("/orders", h, echoauth.Require(g, "read:orders"))
		},
		"EnforceRules": func(g *auth.Guard, e *echo.Echo, h echo.HandlerFunc) {
			e.Use(echoauth.EnforceRules(g, auth.Rules{"GET /orders": auth.Scopes("read:orders")}))
			e.GET("/orders", h)
		},
	} {
		for _, scope := range []string{"read:orders", "write:orders"} {
			t.Run(name+", a token for "+scope, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, nil)
				other, answer := httptest.NewRequest("GET", "/other", nil), httptest.NewRecorder()
				e := echo.New()
				var used echo.Context
				guardBy(issuer.Guard(&auth.GuardOptions{Revoked: func(context.Context, *auth.Principal) (bool, error) {
					used.Reset(other, answer) // as Echo does when the next request comes
					return false, nil
				}}), e, func(echo.Context) error { t.Error("the handler ran, with a context that is another's"); return nil })
				e.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
					return func(c echo.Context) error {
						used = c
						if err := next(c); err == nil {
							t.Error("no error ended the request")
						}
						return nil // it is answered
					}
				})
				r := httptest.NewRequest("GET", "/orders", nil)
				r.Header.Set("Authorization", "Bearer "+issuer.Token(scope))
				e.ServeHTTP(httptest.NewRecorder(), r)
				if p, ok := auth.PrincipalFrom(used.Request().Context()); ok || used.Request() != other {
					t.Errorf("the other request is %v now, of %q", used.Request().URL, p.Subject())
				}
				if len(answer.Header()) > 0 {
					t.Errorf("the other answer has the header %v", answer.Header())
				}
			})
		}
	}
}
