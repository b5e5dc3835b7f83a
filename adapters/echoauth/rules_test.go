package echoauth_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestEnforceRules asks a running server.
func TestEnforceRules(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard, told := listening(issuer)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := auth.Rules{
		"GET /orders": auth.Scopes("read"), "/orders": auth.Scopes("write"), "GET /public": auth.Public(), "GET /optional": auth.Optional(),
		"GET api.example/orders": auth.Scopes("host"), "/any": auth.Scopes("read"), "POST /any": auth.Scopes("write"), "GET /match": auth.Scopes("read"),
		"PUT /match": auth.Scopes("write"), "HEAD /head": auth.Scopes("read"), "OPTIONS /options": auth.Scopes("read"), "/files*": auth.Scopes("files"),
		"GET /file": auth.Scopes("files"), "GET /users/:id": auth.Scopes("read"), `GET /v1\:batch`: auth.Scopes("batch"), "LOCK /orders": auth.Scopes("lock"),
	}
	e := echo.New()
	e.Use(echoauth.EnforceRules(guard, rules))
	e.GET("/orders", ok)
	e.POST("/orders", ok)
	e.Add("LOCK", "/orders", ok)
	e.GET("/public", ok)
	e.GET("/optional", ok)
	e.GET("/unnamed", ok)
	e.GET("/users/:id", ok)
	e.GET(`/v1\:batch`, ok)
	e.Any("/any", ok)
	e.Match([]string{"GET", "PUT"}, "/match", ok)
	e.HEAD("/head", ok)
	e.OPTIONS("/options", ok)
	e.Static("/files", dir)
	e.File("/file", filepath.Join(dir, "a.txt"))
	e.Group("/group", pass).GET("/unnamed", ok) // Echo adds routes for what is not found
	e.Host("api.example").GET("/orders", ok)
	e.Host("bare.example").GET("/orders", ok)
	server := httptest.NewServer(e)
	defer server.Close()

	token := issuer.Token
	for _, tt := range []struct {
		method, target, token string
		want                  int
		told                  string
	}{
		{"GET", "/orders", token("read"), 200, "GET /orders"},
		{"GET", "/orders?x=1", token("write"), 403, "GET /orders"},
		{"POST", "/orders", token("write"), 200, "/orders"},
		{"POST", "/orders", token("read"), 403, "/orders"},
		{"LOCK", "/orders", token("lock"), 200, "LOCK /orders"},
		{"LOCK", "/orders", token("write"), 403, "LOCK /orders"},
		{"GET", "/public", "", 200, ""},
		{"GET", "/public", "bad", 200, ""},
		{"GET", "/optional", "", 200, "GET /optional"},
		{"GET", "/optional", "bad", 401, "GET /optional"},
		{"GET", "/users/7", "", 401, "GET /users/:id"},
		{"GET", "/v1:batch", token("batch"), 200, `GET /v1\:batch`},
		{"DELETE", "/any", token("read"), 200, "/any"},
		{"OPTIONS", "/any", "", 401, "/any"},
		{"POST", "/any", token("read"), 403, "POST /any"},
		{"PUT", "/match", token("write"), 200, "PUT /match"},
		{"PUT", "/match", token("read"), 403, "PUT /match"},
		{"HEAD", "/head", token("read"), 200, "HEAD /head"},
		{"HEAD", "/head", "", 401, "HEAD /head"},
		{"OPTIONS", "/options", "", 401, "OPTIONS /options"},
		{"GET", "/files/a.txt", token("files"), 200, "/files*"},
		{"GET", "/files/a.txt", token("read"), 403, "/files*"},
		{"GET", "/files/nothing", "", 401, "/files*"},
		{"GET", "/filesystem", "", 401, "/files*"}, // Echo's pattern has no slash there
		{"GET", "/file", "", 401, "GET /file"},
		{"GET", "/file", token("files"), 200, "GET /file"},
		// Registered, but no rule names it: refused to everybody, and without a challenge.
		{"GET", "/unnamed", token("read"), 403, "GET /unnamed"},
		{"GET", "/unnamed", "", 403, "GET /unnamed"},
		{"GET", "/group/unnamed", token("read"), 403, "GET /group/unnamed"},
		// Not registered: Echo's own answers, without authentication.
		{"GET", "/group/other", "", 404, ""},
		{"GET", "/group", "", 404, ""},
		{"POST", "/group/unnamed", "", 404, ""},
		{"GET", "/other", "", 404, ""},
		{"GET", "/other", "bad", 404, ""},
		{"PUT", "/orders", "", 405, ""},
		{"HEAD", "/orders", "", 405, ""},
		{"FOO", "/orders", "", 405, ""},
		{"OPTIONS", "/orders", "", 204, ""},
		{"GET", "http://api.example/orders", token("host"), 200, "GET api.example/orders"},
		{"GET", "http://api.example/orders", token("read"), 403, "GET api.example/orders"},
		{"GET", "http://bare.example/orders", token("read"), 403, "GET bare.example/orders"},
		{"GET", "http://api.example/other", "", 404, ""},
		{"GET", "http://API.EXAMPLE/orders", token("read"), 200, "GET /orders"}, // Echo compares hosts byte by byte
		{"GET", "http://stranger.example/orders", token("read"), 200, "GET /orders"},
	} {
		*told = nil
		resp, body := ask(t, server, tt.method, tt.target, tt.token)
		if got := strings.Join(*told, ","); resp.StatusCode != tt.want || got != tt.told {
			t.Errorf("%s %s: %d told as %q, want %d and %q", tt.method, tt.target, resp.StatusCode, got, tt.want, tt.told)
		}
		if challenged := resp.Header.Get("WWW-Authenticate") != ""; challenged != (tt.want == 401 || tt.want == 403 && !strings.Contains(body, "NOT_ALLOWED") && strings.Contains(body, "scope")) {
			t.Errorf("%s %s: %d with challenge %q: %s", tt.method, tt.target, resp.StatusCode, resp.Header.Get("WWW-Authenticate"), body)
		}
		if allow := resp.Header.Get("Allow"); (allow != "") != (tt.want == 405 || tt.want == 204) {
			t.Errorf("%s %s: %d with Allow %q", tt.method, tt.target, resp.StatusCode, allow)
		}
	}
}

// ask sends a request to a running server; a target with a host goes there with that Host.
func ask(t *testing.T, server *httptest.Server, method, target, token string) (*http.Response, string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(method, server.URL+u.RequestURI(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = u.Host
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestWhatMatchesNoRouteReachesNothing gives the table neighbours that answer by themselves.
func TestWhatMatchesNoRouteReachesNothing(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") }))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := middleware.Proxy(middleware.NewRoundRobinBalancer([]*middleware.ProxyTarget{{URL: target}}))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	static := middleware.Static(dir)
	secret := func(c echo.Context) error { return c.String(200, "secret") }
	rules := auth.Rules{"GET /orders": auth.Scopes("read"), "/*": auth.Public(), "/blog/*": auth.Public()}
	named := auth.Rules{"GET /orders": auth.Scopes("read"), echo.RouteNotFound + " /blog/*": auth.Scopes("blog")}
	blog := issuer.Token("blog")
	for name, tt := range map[string]struct {
		build         func(*echo.Echo)
		target, token string
		want          int
	}{
		"Pre":                          {func(e *echo.Echo) { e.Pre(echoauth.EnforceRules(guard, rules)) }, "/orders", issuer.Token("read"), 404},
		"Proxy behind the table":       {func(e *echo.Echo) { e.Use(echoauth.EnforceRules(guard, rules), proxy) }, "/x", "", 404},
		"Static behind the table":      {func(e *echo.Echo) { e.Use(echoauth.EnforceRules(guard, rules), static) }, "/x", "", 404},
		"Static in front of the table": {func(e *echo.Echo) { e.Use(static, echoauth.EnforceRules(guard, rules)) }, "/x", "", 200},
		"Proxy as a group": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, rules))
			e.Group("/blog", proxy)
		}, "/blog/x", "", 404},
		"Static as a group": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, rules))
			e.Group("/blog").Use(static)
		}, "/blog/x", "", 404},
		"a group of a host": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, rules))
			e.Host("other.example", proxy)
		}, "http://other.example/x", "", 404},
		"a handler of RouteNotFound": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, rules))
			e.RouteNotFound("/*", secret)
		}, "/x", "", 404},
		"a named Proxy as a group, without token": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, named))
			e.Group("/blog", proxy)
		}, "/blog/x", "", 401},
		"a named Proxy as a group, with a token short of scopes": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, named))
			e.Group("/blog", proxy)
		}, "/blog/x", issuer.Token("read"), 403},
		"a named Proxy as a group, with a good token": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, named))
			e.Group("/blog", proxy)
		}, "/blog/x", blog, 200},
		"the table as a group, in front of a Proxy": {func(e *echo.Echo) {
			e.Group("/blog", echoauth.EnforceRules(guard, rules), proxy)
		}, "/blog/x", "", 404},
		"two tables": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, named), echoauth.EnforceRules(guard, rules))
			e.Group("/blog", echoauth.EnforceRules(guard, rules), proxy)
		}, "/blog/x", blog, 404},
		"Enforce as a group, in front of a Proxy": {func(e *echo.Echo) {
			e.Group("/blog", echoauth.Require(guard, "blog"), proxy)
		}, "/blog/x", "", 401},
		"a route that Routes does not tell of": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, rules))
			e.Router().Add("GET", "/x", secret)
		}, "/x", blog, 403},
		"one handler as it is at two routes": {func(e *echo.Echo) {
			e.Use(echoauth.EnforceRules(guard, auth.Rules{"/x": auth.Scopes("other"), "/y": auth.Public()}))
			for _, path := range []string{"/x", "/y"} {
				e.GET(path, secret)
				e.Router().Add("GET", path, secret)
			}
		}, "/x", blog, 403},
		"a handler made for this request": {func(e *echo.Echo) {
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					c.SetHandler(func(c echo.Context) error { return c.String(200, "secret of "+c.Path()) })
					return next(c)
				}
			}, echoauth.EnforceRules(guard, rules))
			e.GET("/x", secret)
		}, "/x", blog, 403},
	} {
		t.Run(name, func(t *testing.T) {
			e := echo.New()
			tt.build(e)
			e.GET("/orders", ok)
			for range 2 {
				w := send(e, "GET", tt.target, tt.token, nil)
				if leaked := strings.Contains(w.Body.String(), "secret"); w.Code != tt.want || leaked != (tt.want == 200) {
					t.Errorf("got %d %q, want %d", w.Code, w.Body, tt.want)
				}
			}
		})
	}
}

// TestTheRuleIsThatOfTheHandler changes the request, in every request, after it was routed.
func TestTheRuleIsThatOfTheHandler(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for name, change := range map[string]func(echo.Context){
		"method":  func(c echo.Context) { c.Request().Method = "DELETE" },
		"path":    func(c echo.Context) { c.Request().URL.Path = "/public" },
		"host":    func(c echo.Context) { c.Request().Host = "api.example" },
		"SetPath": func(c echo.Context) { c.SetPath("/public") },
		"params":  func(c echo.Context) { c.SetParamNames(); c.SetParamValues() },
		"request": func(c echo.Context) { c.SetRequest(httptest.NewRequest("GET", "/public", nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			guard, told := listening(issuer)
			e := echo.New()
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error { change(c); return next(c) }
			}, echoauth.EnforceRules(guard, auth.Rules{
				"GET /orders/:id": auth.Scopes("read"),
				"/orders/:id":     auth.Public(), "/public": auth.Public(), "api.example/orders/:id": auth.Public(),
			}))
			e.GET("/orders/:id", ok)
			e.DELETE("/orders/:id", ok)
			e.GET("/public", ok)
			e.Host("api.example").GET("/orders/:id", ok)
			if w := send(e, "GET", "/orders/7", "", nil); w.Code != 401 || len(*told) != 1 || (*told)[0] != "GET /orders/:id" {
				t.Errorf("%d, told %q", w.Code, *told)
			}
		})
	}
}

func TestOneTableForTwoEchos(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mw := echoauth.EnforceRules(issuer.Guard(nil), auth.Rules{"GET /a": auth.Scopes("read"), "GET /b": auth.Scopes("read")})
	for _, path := range []string{"/a", "/b"} {
		e := echo.New()
		e.Use(mw)
		e.GET(path, ok)
		if w := send(e, "GET", path, issuer.Token("read"), nil); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestARouteThatEchosRouterPanicsAt is about a path that the router cannot look up, beside ones
// that it can.
func TestARouteThatEchosRouterPanicsAt(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	e := echo.New()
	e.Use(echoauth.EnforceRules(issuer.Guard(nil), auth.Rules{"GET /orders": auth.Scopes("read")}))
	for _, path := range []string{`/a\:b/:y/:z`, "/a:x", `/a\:b/*`, "/orders"} {
		e.GET(path, ok)
	}
	for token, want := range map[string]int{"": 401, issuer.Token("read"): 200} {
		if w := send(e, "GET", "/orders", token, nil); w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
}

func TestTheRulesAreCopied(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	rules := auth.Rules{"GET /a": auth.Scopes("read")}
	e := echo.New()
	e.Use(echoauth.EnforceRules(issuer.Guard(nil), rules))
	e.GET("/a", ok)
	rules["GET /a"] = auth.Public()
	if w := send(e, "GET", "/a", "", nil); w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
}

// TestFirstRequestsAtOnce is for the race detector.
func TestFirstRequestsAtOnce(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for kind, e := range both(issuer.Guard(nil), "/orders/:id", auth.Scopes("read"), ok) {
		token := issuer.Token("read")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if w := send(e, "GET", "/orders/7", token, nil); w.Code != 200 {
					t.Errorf("%s: %d", kind, w.Code)
				}
			})
		}
		wg.Wait()
	}
}

// TestEveryRouteThatARequestReachesIsAuthorizedByItsRule compares the table with Echo's router,
// over random routes and random requests.
func TestEveryRouteThatARequestReachesIsAuthorizedByItsRule(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token("read")
	pick := func(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }
	segments := []string{"a", "ab", "b", ":x", ":y", "a:x", "*", "a*", `a\:b`, ""}
	values := []string{"a", "ab", "b", "c", "a:b", "", "x", "abc"}
	methods := []string{"GET", "POST", "LOCK"}
	join := func(r *rand.Rand, from []string) string {
		var b strings.Builder
		for range r.IntN(4) {
			b.WriteString("/" + pick(r, from))
		}
		return b.String()
	}
	reached := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		guard, told := listening(issuer)
		rules := auth.Rules{"/no/such/route": auth.AnyToken()}
		e := echo.New()
		var entered string
		for range 1 + r.IntN(8) {
			method, path := pick(r, methods), join(r, segments)
			key := method + " " + path
			if path == "" {
				key = method + " /"
			}
			rules[key] = auth.AnyToken()
			e.Add(method, path, func(c echo.Context) error { entered = key; return c.NoContent(204) })
		}
		if r.IntN(2) == 0 {
			e.Group(join(r, segments), pass)
		}
		e.Use(echoauth.EnforceRules(guard, rules))
		for range 60 {
			entered, *told = "", nil
			method, path := pick(r, methods), "/"+strings.TrimPrefix(join(r, values), "/")
			w, panicked := sendUnlessPanics(e, method, path, token)
			if panicked {
				continue // Echo's router does, with some routes beside each other
			}
			if entered != "" {
				reached++
			}
			if w.Code == 403 || fmt.Sprint(*told) != "["+entered+"]" {
				t.Fatalf("seed %d: %s %s: %d, entered %q, told %q; routes %v", seed, method, path, w.Code, entered, *told, rules)
			}
		}
	}
	if reached < 1000 {
		t.Errorf("only %d requests reached a route", reached)
	}
}

func sendUnlessPanics(e *echo.Echo, method, path, token string) (w *httptest.ResponseRecorder, panicked bool) {
	defer func() {
		if v := recover(); v != nil {
			panicked = true
		}
	}()
	return send(e, method, path, token, nil), false
}
