package echoauth_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestRouterGuardsAtTheEndpoint(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard, told := listening(issuer)
	e := echo.New()
	e.Use(middleware.MethodOverride())
	a := echoauth.NewRouter(guard, e)
	reached := ""
	named := func(name string) echo.HandlerFunc {
		return func(c echo.Context) error { reached = name; return c.NoContent(204) }
	}
	read, admin := auth.Scopes("read"), auth.Scopes("admin")
	a.GET("/orders", read, named("list"), pass)
	a.HEAD("/orders", read, named("head"))
	a.POST("/orders", admin, named("create"))
	a.PUT("/orders/:id", admin, named("put"))
	a.PATCH("/orders/:id", admin, named("patch"))
	a.DELETE("/orders/:id", admin, named("delete"))
	a.GET("/public", auth.Public(), named("public"))
	g := a.Group("/v1", pass)
	g.GET("/x", read, named("x"))
	g.Group("/deep").Add("LOCK", "/y", read, named("y"))
	a.Host("admin.example").GET("/orders", admin, named("of the host"))
	a.Add(echo.RouteNotFound, "/blog/*", read, named("blog"))
	if err := echoauth.CheckRouter(e); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct{ method, target, scope, override, name, told string }{
		{"GET", "/orders", "read", "", "list", "GET /orders"},
		{"HEAD", "/orders", "read", "", "head", "HEAD /orders"},
		{"POST", "/orders", "admin", "", "create", "POST /orders"},
		{"POST", "/orders", "admin", "GET", "create", "POST /orders"}, // routed before it was rewritten
		{"PUT", "/orders/7", "admin", "", "put", "PUT /orders/:id"},
		{"PATCH", "/orders/7", "admin", "", "patch", "PATCH /orders/:id"},
		{"DELETE", "/orders/7", "admin", "", "delete", "DELETE /orders/:id"},
		{"GET", "/v1/x", "read", "", "x", "GET /v1/x"},
		{"LOCK", "/v1/deep/y", "read", "", "y", "LOCK /v1/deep/y"},
		{"GET", "http://admin.example/orders", "admin", "", "of the host", "GET admin.example/orders"},
		{"GET", "/blog/z", "read", "", "blog", echo.RouteNotFound + " /blog/*"},
	} {
		for token, status := range map[string]int{issuer.Token(tt.scope): 204, issuer.Token("other"): 403, "": 401} {
			reached, *told = "", nil
			w := send(e, tt.method, tt.target, token, http.Header{echo.HeaderXHTTPMethodOverride: {tt.override}})
			if w.Code != status || (reached == tt.name) != (status == 204) || (reached == "") == (status == 204) || !slices.Equal(*told, []string{tt.told}) {
				t.Errorf("%s %s: %d, reached %q, told %q; want %d", tt.method, tt.target, w.Code, reached, *told, status)
			}
		}
	}
	for target, want := range map[string]int{"GET /public": 204, "GET /nothing": 404, "PUT /orders": 405, "GET /v1/nothing": 404} {
		method, path, _ := strings.Cut(target, " ")
		if w := send(e, method, path, "", nil); w.Code != want || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d, want %d without a challenge", target, w.Code, want)
		}
	}
}

func TestCheckRouter(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	any := auth.AnyToken()
	for name, tt := range map[string]struct {
		add  func(e *echo.Echo, a *echoauth.Router)
		want string
	}{
		"routes of a Router": {func(e *echo.Echo, a *echoauth.Router) {
			a.GET("/x", any, ok)
			a.Group("/v1", pass).GET("/y", any, ok)
			echoauth.NewRouter(guard, e).POST("/x", any, ok)
		}, ""},
		"a route of Echo's own": {func(e *echo.Echo, _ *echoauth.Router) { e.GET("/x", ok) }, "echoauth: no guard covers GET /x"},
		"a group that was guarded after its routes": {func(e *echo.Echo, _ *echoauth.Router) {
			g := e.Group("/v1")
			g.GET("/x", ok)
			g.Use(echoauth.Require(guard, "read"))
		}, "echoauth: no guard covers GET /v1/x"},
		"a route of Echo's own over one of a Router": {func(e *echo.Echo, a *echoauth.Router) {
			a.GET("/x", any, ok)
			e.GET("/x", ok)
		}, "echoauth: no guard covers GET /x"},
		"the same by another name of the parameter": {func(e *echo.Echo, a *echoauth.Router) {
			a.GET("/x/:id", any, ok)
			e.GET("/x/:key", ok)
		}, "echoauth: another route takes all requests of GET /x/:id\nechoauth: no guard covers GET /x/:key"},
		"a host":       {func(e *echo.Echo, _ *echoauth.Router) { e.Host("h.example").GET("/x", ok) }, "echoauth: no guard covers GET h.example/x"},
		"static files": {func(e *echo.Echo, _ *echoauth.Router) { e.Static("/files", ".") }, "echoauth: no guard covers GET /files*"},
		"a handler in the place of a Router's": {func(e *echo.Echo, a *echoauth.Router) {
			a.GET("/x", any, ok)
			a.POST("/x", any, ok)
			e.Router().Add("POST", "/x", ok)
		}, "echoauth: another handler was put in the place of POST /x"},
		"a handler in the place of a host's": {func(e *echo.Echo, a *echoauth.Router) {
			a.Host("h.example").GET("/x/:id", any, ok)
			e.Routers()["h.example"].Add("GET", "/x/:key", ok)
		}, "echoauth: another route takes all requests of GET h.example/x/:id"},
		"routes of a Router that overlap": {func(_ *echo.Echo, a *echoauth.Router) {
			a.GET("/*", any, ok)
			a.GET("/:a", any, ok)
			a.GET("/:a/b", any, ok)
			a.GET("/x/*", any, ok)
			a.GET("/x/y/z/:c", any, ok)
			a.POST("/:b/b", any, ok)
			a.Add(echo.RouteNotFound, "/x/*", any, ok)
		}, ""},
		"renamed":            {func(_ *echo.Echo, a *echoauth.Router) { a.GET("/x", any, ok).Name = "x" }, ""},
		"a 404 of one's own": {func(e *echo.Echo, _ *echoauth.Router) { e.RouteNotFound("/*", ok) }, "echoauth: no guard covers " + echo.RouteNotFound + " /*"},
	} {
		e := echo.New()
		tt.add(e, echoauth.NewRouter(guard, e))
		got := ""
		if err := echoauth.CheckRouter(e); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	if echoauth.CheckRouter(nil) == nil {
		t.Error("no Echo is no error")
	}
}

func TestRouterIsMisconfigured(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	any := auth.AnyToken()
	for name, tt := range map[string]struct {
		add  func(e *echo.Echo, a *echoauth.Router)
		want string
	}{
		"no guard":             {func(e *echo.Echo, _ *echoauth.Router) { echoauth.NewRouter(nil, e) }, "Guard"},
		"no Echo":              {func(*echo.Echo, *echoauth.Router) { echoauth.NewRouter(guard, nil) }, "Echo"},
		"the zero requirement": {func(_ *echo.Echo, a *echoauth.Router) { a.GET("/x", auth.Requirement{}, ok) }, `"GET /x": the zero`},
		"a nil handler":        {func(_ *echo.Echo, a *echoauth.Router) { a.GET("/x", any, nil) }, `"GET /x" has a nil handler`},
		"a route twice": {func(_ *echo.Echo, a *echoauth.Router) {
			a.GET("/x/:id", any, ok)
			a.GET("/x/:key", any, ok)
		}, `"GET /x/:key" is registered twice`},
		"over one of Echo's own": {func(e *echo.Echo, a *echoauth.Router) {
			e.GET("/v1/x", ok)
			a.Group("/v1").GET("/x", any, ok)
		}, `"GET /v1/x" is registered twice`},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want one that names %q", got, tt.want)
				}
			}()
			e := echo.New()
			tt.add(e, echoauth.NewRouter(guard, e))
		})
	}
}
