package moving

import (
	"context"
	"net/http"
	"net/url"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"

	auth "github.com/bearward/bearward/middleware"
)

type scopeClaim struct {
	Scope string `json:"scope"`
}

func (scopeClaim) Validate(context.Context) error { return nil }

func auth0V2Before(issuer, audience string, listOrders http.HandlerFunc) (http.Handler, error) {
	// region: before
	issuerURL, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	keys := jwks.NewCachingProvider(issuerURL, 5*time.Minute)
	tokens, err := validator.New(keys.KeyFunc, validator.RS256, issuer, []string{audience},
		validator.WithCustomClaims(func() validator.CustomClaims { return new(scopeClaim) }))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", jwtmiddleware.New(tokens.ValidateToken).CheckJWT(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
		if !hasScope(claims.CustomClaims.(*scopeClaim).Scope, "read:orders") {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		listOrders(w, r)
	})))
	// endregion
	return mux, nil
}

func auth0V2After(guard *auth.Guard, listOrders http.HandlerFunc) http.Handler {
	// region: after
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require("read:orders")(listOrders))
	// endregion
	return mux
}
