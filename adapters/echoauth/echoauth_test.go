package echoauth_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

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

// rewriters are Echo's middlewares that make another request of the one that came.
var rewriters = map[string]echo.MiddlewareFunc{
	"none":                nil,
	"AddTrailingSlash":    middleware.AddTrailingSlash(),
	"RemoveTrailingSlash": middleware.RemoveTrailingSlash(),
	"MethodOverride":      middleware.MethodOverride(),
	"Rewrite":             middleware.Rewrite(map[string]string{"/old/*": "/$1", "/orders": "/admin", "/public": "/orders"}),
}

func TestNoTrickReachesAHandlerWhoseRuleIsNotMet(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	var entered []string
	enter := func(needed string) echo.HandlerFunc {
		return func(c echo.Context) error { entered = append(entered, needed); return c.NoContent(200) }
	}
	routes := func(e *echo.Echo, need func(scope string) []echo.MiddlewareFunc) {
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
		e.Host("other.example").GET("/orders", enter("other"), need("other")...)
	}
	rules := auth.Rules{
		"GET /admin": auth.Scopes("admin"), "GET /orders": auth.Scopes("read"), "POST /orders": auth.Scopes("write"), "DELETE /orders": auth.Scopes("admin"),
		"GET /orders/:id": auth.Scopes("read"), "/any": auth.Scopes("admin"), "GET /v1": auth.Scopes("read"), "GET /v1/admin": auth.Scopes("admin"),
		"GET /files/*": auth.Scopes("read"), "GET other.example/orders": auth.Scopes("other"),
	}
	for kind, build := range map[string]func(*echo.Echo){
		"Require": func(e *echo.Echo) {
			routes(e, func(scope string) []echo.MiddlewareFunc { return []echo.MiddlewareFunc{echoauth.Require(guard, scope)} })
		},
		"EnforceRules": func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, rules))
			routes(e, func(string) []echo.MiddlewareFunc { return nil })
			if err := echoauth.Check(e, rules); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for before, mw := range rewriters {
			for _, place := range []string{"Pre", "Use"} {
				e := echo.New()
				if mw != nil && place == "Pre" {
					e.Pre(mw)
				} else if mw != nil {
					e.Use(mw)
				}
				build(e)
				for _, scope := range []string{"", "read", "write", "admin", "other"} {
					token := ""
					if scope != "" {
						token = issuer.Token(scope)
					}
					for _, method := range []string{"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "FOO", "echo_route_not_found"} {
						for _, target := range []string{
							"/admin", "/admin/", "//admin", "/./admin", "/files/../admin", "/files/%2e%2e/admin", "/files/..%2Fadmin", "/%61dmin", "/ADMIN", "/admin%2F",
							"/orders", "/orders/", "/orders/7", "/any", "/v1", "/v1/", "/v1/admin", "/v1//admin", "/old/admin", "/public", "/files/", "/files",
							"http://other.example/orders", "http://OTHER.example/orders", "http://stranger.example/orders",
						} {
							for _, as := range []string{"", "GET", "POST", "DELETE", "OPTIONS", "FOO"} {
								entered = nil
								header := http.Header{}
								if as != "" {
									header.Set("X-Http-Method-Override", as)
								}
								w := send(e, method, target, token, header)
								for _, needed := range entered {
									if needed != scope {
										t.Errorf("%s, %s in %s: %s %s as %q with scope %q reached a handler that needs %q: %d", kind, before, place, method, target, as, scope, needed, w.Code)
									}
								}
							}
						}
					}
				}
			}
		}
	}
}

func ok(c echo.Context) error {
	if p, found := auth.PrincipalFrom(c.Request().Context()); found {
		return c.String(200, p.Subject())
	}
	return c.String(200, "anonymous")
}

func TestEnforceRules(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told []string
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d.Operation) }})
	e := echo.New()
	e.Use(echoauth.EnforceRules(guard, auth.Rules{
		"GET /orders": auth.Scopes("read"), "/orders": auth.Scopes("write"), "GET /public": auth.Public(), "GET /optional": auth.Optional(),
		"GET api.example/orders": auth.Scopes("host"),
	}))
	e.GET("/orders", ok)
	e.POST("/orders", ok)
	e.GET("/public", ok)
	e.GET("/optional", ok)
	e.GET("/unnamed", ok)
	g := e.Group("/group", func(next echo.HandlerFunc) echo.HandlerFunc { return next }) // Echo adds routes for what is not found
	g.GET("/unnamed", ok)
	e.Host("api.example").GET("/orders", ok)
	e.Host("bare.example").GET("/orders", ok)
	reader, writer := issuer.Token("read"), issuer.Token("write")
	for _, tt := range []struct {
		method, target, token string
		want                  int
		told                  string
	}{
		{"GET", "/orders", reader, 200, "GET /orders"},
		{"GET", "/orders", writer, 403, "GET /orders"},
		{"POST", "/orders", writer, 200, "/orders"},
		{"POST", "/orders", reader, 403, "/orders"},
		{"GET", "/public", "", 200, ""},
		{"GET", "/optional", "", 200, "GET /optional"},
		{"GET", "/unnamed", reader, 403, "GET /unnamed"},
		{"GET", "/group/unnamed", reader, 403, "GET /group/unnamed"},
		{"GET", "/group/other", "", 404, ""},
		{"GET", "/other", "", 404, ""},
		{"PUT", "/orders", "", 405, ""},
		{"HEAD", "/orders", "", 405, ""},
		{"OPTIONS", "/orders", "", 204, ""},
		{"GET", "http://api.example/orders", issuer.Token("host"), 200, "GET api.example/orders"},
		{"GET", "http://api.example/orders", reader, 403, "GET api.example/orders"},
		{"GET", "http://bare.example/orders", reader, 403, "GET bare.example/orders"},
		{"GET", "http://api.example/other", "", 404, ""},
	} {
		for range 2 { // the second time the route is known
			told = nil
			w := send(e, tt.method, tt.target, tt.token, nil)
			if got := strings.Join(told, ","); w.Code != tt.want || got != tt.told {
				t.Errorf("%s %s: %d told as %q, want %d and %q", tt.method, tt.target, w.Code, got, tt.want, tt.told)
			}
		}
	}
}

func TestAHandlerThatNoRouterKnowsIsRefused(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	e := echo.New()
	entered := false
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.SetPath("/elsewhere") // the route cannot be found again
			return next(c)
		}
	}, echoauth.EnforceRules(issuer.Guard(nil), auth.Rules{"GET /orders": auth.AnyToken(), "/elsewhere": auth.Public()}))
	e.GET("/orders", func(c echo.Context) error { entered = true; return c.NoContent(200) })
	if w := send(e, "GET", "/orders", issuer.Token("read"), nil); w.Code != 403 || entered {
		t.Errorf("%d, handler entered: %v; want 403", w.Code, entered)
	}
}

func TestRefusalsGoThroughTheErrorHandler(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for _, tt := range []struct {
		name    string
		handler echo.HTTPErrorHandler // nil: Echo's own
		body    string
		kind    string
	}{
		{"Echo's own", nil, `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"An access token is required","code":"CREDENTIALS_MISSING"}` + "\n", auth.ProblemType},
		{"one that writes a body", func(err error, c echo.Context) {
			he := err.(*echo.HTTPError)
			_ = c.String(he.Code, "refused: "+auth.AsError(he).Reason.String())
		}, "refused: CREDENTIALS_MISSING", auth.ProblemType},
		{"one that knows nothing", func(_ error, c echo.Context) { _ = c.NoContent(401) }, "", auth.ProblemType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := echo.New()
			if tt.handler != nil {
				e.HTTPErrorHandler = tt.handler
			}
			e.GET("/orders", ok, echoauth.Require(issuer.Guard(nil), "read"))
			w := send(e, "GET", "/orders", "", nil)
			if w.Code != 401 || w.Body.String() != tt.body || w.Header().Get("WWW-Authenticate") != `Bearer realm="api"` || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %v\n%s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

func TestGroupsAndNesting(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	e := echo.New()
	g := e.Group("/v1", echoauth.Enforce(guard, auth.AnyToken()))
	g.GET("/orders", ok, echoauth.Require(guard, "read"), echoauth.Require(guard, "more"))
	e.GET("/optional", ok, echoauth.Enforce(guard, auth.Optional()))
	for _, tt := range []struct {
		target, token string
		want          int
		vary          string
	}{
		{"/v1/orders", issuer.Token("read more"), 200, ""},
		{"/v1/orders", issuer.Token("read"), 403, ""},
		{"/v1/orders", "", 401, ""},
		{"/optional", "", 200, "Authorization"},
		{"/optional", "bad", 401, "Authorization"},
	} {
		w := send(e, "GET", tt.target, tt.token, nil)
		if w.Code != tt.want || w.Header().Get("Vary") != tt.vary {
			t.Errorf("%s: %d with Vary %q, want %d with %q", tt.target, w.Code, w.Header().Get("Vary"), tt.want, tt.vary)
		}
	}
}

func TestCheck(t *testing.T) {
	e := echo.New()
	e.GET("/orders", ok)
	e.POST("/orders", ok)
	e.Group("/group", func(next echo.HandlerFunc) echo.HandlerFunc { return next }).GET("/x", ok)
	e.Host("api.example").GET("/orders", ok)
	full := auth.Rules{"GET /orders": auth.AnyToken(), "/orders": auth.AnyToken(), "GET /group/x": auth.AnyToken(), "api.example/orders": auth.AnyToken()}
	if err := echoauth.Check(e, full); err != nil {
		t.Errorf("rules for everything: %v", err)
	}
	err := echoauth.Check(e, auth.Rules{"GET /orders": auth.AnyToken(), "GET /nothing": auth.AnyToken()})
	got := strings.Split(fmt.Sprint(err), "\n")
	want := []string{
		"echoauth: no rule names GET /group/x: it is refused to everyone", "echoauth: no rule names POST /orders: it is refused to everyone",
		"echoauth: no rule names GET api.example/orders: it is refused to everyone", `echoauth: no route uses rule "GET /nothing"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := echoauth.Check(e, nil); err == nil {
		t.Error("no rules were accepted")
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

// TestCORS is the recipe: Echo's CORS middleware in front of the guard, so that a preflight, which never has a token, passes.
func TestCORS(t *testing.T) {
	e := echo.New()
	e.Use(middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins: []string{"https://app.example"}, AllowHeaders: []string{"Authorization"}, ExposeHeaders: []string{"WWW-Authenticate"},
	}))
	e.GET("/orders", ok, echoauth.Require(authtest.NewIssuer(t, nil).Guard(nil), "read"))
	origin := http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}}
	if w := send(e, "OPTIONS", "/orders", "", origin); w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	w := send(e, "GET", "/orders", "", http.Header{"Origin": {"https://app.example"}})
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Access-Control-Expose-Headers") != "WWW-Authenticate" {
		t.Errorf("refusal: %d %v", w.Code, w.Header())
	}
}

func TestTheResponseWriterKeepsItsFeatures(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	e := echo.New()
	e.GET("/", func(c echo.Context) error {
		c.Response().Flush()
		conn, _, err := http.NewResponseController(c.Response()).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return err
		}
		io.WriteString(conn, "hijacked\n")
		return conn.Close()
	}, echoauth.Require(issuer.Guard(nil), "read"))
	server := httptest.NewServer(e)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", issuer.Token("read"))
	if all, _ := io.ReadAll(bufio.NewReader(conn)); !strings.HasSuffix(string(all), "hijacked\n") {
		t.Errorf("got %q", all)
	}
}

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignature}
}

func ExampleRequire() {
	e := echo.New()
	e.GET("/orders", ok, echoauth.Require(auth.NewGuard(nobody{}, nil), "read:orders"))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
	fmt.Println(w.Code, w.Header()["Www-Authenticate"])
	// Output:
	// 401 [Bearer realm="api"]
}

func ExampleEnforceRules() {
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders"), "POST /orders": auth.Scopes("write:orders")}
	e := echo.New()
	e.Use(echoauth.EnforceRules(auth.NewGuard(nobody{}, nil), rules))
	e.GET("/orders", ok)
	e.GET("/debug", ok)
	fmt.Println(echoauth.Check(e, rules))
	// Output:
	// echoauth: no rule names GET /debug: it is refused to everyone
	// echoauth: no route uses rule "POST /orders"
}
