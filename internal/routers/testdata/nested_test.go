package main_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"

	"github.com/bearward/bearward/adapters/connectauth"
	"github.com/bearward/bearward/adapters/ginauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/resource"
)

// The routers of this module take the place of the root module's.
func init() {
	gin.SetMode(gin.TestMode)
	clear(httpRouters)
	httpRouters["gin"] = ginRouter
	clear(withDocument)
	withDocument["gin"] = ginWithDocument
	clear(pathRouters)
	pathRouters["gin"] = ginPaths
	clear(rpcServers)
	rpcServers["connect"] = connectServer
}

func ginRouter(guard *auth.Guard, needs map[string]auth.Requirement) http.Handler {
	engine := gin.New()
	api := ginauth.NewRouter(guard, engine)
	for name, req := range needs {
		api.Match([]string{"GET", "HEAD"}, "/"+name, req, func(c *gin.Context) { c.String(200, "%s", callerOf(c.Request.Context())) })
	}
	return engine
}

func ginWithDocument(guard *auth.Guard, rules auth.Rules, d *resource.Document) http.Handler {
	engine := gin.New()
	api := ginauth.NewRouter(guard, engine)
	for key, req := range rules {
		method, path, _ := strings.Cut(key, " ")
		api.Handle(method, path, req, gin.WrapF(hello))
	}
	api.Any(d.Pattern(), auth.Public(), gin.WrapH(d))
	return engine
}

func ginPaths(guard *auth.Guard, req auth.Requirement) http.Handler {
	engine := gin.New()
	engine.UseRawPath = true // or a %2F would part an id
	api := ginauth.NewRouter(guard, engine)
	api.GET("/u/:id", req, ginID)
	api.Group("/t/:tenant").GET("/u/:id", req, ginID)
	api.Group("/n/:outer").GET("/d/:id", req, ginID)
	return engine
}

func ginID(c *gin.Context) {
	if v := auth.PathValue(c.Request.Context(), "id"); v != "" {
		c.Status(http.StatusTeapot) // it is for checks
		return
	}
	c.String(200, "%s", c.Param("id"))
}

func connectServer(s setup, t *testing.T, method string, req auth.Requirement) func(*authtest.Certificate) *grpc.ClientConn {
	mux := connectauth.NewMux(s.guard, auth.Rules{method: req})
	connectauth.Handle(mux, newTalkHandler, method)
	var h http.Handler = mux
	if s.front != nil {
		h = s.front(h)
	}
	return s.over.serveUnderHTTP(t, h)
}

// newTalkHandler makes a handler of one method of rpctest, as protoc-gen-connect-go makes those of
// a service.
func newTalkHandler(method string, opts ...connect.HandlerOption) (string, http.Handler) {
	type message = rpctest.Message
	said := func(ctx context.Context) *message { return &message{Value: callerOf(ctx)} }
	handlers := map[string]*connect.Handler{
		rpctest.Unary: connect.NewUnaryHandler(rpctest.Unary, func(ctx context.Context, _ *connect.Request[message]) (*connect.Response[message], error) {
			return connect.NewResponse(said(ctx)), nil
		}, opts...),
		rpctest.Client: connect.NewClientStreamHandler(rpctest.Client, func(ctx context.Context, _ *connect.ClientStream[message]) (*connect.Response[message], error) {
			return connect.NewResponse(said(ctx)), nil
		}, opts...),
		rpctest.Server: connect.NewServerStreamHandler(rpctest.Server, func(ctx context.Context, _ *connect.Request[message], s *connect.ServerStream[message]) error {
			return s.Send(said(ctx))
		}, opts...),
		rpctest.Bidi: connect.NewBidiStreamHandler(rpctest.Bidi, func(ctx context.Context, s *connect.BidiStream[message, message]) error {
			return s.Send(said(ctx))
		}, opts...),
	}
	return "/" + rpctest.Service + "/", handlers[method]
}
