package ginauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

// answers returns a handler whose answer tells it from the others.
func answers(text string) gin.HandlerFunc {
	return func(c *gin.Context) {
		p, _ := auth.PrincipalFrom(c.Request.Context())
		c.String(http.StatusOK, "%s for %q, %s", text, p.Subject(), c.Param("id"))
	}
}

func ask(h http.Handler, method, target, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var shopRules = auth.Rules{
	"GET /orders":             auth.Scopes("read:orders"),
	"HEAD /orders":            auth.Scopes("read:orders"),
	"POST /orders":            auth.Scopes("write:orders"),
	"GET /v1/orders/:id":      auth.AnyScope("read:orders", "admin"),
	"DELETE /v1/orders/:id":   auth.AllOf(auth.Scopes("write:orders"), auth.Role("clerk")),
	"GET /v1/files/*filepath": auth.AnyToken(),
	"GET /who":                auth.Optional(),
	"GET /healthz":            auth.Public(),
	"PUT /settings":           auth.Subject(auth.Identity{Issuer: authtest.DefaultURL, Subject: "user-1"}),
}

// shop is an API of each kind of rule.
func shop(guard *auth.Guard, engine *gin.Engine) http.Handler {
	for key, req := range shopRules {
		method, path, _ := strings.Cut(key, " ")
		ginauth.NewRouter(guard, engine).Handle(method, path, req, answers(key))
	}
	return engine
}

func TestEveryRouteIsGuarded(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for name, setting := range map[string]func(*gin.Engine){
		"default":                func(*gin.Engine) {},
		"HandleMethodNotAllowed": func(e *gin.Engine) { e.HandleMethodNotAllowed = true },
		"RedirectFixedPath":      func(e *gin.Engine) { e.RedirectFixedPath = true },
		"RemoveExtraSlash":       func(e *gin.Engine) { e.RemoveExtraSlash = true },
		"UseRawPath":             func(e *gin.Engine) { e.UseRawPath = true },
		"UseEscapedPath":         func(e *gin.Engine) { e.UseEscapedPath, e.UnescapePathValues = true, false },
		"no redirects":           func(e *gin.Engine) { e.RedirectTrailingSlash = false },
		"NoRoute and NoMethod": func(e *gin.Engine) {
			e.HandleMethodNotAllowed = true
			e.NoRoute(func(c *gin.Context) { c.String(http.StatusNotFound, "none") })
			e.NoMethod(func(c *gin.Context) { c.String(http.StatusMethodNotAllowed, "none") })
		},
		"Logger and Recovery": func(e *gin.Engine) { e.Use(gin.LoggerWithWriter(io.Discard), gin.RecoveryWithWriter(io.Discard)) },
	} {
		t.Run(name, func(t *testing.T) {
			engine := gin.New()
			setting(engine)
			h := shop(issuer.Guard(nil), engine)
			if err := ginauth.Check(engine); err != nil {
				t.Error(err)
			}
			authtest.AssertGuarded(t, issuer, h, shopRules, nil)
		})
	}
}

func TestTokensInAnotherField(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	h := shop(issuer.Guard(&auth.GuardOptions{Header: "Cf-Access-Jwt-Assertion"}), gin.New())
	authtest.AssertGuarded(t, issuer, h, shopRules, &authtest.GuardedOptions{Header: "Cf-Access-Jwt-Assertion"})
}

func TestStolenBoundTokensAreRefused(t *testing.T) {
	const origin = "https://api.example"
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	binding := must(dpop.New([]string{origin}, dpop.NewMemory(0), nil))
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}})
	rules := auth.Rules{"GET /v1/orders/:id": auth.AllOf(auth.Scopes("read"), auth.Bound())}
	engine := gin.New()
	ginauth.NewRouter(guard, engine).Group("/v1").GET("/orders/:id", rules["GET /v1/orders/:id"], answers("an order"))
	authtest.AssertGuarded(t, issuer, engine, rules, &authtest.GuardedOptions{Prover: authtest.NewProver(t, auth.ES256), Origin: origin})
}

func TestMiddlewaresInFrontSeeTheRefusal(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var aborted []bool
	var callers []string
	engine := gin.New()
	engine.Use(func(c *gin.Context) {
		c.Next()
		aborted = append(aborted, c.IsAborted())
		p, _ := auth.PrincipalFrom(c.Request.Context())
		callers = append(callers, p.Subject())
		if len(c.Errors) > 0 {
			t.Errorf("c.Errors has %v", c.Errors)
		}
	})
	ginauth.NewRouter(issuer.Guard(nil), engine).GET("/orders", auth.Scopes("read"), answers("orders"))
	if w := ask(engine, "GET", "/orders", ""); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d with %v", w.Code, w.Header())
	}
	if w := ask(engine, "GET", "/orders", issuer.Token("read")); w.Code != 200 {
		t.Errorf("got %d: %s", w.Code, w.Body)
	}
	if !slices.Equal(aborted, []bool{true, false}) || callers[0] != "" || callers[1] == "" {
		t.Errorf("the middleware saw %v, %q", aborted, callers)
	}
}

func TestHooksAreToldTheRoute(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told, matched []string
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d.Operation) }})
	h := func(c *gin.Context) { matched = append(matched, c.Request.Method+" "+c.FullPath()) }
	engine := gin.New()
	for _, prefix := range []string{"", "/", "/v1", "/v2/", "/v3/:tenant", "//v4//"} {
		api := ginauth.NewRouter(guard, engine).Group(prefix)
		for _, path := range []string{"", "a", "/b/", "//c", "/d/:id", "/e/*rest"} {
			if prefix+path == "" || prefix == "/" {
				continue
			}
			api.GET(path, auth.AnyToken(), h)
		}
	}
	token := issuer.Token("")
	for _, route := range engine.Routes() {
		told, matched = nil, nil
		ask(engine, route.Method, strings.NewReplacer(":id", "7", ":tenant", "t", "*rest", "r/s").Replace(route.Path), token)
		want := []string{route.Method + " " + route.Path}
		if !slices.Equal(told, want) || !slices.Equal(matched, want) {
			t.Errorf("hooks were told %q and gin %q, want %q", told, matched, want)
		}
	}
}

func TestAnyAndMatch(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	engine, plain := gin.New(), gin.New()
	api := ginauth.NewRouter(issuer.Guard(nil), engine)
	api.Any("/any", auth.Scopes("all"), answers("any"))
	plain.Any("/any", answers("any"))
	if len(engine.Routes()) != len(plain.Routes()) {
		t.Errorf("Any adds %d routes, gin's %d", len(engine.Routes()), len(plain.Routes()))
	}
	for _, route := range plain.Routes() {
		if w := ask(engine, route.Method, "/any", ""); w.Code != 401 {
			t.Errorf("%s without a token: got %d", route.Method, w.Code)
		}
		if w := ask(engine, route.Method, "/any", issuer.Token("all")); w.Code != 200 {
			t.Errorf("%s: got %d", route.Method, w.Code)
		}
	}
	api.Match([]string{"GET", "REPORT"}, "/match", auth.Scopes("all"), answers("match"))
	api.OPTIONS("/match", auth.Public(), answers("options"))
	for method, want := range map[string]int{"GET": 401, "REPORT": 401, "OPTIONS": 200, "POST": 404} {
		if w := ask(engine, method, "/match", ""); w.Code != want {
			t.Errorf("%s: got %d, want %d", method, w.Code, want)
		}
	}
}

func TestFilesAreGuarded(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/a.css", []byte("body {}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"/files", "/files/"} {
		engine := gin.New()
		api := ginauth.NewRouter(issuer.Guard(nil), engine)
		api.Group("/v1").StaticFS(prefix, auth.Scopes("read"), gin.Dir(dir, false))
		if err := ginauth.Check(engine); err != nil {
			t.Error(err)
		}
		for _, method := range []string{"GET", "HEAD"} {
			if w := ask(engine, method, "/v1/files/a.css", ""); w.Code != 401 {
				t.Errorf("%s %s without a token: got %d", method, prefix, w.Code)
			}
		}
		token := issuer.Token("read")
		if w := ask(engine, "GET", "/v1/files/a.css", token); w.Code != 200 || w.Body.String() != "body {}" {
			t.Errorf("%s: got %d, %q", prefix, w.Code, w.Body)
		}
		if w := ask(engine, "GET", "/v1/files/b.css", token); w.Code != 404 {
			t.Errorf("%s: a file that is not there: got %d", prefix, w.Code)
		}
	}
}

// What a check is told of the path is what the handler gets, however the engine reads paths.
func TestPathValueIsWhatTheHandlerGets(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for name, setting := range map[string]func(*gin.Engine){
		"default":              func(*gin.Engine) {},
		"UseRawPath":           func(e *gin.Engine) { e.UseRawPath = true },
		"UseRawPath, as sent":  func(e *gin.Engine) { e.UseRawPath, e.UnescapePathValues = true, false },
		"UseEscapedPath":       func(e *gin.Engine) { e.UseEscapedPath = true },
		"UseEscapedPath, sent": func(e *gin.Engine) { e.UseEscapedPath, e.UnescapePathValues = true, false },
		"RemoveExtraSlash":     func(e *gin.Engine) { e.RemoveExtraSlash = true },
	} {
		engine := gin.New()
		setting(engine)
		var checked, got []string
		req := auth.AnyToken().With(func(ctx context.Context, _ *auth.Principal) error {
			checked = []string{auth.PathValue(ctx, "id"), auth.PathValue(ctx, "rest"), auth.PathValue(ctx, "none")}
			return nil
		})
		ginauth.NewRouter(issuer.Guard(nil), engine).GET("/users/:id/*rest", req, func(c *gin.Context) {
			got = []string{c.Param("id"), c.Param("rest"), c.Param("none")}
		})
		for _, target := range []string{"/users/7/a", "/users/auth0%7C1/a%2Fb", "/users/a%2Fb/", "/users/%2561/x//y", "/users/a+b/%c3%a9"} {
			checked, got = nil, nil
			ask(engine, "GET", target, issuer.Token(""))
			if got == nil || !slices.Equal(checked, got) {
				t.Errorf("%s, %s: the check was told %q, the handler %q", name, target, checked, got)
			}
		}
	}
}

// gin has the context in use for another request by the time that the guard comes back, where a
// middleware gave up on the first.
func TestAContextOfAnotherRequestIsNotTouched(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for _, result := range []error{nil, errors.New("no")} {
		another := httptest.NewRequest("GET", "/another", nil)
		var context_ *gin.Context
		req := auth.AnyToken().With(func(context.Context, *auth.Principal) error {
			context_.Request = another
			return result
		})
		engine := gin.New()
		engine.Use(func(c *gin.Context) {
			context_ = c
			c.Next()
			if c.Request != another || c.IsAborted() || c.Writer.Written() {
				t.Errorf("with %v: the other request has another context, answer or end", result)
			}
		})
		ginauth.NewRouter(issuer.Guard(nil), engine).GET("/orders", req, func(*gin.Context) { t.Error("the handler was entered") })
		ask(engine, "GET", "/orders", issuer.Token(""))
	}
}

func TestUploadsLeaveNoFiles(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	t.Setenv("TMPDIR", t.TempDir())
	engine := gin.New()
	entered := make(chan int, 1)
	ginauth.NewRouter(issuer.Guard(nil), engine).POST("/upload", auth.Scopes("write"), func(c *gin.Context) {
		if err := c.Request.ParseMultipartForm(1 << 10); err != nil {
			t.Error(err)
		}
		entries, _ := os.ReadDir(os.TempDir())
		entered <- len(entries)
	})
	s := httptest.NewServer(engine)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, _ := form.CreateFormFile("file", "upload.bin")
	_, _ = file.Write(make([]byte, 12<<20))
	_ = form.Close()
	r, _ := http.NewRequest("POST", s.URL+"/upload", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+issuer.Token("write"))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	s.Close()
	if resp.StatusCode != 200 || <-entered == 0 {
		t.Errorf("got %d, and no file to remove: nothing is tested", resp.StatusCode)
	}
	if entries, _ := os.ReadDir(os.TempDir()); len(entries) > 0 {
		t.Errorf("%d files are left", len(entries))
	}
}

func TestTheWriterOfRefusalsIsAsked(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{WriteRefusal: func(w http.ResponseWriter, _ *http.Request, err *auth.Error) {
		_, _ = io.WriteString(w, "no: "+string(err.Reason))
	}})
	engine := gin.New()
	ginauth.NewRouter(guard, engine).GET("/orders", auth.Scopes("read"), answers("orders"))
	if w := ask(engine, "GET", "/orders", ""); w.Code != 401 || w.Body.String() != "no: CREDENTIALS_MISSING" {
		t.Errorf("got %d, %q", w.Code, w.Body)
	}
}
