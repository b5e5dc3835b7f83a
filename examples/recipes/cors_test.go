package recipes

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/rs/cors"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// ask is what a page does: it returns the status and what the page may read.
const ask = `async (url, token) => {
	try {
		const response = await fetch(url, { headers: { Authorization: "Bearer " + token } });
		return [response.status, await response.text(), response.headers.get("WWW-Authenticate")].join("|");
	} catch (e) {
		return e.name;
	}
}`

func TestCORSInABrowser(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	page := openPage(t)
	handler := echo.WrapHandler(http.HandlerFunc(listOrders))
	// The traps: Echo's CORS where no preflight comes to, and CORS behind the guard.
	ofARoute := echo.New()
	ofARoute.GET("/v1/orders", handler, middleware.CORS(), echoauth.Require(guard, "read:orders"))
	ofAGroup := echo.New()
	ofAGroup.Use(echoauth.EnforceRules(guard, auth.Rules{"GET /v1/orders": auth.Scopes("read:orders")}))
	ofAGroup.Group("/v1", middleware.CORS()).GET("/orders", handler)
	behind := guard.Require("read:orders")(newCORS(guard, page.origin))
	for _, api := range []struct {
		name, path string
		handler    http.Handler
		works      bool
	}{
		{"rs/cors in front of the guard", "/orders", newCORS(guard, page.origin), true},
		{"Echo's of the whole Echo", "/v1/orders", newEchoCORS(guard, page.origin), true},
		{"trap: Echo's of a route", "/v1/orders", ofARoute, false},
		{"trap: Echo's of a group, behind the table", "/v1/orders", ofAGroup, false},
		{"trap: rs/cors behind a guard", "/orders", behind, false},
		{"trap: another page's origin", "/orders", newCORS(guard, "https://app.example"), false},
	} {
		t.Run(api.name, func(t *testing.T) {
			page.t = t
			url := "http://" + serve(t, api.handler) + api.path
			for token, want := range map[string]string{
				issuer.Token("read:orders"):                   "200|orders of ",
				issuer.Token("write:orders"):                  `403|`,
				issuer.Token("read:orders", authtest.Expired): `401|`,
			} {
				if !api.works {
					want = "TypeError"
				}
				got := page.call(ask, url, token)
				if !strings.HasPrefix(got, want) {
					t.Errorf("got %s, want %s", got, want)
				}
				if strings.HasPrefix(want, "4") && !strings.Contains(got, "|Bearer ") {
					t.Errorf("the page cannot read the challenge: %s", got)
				}
			}
		})
	}
}

// CORS opens nothing, over either router.
func TestCORSIsGuarded(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	for path, h := range map[string]http.Handler{"/orders": newCORS(guard, "https://app.example"), "/v1/orders": newEchoCORS(guard, "https://app.example")} {
		authtest.AssertGuarded(t, issuer, h, auth.Rules{"GET " + path: auth.Scopes("read:orders")}, nil)
		for _, fields := range []http.Header{
			{"Origin": {"https://app.example"}},
			{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}}, // a GET that says it is a preflight
			{"Origin": {"null"}, "Access-Control-Request-Method": {"GET"}, "X-Http-Method-Override": {"OPTIONS"}},
		} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header = fields
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != 401 {
				t.Errorf("%v: got %d, want 401", fields, w.Code)
			}
		}
	}
}

// crossOrigin lets scripts of the page at origin call h.
func crossOrigin(origin string, h http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowedOrigins: []string{origin}, AllowedHeaders: []string{"Authorization"}, ExposedHeaders: []string{"WWW-Authenticate"},
	}).Handler(h)
}
