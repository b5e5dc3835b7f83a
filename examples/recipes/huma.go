package recipes

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

type humaOrders struct {
	Body struct {
		Of string `json:"of"`
	}
}

// newHuma returns an API of huma.
//
// region: huma
func newHuma(guard *auth.Guard) http.Handler {
	mux := ruledMux{httpauth.NewMux(guard), auth.Rules{
		"GET /orders":         auth.Scopes("read:orders"),
		"DELETE /orders/{id}": auth.Scopes("write:orders"),
	}}
	config := huma.DefaultConfig("Orders", "1.0.0")
	config.DocsPath, config.OpenAPIPath, config.SchemasPath = "", "", "" // or rules for their routes
	api := humago.New(mux, config)
	huma.Get(api, "/orders", func(ctx context.Context, _ *struct{}) (*humaOrders, error) {
		caller, _ := auth.PrincipalFrom(ctx)
		answer := &humaOrders{}
		answer.Body.Of = caller.Subject()
		return answer, nil
	})
	huma.Delete(api, "/orders/{id}", func(context.Context, *struct {
		ID string `path:"id"`
	}) (*struct{}, error) {
		return nil, nil
	})
	return mux
}

// endregion
