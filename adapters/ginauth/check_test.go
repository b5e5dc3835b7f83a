package ginauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestCheckNamesWhatTheGuardDoesNotCover(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	open := func(c *gin.Context) { c.Status(http.StatusOK) }
	for name, add := range map[string]func(*gin.Engine, *ginauth.Router) (missing []string){
		"nothing": func(*gin.Engine, *ginauth.Router) []string { return nil },
		"a route of gin's own": func(e *gin.Engine, _ *ginauth.Router) []string {
			e.POST("/open", open)
			return []string{"POST /open"}
		},
		"a route in a group": func(e *gin.Engine, _ *ginauth.Router) []string {
			e.Group("/v1").DELETE("/open/:id", open)
			return []string{"DELETE /v1/open/:id"}
		},
		"a handler behind the guarded one": func(e *gin.Engine, _ *ginauth.Router) []string {
			e.GET("/both", e.Routes()[0].HandlerFunc, open)
			return []string{"GET /both"}
		},
		"files": func(e *gin.Engine, _ *ginauth.Router) []string {
			e.StaticFS("/files", http.Dir("."))
			return []string{"GET /files/*filepath", "HEAD /files/*filepath"}
		},
		"a handler of net/http with a guard inside": func(e *gin.Engine, _ *ginauth.Router) []string {
			e.GET("/inside", gin.WrapH(guard.Require("read")(http.NotFoundHandler())))
			return []string{"GET /inside"}
		},
		"a method that nobody knows": func(e *gin.Engine, _ *ginauth.Router) []string {
			e.Handle("REPORT", "/open", open)
			return []string{"REPORT /open"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine := gin.New()
			api := ginauth.NewRouter(guard, engine)
			api.GET("/orders", auth.Scopes("read"), open)
			api.Group("/v1").GET("/healthz", auth.Public(), open)
			var want []string
			for _, route := range add(engine, api) {
				want = append(want, "ginauth: no guard covers "+route)
			}
			got := ""
			if err := ginauth.Check(engine); err != nil {
				got = err.Error()
			}
			if got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
		})
	}
	if err := ginauth.Check(nil); err == nil {
		t.Error("Check accepts no engine")
	}
}

// In gin, Use covers the routes that come after it and no others. The guard does not depend on it.
func TestUseAfterTheRoutesChangesNothing(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	engine := gin.New()
	group := engine.Group("/v1")
	ginauth.NewRouter(issuer.Guard(nil), group).GET("/orders", auth.Scopes("read"), answers("orders"))
	engine.Use(func(c *gin.Context) { t.Error("gin runs it") })
	group.Use(func(c *gin.Context) { t.Error("gin runs it") })
	authtest.AssertGuarded(t, issuer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/orders" && r.Method == http.MethodGet {
			engine.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	}), auth.Rules{"GET /v1/orders": auth.Scopes("read")}, nil)
}

func TestWhatIsWrongWithARoutePanicsAndNamesIt(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	open := func(*gin.Context) {}
	read := auth.Scopes("read")
	for want, add := range map[string]func(){
		"NewRouter needs a Guard":                      func() { ginauth.NewRouter(nil, gin.New()) },
		"needs a Guard and an Engine":                  func() { ginauth.NewRouter(guard, nil) },
		`route "GET /v1/orders": the zero Requirement`: func() { ginauth.NewRouter(guard, gin.New()).Group("/v1").GET("/orders", auth.Requirement{}, open) },
		`route "GET /orders" has a nil handler`:        func() { ginauth.NewRouter(guard, gin.New()).GET("/orders", read, nil) },
		`"/files/:id" has a parameter`:                 func() { ginauth.NewRouter(guard, gin.New()).StaticFS("/files/:id", read, http.Dir(".")) },
		`"/:tenant/files" has a parameter`:             func() { ginauth.NewRouter(guard, gin.New()).Group("/:tenant").StaticFS("/files", read, http.Dir(".")) },
		`"/files" has no file system`:                  func() { ginauth.NewRouter(guard, gin.New()).StaticFS("/files", read, nil) },
		"handlers are already registered":              func() { r := ginauth.NewRouter(guard, gin.New()); r.PUT("/a", read, open); r.PUT("/a", read, open) },
		"conflicts with existing wildcard": func() {
			r := ginauth.NewRouter(guard, gin.New())
			r.PATCH("/:a", read, open)
			r.PATCH("/:b", read, open)
		},
		`route "DELETE /bound": Bound needs`: func() { ginauth.NewRouter(guard, gin.New()).DELETE("/bound", auth.Bound(), open) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}()
			add()
		}()
	}
}
