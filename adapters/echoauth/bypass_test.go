package echoauth_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// rewriters are Echo's middlewares that make another request of the one that came.
var rewriters = map[string]echo.MiddlewareFunc{
	"none":                nil,
	"AddTrailingSlash":    middleware.AddTrailingSlash(),
	"RemoveTrailingSlash": middleware.RemoveTrailingSlash(),
	"MethodOverride":      middleware.MethodOverride(),
	"Rewrite":             middleware.Rewrite(map[string]string{"/old/*": "/$1", "/orders": "/admin", "/public": "/orders"}),
}

// A maze is an API whose handlers note which scope they need when they are entered.
type maze struct {
	guard   *auth.Guard
	entered []string
}

var mazeRules = auth.Rules{
	"GET /admin": auth.Scopes("admin"), "GET /orders": auth.Scopes("read"), "POST /orders": auth.Scopes("write"), "DELETE /orders": auth.Scopes("admin"),
	"GET /orders/:id": auth.Scopes("read"), "/any": auth.Scopes("admin"), "GET /v1": auth.Scopes("read"), "GET /v1/admin": auth.Scopes("admin"),
	"GET /files/*": auth.Scopes("read"), "GET other.example/orders": auth.Scopes("other"),
	"GET /slash/": auth.Scopes("admin"), "POST /slash/": auth.Scopes("write"),
}

// mazes are the ways to guard it.
var mazes = map[string]func(*testing.T, *maze, *echo.Echo){
	"Require": func(_ *testing.T, m *maze, e *echo.Echo) {
		m.routes(e, func(scope string) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{echoauth.Require(m.guard, scope)}
		})
	},
	"EnforceRules": func(t *testing.T, m *maze, e *echo.Echo) {
		e.Use(echoauth.EnforceRules(m.guard, mazeRules))
		m.routes(e, func(string) []echo.MiddlewareFunc { return nil })
		if err := echoauth.Check(e, mazeRules); err != nil {
			t.Fatal(err)
		}
	},
}

func (m *maze) routes(e *echo.Echo, need func(scope string) []echo.MiddlewareFunc) {
	enter := func(needed string) echo.HandlerFunc {
		return func(c echo.Context) error { m.entered = append(m.entered, needed); return c.NoContent(200) }
	}
	e.GET("/admin", enter("admin"), need("admin")...)
	e.GET("/orders", enter("read"), need("read")...)
	e.POST("/orders", enter("write"), need("write")...)
	e.DELETE("/orders", enter("admin"), need("admin")...)
	e.GET("/orders/:id", enter("read"), need("read")...)
	e.Any("/any", enter("admin"), need("admin")...)
	v1 := e.Group("/v1")
	v1.GET("", enter("read"), need("read")...)
	v1.GET("/admin", enter("admin"), need("admin")...)
	e.GET("/files/*", enter("read"), need("read")...)
	e.GET("/slash/", enter("admin"), need("admin")...)
	e.POST("/slash/", enter("write"), need("write")...)
	e.Host("other.example").GET("/orders", enter("other"), need("other")...)
}

var (
	trickMethods = []string{"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "FOO", "echo_route_not_found"}
	trickTargets = []string{
		"/admin", "/admin/", "//admin", "/./admin", "/files/../admin", "/files/%2e%2e/admin", "/files/..%2Fadmin", "/%61dmin", "/ADMIN", "/admin%2F",
		"/orders", "/orders/", "/orders/7", "/any", "/v1", "/v1/", "/v1/admin", "/v1//admin", "/old/admin", "/public", "/files/", "/files", "/slash",
		"http://other.example/orders", "http://OTHER.example/orders", "http://stranger.example/orders",
	}
	overrides = []string{"", "GET", "POST", "DELETE", "OPTIONS", "FOO"}
	scopes    = []string{"", "read", "write", "admin", "other"}
)

func TestNoTrickReachesAHandlerWhoseRuleIsNotMet(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	tokens := map[string]string{"": ""}
	for _, scope := range scopes[1:] {
		tokens[scope] = issuer.Token(scope)
	}
	for kind, build := range mazes {
		for before, mw := range rewriters {
			for _, place := range []string{"Pre", "Use", "Use, behind the guard"} {
				t.Run(fmt.Sprint(kind, "/", before, " in ", place), func(t *testing.T) {
					m := &maze{guard: issuer.Guard(nil)}
					e := echo.New()
					if mw != nil && place == "Pre" {
						e.Pre(mw)
					} else if mw != nil && place == "Use" {
						e.Use(mw)
					}
					build(t, m, e)
					if mw != nil && place == "Use, behind the guard" {
						e.Use(mw)
					}
					m.try(t, e, tokens)
				})
			}
		}
	}
}

// try sends every combination, and wants every scope to be of use somewhere.
func (m *maze) try(t *testing.T, e *echo.Echo, tokens map[string]string) {
	used := map[string]bool{}
	for _, method := range trickMethods {
		for _, target := range trickTargets {
			for _, as := range overrides {
				header := http.Header{}
				if as != "" {
					header.Set("X-Http-Method-Override", as)
				}
				for scope, token := range tokens {
					m.entered = nil
					w := send(e, method, target, token, header)
					for _, needed := range m.entered {
						used[needed] = true
						if needed != scope {
							t.Errorf("%s %s as %q with scope %q reached a handler that needs %q: %d", method, target, as, scope, needed, w.Code)
						}
					}
				}
			}
		}
	}
	if len(used) < 3 {
		t.Errorf("only handlers for %v were reached", used)
	}
}

// TestTricksOverTheWire sends request lines as they are to a running server.
func TestTricksOverTheWire(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token("read")
	for kind, build := range mazes {
		for before, mw := range rewriters {
			t.Run(kind+"/"+before, func(t *testing.T) {
				m := &maze{guard: issuer.Guard(nil)}
				e := echo.New()
				if mw != nil {
					e.Pre(mw)
				}
				build(t, m, e)
				server := httptest.NewServer(e)
				defer server.Close()
				for _, target := range append(slices.Clone(trickTargets), "/v1/../admin", "/files/x/../../admin", "/admin;x", "/admin?x", "/admin#x", "/admin%00") {
					for _, method := range []string{"GET", "DELETE", "echo_route_not_found"} {
						status := exchange(t, server, method+" "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-HTTP-Method-Override: DELETE\r\nAuthorization: Bearer "+token+"\r\n\r\n")
						if i := slices.IndexFunc(m.entered, func(needed string) bool { return needed != "read" }); i >= 0 {
							t.Errorf("%s %s reached a handler that needs %q: %d", method, target, m.entered[i], status)
						}
						m.entered = nil
					}
				}
			})
		}
	}
}

// exchange sends raw to the server, and returns the status of the answer. The server is done with
// the request when it returns.
func exchange(t *testing.T, server *httptest.Server, raw string) int {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(raw)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
