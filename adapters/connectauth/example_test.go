package connectauth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"connectrpc.com/connect"

	"github.com/bearward/bearward/adapters/connectauth"
	auth "github.com/bearward/bearward/middleware"
)

// nobody verifies no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, errors.New("nobody is known")
}

// A service that a Go client calls without a token.
func ExampleHandle() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	rules := auth.Rules{"/bearward.test.Talk/Unary": auth.Scopes("talk")}
	api := connectauth.NewMux(guard, rules)
	connectauth.Handle(api, newTalkHandler, new(talk))

	server := httptest.NewServer(api)
	defer server.Close()
	client := connect.NewClient[message, message](server.Client(), server.URL+"/bearward.test.Talk/Unary")
	_, err = client.CallUnary(context.Background(), connect.NewRequest(new(message)))
	fmt.Println(err)
	var refused *connect.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Meta().Get("WWW-Authenticate"))
	}
	// Output:
	// unauthenticated: An access token is required
	// Bearer realm="api"
}

func ExampleMux_Check() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	api := connectauth.NewMux(guard, auth.Rules{
		"/grpc.health.v1.Health/Check": auth.Public(),
		"/shop.v1.Orders/*":            auth.Scopes("read:orders"),
	})
	connectauth.Handle(api, at("/grpc.health.v1.Health/", http.NotFoundHandler()), 1)
	fmt.Println(api.Check())
	fmt.Print(api.Rules().Table())
	// Output:
	// connectauth: no rule for procedure /grpc.health.v1.Health/List: every call is denied
	// connectauth: no rule for procedure /grpc.health.v1.Health/Watch: every call is denied
	// connectauth: no procedure uses rule "/shop.v1.Orders/*"
	// | method | operation | who may call it |
	// |---|---|---|
	// | gRPC | /grpc.health.v1.Health/Check | everybody: public |
	// | gRPC | /shop.v1.Orders/* | read:orders |
}

// Streams of a feed may outlive their tokens.
func ExampleOptions_NewMux() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	api := connectauth.Options{AllowExpiredStreams: true}.NewMux(guard, auth.Rules{"/bearward.test.Talk/*": auth.AnyToken()})
	connectauth.Handle(api, newTalkHandler, new(talk))
	fmt.Println(api.Check())
	// Output: <nil>
}

func ExampleCode() {
	for _, reason := range []auth.Reason{auth.ReasonInvalidRequest, auth.ReasonTokenExpired, auth.ReasonInsufficientScope, auth.ReasonUnavailable, auth.ReasonInternal} {
		fmt.Println(reason, connectauth.Code(&auth.Error{Reason: reason}))
	}
	// Output:
	// INVALID_REQUEST invalid_argument
	// TOKEN_EXPIRED unauthenticated
	// INSUFFICIENT_SCOPE permission_denied
	// UNAVAILABLE unavailable
	// INTERNAL internal
}
