package echoauth_test

import (
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
)

func ExampleRouter() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	api := echoauth.NewRouter(guard, e)
	read, write := auth.Scopes("read:orders"), auth.Scopes("write:orders")
	orders := api.Group("/orders")
	orders.GET("", read, ok)
	orders.HEAD("", read, ok)
	orders.POST("", write, ok)
	orders.PUT("/:id", write, ok)
	orders.PATCH("/:id", write, ok)
	orders.DELETE("/:id", write, ok)
	orders.Add("REPORT", "", read, ok)
	api.Host("admin.example").GET("/", auth.Scopes("admin"), ok)
	api.GET("/healthz", auth.Public(), ok)
	e.GET("/forgotten", ok)
	fmt.Println(echoauth.CheckRouter(e))
	for _, target := range []string{"/orders", "/healthz"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, target)
	}
	// Output:
	// echoauth: no guard covers GET /forgotten
	// 401 /orders
	// 200 /healthz
}

func ExampleCheckRouter() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	orders := e.Group("/orders")
	orders.GET("", ok)
	orders.Use(echoauth.Require(guard, "read:orders")) // too late for the route
	fmt.Println(echoauth.CheckRouter(e))
	// Output:
	// echoauth: no guard covers GET /orders
}
