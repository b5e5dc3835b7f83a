package ginauth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	auth "github.com/bearward/bearward/middleware"
)

// nobody verifies no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, errors.New("nobody is known")
}

func ok(c *gin.Context) { c.Status(http.StatusOK) }

func ExampleRouter() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	engine := gin.New()
	api := ginauth.NewRouter(guard, engine)
	read, write := auth.Scopes("read:orders"), auth.Scopes("write:orders")
	orders := api.Group("/orders", gin.Recovery())
	orders.GET("", read, ok)
	orders.HEAD("", read, ok)
	orders.POST("", write, ok)
	orders.PUT("/:id", write, ok)
	orders.PATCH("/:id", write, ok)
	orders.DELETE("/:id", write, ok)
	orders.OPTIONS("", auth.Public(), ok)
	orders.Handle("REPORT", "", read, ok)
	orders.Match([]string{"GET", "POST"}, "/search", read, ok)
	api.StaticFS("/files", auth.AnyToken(), gin.Dir(".", false))
	api.Any("/legacy", auth.Scopes("admin"), ok)
	api.GET("/healthz", auth.Public(), ok)
	for _, target := range []string{"/orders", "/files/go.mod", "/healthz", "/none"} {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, target)
	}
	// Output:
	// 401 /orders
	// 401 /files/go.mod
	// 200 /healthz
	// 404 /none
}

func ExampleNewRouter() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	engine := gin.New()
	v1 := ginauth.NewRouter(guard, engine.Group("/v1"))
	v1.GET("/orders/:id", auth.Scopes("read:orders"), ok)
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequest("GET", "/v1/orders/7", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer realm="api"
}

func ExampleCheck() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	engine := gin.New()
	ginauth.NewRouter(guard, engine).GET("/orders", auth.Scopes("read:orders"), ok)
	engine.DELETE("/orders", ok)
	fmt.Println(ginauth.Check(engine))
	// Output:
	// ginauth: no guard covers DELETE /orders
}
