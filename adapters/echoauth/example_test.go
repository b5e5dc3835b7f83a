package echoauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
)

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignatureInvalid}
}

func ExampleRequire() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.GET("/orders", ok, echoauth.Require(guard, "read:orders"))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
	fmt.Println(w.Code, w.Header()["Www-Authenticate"])
	// Output:
	// 401 [Bearer realm="api"]
}

func ExampleEnforce() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	orders := e.Group("/orders", echoauth.Enforce(guard, auth.AnyScope("read:orders", "admin")))
	orders.GET("/:id", ok)
	e.GET("/greeting", ok, echoauth.Enforce(guard, auth.Optional()))
	for _, target := range []string{"/orders/7", "/greeting"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, target, w.Header()["Www-Authenticate"])
	}
	// Output:
	// 401 /orders/7 [Bearer realm="api"]
	// 200 /greeting []
}

func ExampleEnforceRules() {
	rules := auth.Rules{
		"GET /orders":  auth.Scopes("read:orders"),
		"POST /orders": auth.Scopes("write:orders"),
		"GET /healthz": auth.Public(),
	}
	e := echo.New()
	e.Use(echoauth.EnforceRules(must(auth.NewGuard(nobody{}, nil)), rules))
	e.GET("/orders", ok)
	e.POST("/orders", ok)
	e.GET("/healthz", ok)
	if err := echoauth.Check(e, rules); err != nil {
		fmt.Println(err)
	}
	for _, target := range []string{"/healthz", "/orders", "/other"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, target, w.Header()["Www-Authenticate"])
	}
	// Output:
	// 200 /healthz []
	// 401 /orders [Bearer realm="api"]
	// 404 /other []
}

func ExampleCheck() {
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders"), "POST /orders": auth.Scopes("write:orders")}
	e := echo.New()
	e.Use(echoauth.EnforceRules(must(auth.NewGuard(nobody{}, nil)), rules))
	e.GET("/orders", ok)
	e.GET("/debug", ok)
	e.Host("admin.example").GET("/orders", ok)
	fmt.Println(echoauth.Check(e, rules))
	// Output:
	// echoauth: no rule for GET /debug: every request is denied
	// echoauth: no rule for GET admin.example/orders: every request is denied
	// echoauth: no route uses rule "POST /orders"
}
