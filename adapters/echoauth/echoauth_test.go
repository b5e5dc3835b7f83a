package echoauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// send serves one request as net/http's server would hand it over.
func send(h http.Handler, method, target, token string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Method = method
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	r.URL, r.RequestURI = u, target
	if u.Host != "" {
		r.Host = u.Host
	}
	for k, v := range header {
		r.Header[k] = v
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// ok answers with the caller's name.
func ok(c echo.Context) error {
	if p, found := auth.PrincipalFrom(c.Request().Context()); found {
		return c.String(200, p.Subject())
	}
	return c.String(200, "anonymous")
}

// pass is a middleware that does nothing, but makes Echo add RouteNotFound routes to the group that
// it is given to.
func pass(next echo.HandlerFunc) echo.HandlerFunc { return next }

// listening returns a guard that tells into the slice whose address it returns.
func listening(issuer *authtest.Issuer) (*auth.Guard, *[]string) {
	told := new([]string)
	return issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { *told = append(*told, d.Operation) }}), told
}

func TestGroupsAndNesting(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard, told := listening(issuer)
	e := echo.New()
	g := e.Group("/v1", echoauth.Enforce(guard, auth.AnyToken()))
	g.GET("/orders", ok, echoauth.Require(guard, "read"), echoauth.Require(guard, "more"))
	g.Group("/deep").GET("/:id", ok)
	e.GET("/optional", ok, echoauth.Enforce(guard, auth.Optional()))
	e.GET("/public", ok, echoauth.Enforce(guard, auth.Public()))
	e.Add("LOCK", "/locks", ok, echoauth.Enforce(guard, auth.AnyToken()))
	for _, tt := range []struct {
		method, target, token string
		want                  int
		vary                  string
		told                  string
	}{
		{"GET", "/v1/orders", issuer.Token("read more"), 200, "", "GET /v1/orders,GET /v1/orders,GET /v1/orders"},
		{"GET", "/v1/orders", issuer.Token("read"), 403, "", "GET /v1/orders,GET /v1/orders,GET /v1/orders"},
		{"GET", "/v1/orders", "", 401, "", "GET /v1/orders"},
		{"GET", "/v1/deep/7", "", 401, "", "GET /v1/deep/:id"},
		{"GET", "/v1/deep/7", issuer.Token("read"), 200, "", "GET /v1/deep/:id"},
		{"GET", "/v1/nothing", "", 401, "", "/v1/*"},
		{"GET", "/optional", "", 200, "Authorization", "GET /optional"},
		{"GET", "/optional", "bad", 401, "Authorization", "GET /optional"},
		{"GET", "/public", "bad", 200, "", ""},
		{"LOCK", "/locks", "", 401, "", "LOCK /locks"},
	} {
		for range 2 { // the second time, the operation's name is known
			*told = nil
			w := send(e, tt.method, tt.target, tt.token, nil)
			if got := strings.Join(*told, ","); w.Code != tt.want || w.Header().Get("Vary") != tt.vary || got != tt.told {
				t.Errorf("%s %s: %d with Vary %q, told %q; want %d with %q, %q", tt.method, tt.target, w.Code, w.Header().Get("Vary"), got, tt.want, tt.vary, tt.told)
			}
		}
	}
}

func TestThePrincipalIsInTheRequestsContextAlone(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	handler := func(c echo.Context) error {
		p, found := auth.PrincipalFrom(c.Request().Context())
		if !found || p.Subject() != "alice" {
			t.Errorf("principal %v, %v", p, found)
		}
		for _, key := range []string{"user", "principal", "token", "auth", "claims"} {
			if v := c.Get(key); v != nil {
				t.Errorf("c.Get(%q) is %v", key, v)
			}
		}
		return c.NoContent(204)
	}
	for kind, e := range both(guard, "/", auth.AnyToken(), handler) {
		if w := send(e, "GET", "/", issuer.Token("read", authtest.Claims{"sub": "alice"}), nil); w.Code != 204 {
			t.Errorf("%s: %d", kind, w.Code)
		}
	}
}

// both returns an Echo with one GET route, guarded in each way.
func both(guard *auth.Guard, path string, req auth.Requirement, h echo.HandlerFunc, outside ...echo.MiddlewareFunc) map[string]*echo.Echo {
	route, table := echo.New(), echo.New()
	route.Use(outside...)
	route.GET(path, h, echoauth.Enforce(guard, req))
	table.Use(append(outside, echoauth.EnforceRules(guard, auth.Rules{"GET " + path: req}))...)
	table.GET(path, h)
	return map[string]*echo.Echo{"Enforce": route, "EnforceRules": table}
}

func TestOperationsAreNamedByTheRoute(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard, told := listening(issuer)
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { c.SetPath(c.Request().URL.Path); return next(c) }
	}, middleware.MethodOverride(), echoauth.Enforce(guard, auth.AnyToken()))
	e.GET("/orders/:id", ok)
	e.POST("/orders", ok)
	e.Host("admin.example").GET("/orders/:id", ok)
	for _, tt := range []struct{ method, target, override, want string }{
		{"GET", "/orders/7", "", "GET /orders/:id"},
		{"GET", "http://admin.example/orders/7", "", "GET admin.example/orders/:id"},
		{"POST", "/orders", "PUT", "POST /orders"},
		{"POST", "/orders", "MADE-UP", "POST /orders"},
		{"GET", "/made-up", "", ""},
		{"MADE-UP", "/orders", "", ""},
	} {
		*told = nil
		r := httptest.NewRequest(tt.method, tt.target, nil)
		r.Header.Set(echo.HeaderXHTTPMethodOverride, tt.override)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != 401 || len(*told) != 1 || (*told)[0] != tt.want {
			t.Errorf("%s %s: %d, told %q, want %q", tt.method, tt.target, w.Code, *told, tt.want)
		}
	}
}

func TestMisconfigured(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	for name, tt := range map[string]struct {
		build func()
		want  string
	}{
		"no guard":             {func() { echoauth.Require(nil, "read") }, "Guard"},
		"the zero requirement": {func() { echoauth.Enforce(guard, auth.Requirement{}) }, "zero Requirement"},
		"a scope with a space": {func() { echoauth.Require(guard, "read", "a b") }, "a b"},
		"rules without guard":  {func() { echoauth.EnforceRules(nil, auth.Rules{"/": auth.Public()}) }, "Guard"},
		"no rules":             {func() { echoauth.EnforceRules(guard, nil) }, "empty"},
		"a zero rule":          {func() { echoauth.EnforceRules(guard, auth.Rules{"GET /x": {}}) }, "GET /x"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want one that names %q", got, tt.want)
				}
			}()
			tt.build()
		})
	}
}
