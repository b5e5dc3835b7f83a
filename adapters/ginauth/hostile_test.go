package ginauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A handler or a middleware that routes a request again cannot reach a handler whose rule is not
// met, and the endpoint behind the middleware still asks for its own.
func TestARequestThatIsRoutedAgain(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	engine := gin.New()
	var ran []string
	runs := func(name string) gin.HandlerFunc {
		return func(c *gin.Context) { ran = append(ran, name+" "+c.Param("id")) }
	}
	again := func(c *gin.Context) {
		c.Request.URL.Path = "/secret/9"
		engine.HandleContext(c)
	}
	api := ginauth.NewRouter(guard, engine)
	api.GET("/secret/:id", auth.Scopes("admin"), runs("secret"))
	api.GET("/handler/:id", auth.Scopes("read"), again)
	api.GET("/public/:id", auth.Public(), again)
	api.Group("", again).GET("/middleware/:id", auth.Scopes("write"), runs("middleware"))
	for _, tt := range []struct {
		path, scope string
		status      int
		ran         string
	}{
		{"/handler/7", "read", 403, ""},
		{"/handler/7", "admin", 403, ""},
		{"/handler/7", "read admin", 200, "secret 9"},
		{"/public/7", "read", 403, ""},
		{"/public/7", "admin", 200, "secret 9"},
		{"/middleware/7", "read", 403, ""},
		{"/middleware/7", "admin", 200, "secret 9"}, // of the two handlers, the one whose rule is met
	} {
		ran = nil
		w := ask(engine, "GET", tt.path, issuer.Token(tt.scope))
		got := ""
		if len(ran) > 0 {
			got = ran[0]
		}
		if len(ran) > 1 || got != tt.ran || tt.status != 200 && w.Code != tt.status {
			t.Errorf("%s with %s: %d, ran %q", tt.path, tt.scope, w.Code, ran)
		}
	}
}

// What looks like a guarded route and is none is gin's own answer, or the guard's: no handler runs.
func TestPathsThatAreAlmostARoute(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for name, setting := range map[string]func(*gin.Engine){
		"default":           func(*gin.Engine) {},
		"RedirectFixedPath": func(e *gin.Engine) { e.RedirectFixedPath, e.HandleMethodNotAllowed = true, true },
		"RemoveExtraSlash":  func(e *gin.Engine) { e.RemoveExtraSlash = true },
		"UseRawPath":        func(e *gin.Engine) { e.UseRawPath = true },
		"UseEscapedPath":    func(e *gin.Engine) { e.UseEscapedPath = true },
	} {
		engine := gin.New()
		setting(engine)
		ran := false
		api := ginauth.NewRouter(issuer.Guard(nil), engine)
		for _, path := range []string{"/secret", "/dir/", "/secret/:id"} {
			api.Any(path, auth.Scopes("admin"), func(*gin.Context) { ran = true })
		}
		api.GET("/public/*rest", auth.Public(), func(*gin.Context) {})
		for _, method := range []string{"GET", "HEAD", "POST", "get", "Get", "OPTIONS", "TRACE", "CONNECT", "*", ""} {
			for _, path := range []string{"/secret", "/secret/", "//secret", "/SECRET", "/public/../secret", "/%73ecret", "/secret%2f", "/secret%2F1", "/dir", "/dir/", "/./secret", "/secret;x", "/secret%00", "/secret?x=1", "*", ""} {
				r := httptest.NewRequest("GET", "/", nil)
				r.Method, r.URL.Path, r.RequestURI = method, path, path
				if u, err := r.URL.Parse("http://api.example" + path); err == nil {
					r.URL = u
				}
				r.Header = http.Header{"X-Http-Method-Override": {"POST"}, "X-Original-Url": {"/public/x"}, "X-Forwarded-Prefix": {"//evil.example"}, "X-Forwarded-Host": {"evil.example"}}
				w := httptest.NewRecorder()
				engine.ServeHTTP(w, r)
				if ran || w.Code == http.StatusOK && method != "HEAD" && path != "/public/../secret" {
					t.Errorf("%s, %s %s: %d, ran %v", name, method, path, w.Code, ran)
				}
			}
		}
	}
}
