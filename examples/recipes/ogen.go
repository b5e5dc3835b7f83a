package recipes

import (
	"context"
	"errors"
	"net/http"

	"github.com/bearward/bearward/examples/recipes/internal/ogenapi"
	auth "github.com/bearward/bearward/middleware"
)

// newOgen returns an API of ogen.
//
// region: ogen
func newOgen(guard *auth.Guard) (http.Handler, error) {
	server, err := ogenapi.NewServer(ogenOrders{}, secondLock{})
	if err != nil {
		return nil, err
	}
	rules := map[ogenapi.OperationName]auth.Requirement{
		ogenapi.ListOrdersOperation:  auth.Scopes("read:orders"),
		ogenapi.DeleteOrderOperation: auth.Scopes("write:orders"),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, ok := server.FindPath(r.Method, r.URL)
		if !ok {
			http.NotFound(w, r)
			return
		}
		// An operation without a rule has the zero Requirement, which refuses everybody.
		ctx, err := guard.Authorize(r.Context(), auth.RequestCredentials(w, r, route.Name()), rules[route.Name()])
		if err != nil {
			guard.Refuse(w, r, err)
			return
		}
		*r = *r.WithContext(ctx) // in place: net/http removes the files of r's form
		server.ServeHTTP(w, r)
	}), nil
}

// secondLock is asked by the server, for operations with security in the document.
type secondLock struct{}

func (secondLock) HandleIssuer(ctx context.Context, _ ogenapi.OperationName, _ ogenapi.Issuer) (context.Context, error) {
	if _, ok := auth.PrincipalFrom(ctx); !ok {
		return nil, errors.New("no guard in front")
	}
	return ctx, nil
}

// endregion

type ogenOrders struct{}

func (ogenOrders) ListOrders(ctx context.Context) (*ogenapi.Orders, error) {
	caller, _ := auth.PrincipalFrom(ctx)
	return &ogenapi.Orders{Of: caller.Subject()}, nil
}

func (ogenOrders) DeleteOrder(context.Context, ogenapi.DeleteOrderParams) error { return nil }
