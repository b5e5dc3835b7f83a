package recipes

import (
	"context"
	"net/http"

	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/examples/recipes/internal/oapi"
	auth "github.com/bearward/bearward/middleware"
)

// newOAPI returns an API of oapi-codegen's strict server for net/http.
//
// region: oapi-codegen
func newOAPI(guard *auth.Guard) http.Handler {
	return oapi.HandlerFromMux(oapi.NewStrictHandler(oapiOrders{}, nil), ruledMux{httpauth.NewMux(guard), auth.Rules{
		"GET /orders":         auth.Scopes("read:orders"),
		"DELETE /orders/{id}": auth.Scopes("write:orders"),
	}})
}

type oapiOrders struct{}

func (oapiOrders) ListOrders(ctx context.Context, _ oapi.ListOrdersRequestObject) (oapi.ListOrdersResponseObject, error) {
	caller, _ := auth.PrincipalFrom(ctx)
	return oapi.ListOrders200JSONResponse{Of: caller.Subject()}, nil
}

// endregion

func (oapiOrders) DeleteOrder(context.Context, oapi.DeleteOrderRequestObject) (oapi.DeleteOrderResponseObject, error) {
	return oapi.DeleteOrder204Response{}, nil
}
