package main_test

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
)

// The routers of this module take the place of the root module's.
func init() {
	gin.SetMode(gin.TestMode)
	clear(httpRouters)
	httpRouters["gin"] = ginRouter
	rpctest.Methods = nil // no gRPC
}

func ginRouter(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
	engine := gin.New()
	api := ginauth.NewRouter(guard, engine)
	for name, req := range needs {
		api.Match([]string{"GET", "HEAD"}, "/"+name, req, func(c *gin.Context) { c.String(200, "%s", callerOf(c.Request.Context())) })
	}
	return engine
}
