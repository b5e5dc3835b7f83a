package moving

import (
	"net/http"
	"net/url"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

func auth0V3Before(issuer, audience string, listOrders http.HandlerFunc) (http.Handler, error) {
	// region: before
	issuerURL, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	keys, err := jwks.NewCachingProvider(jwks.WithIssuerURL(issuerURL))
	if err != nil {
		return nil, err
	}
	tokens, err := validator.New(validator.WithKeyFunc(keys.KeyFunc), validator.WithAlgorithm(validator.RS256),
		validator.WithIssuer(issuer), validator.WithAudience(audience),
		validator.WithCustomClaims(func() *scopeClaim { return new(scopeClaim) }))
	if err != nil {
		return nil, err
	}
	check, err := jwtmiddleware.New(jwtmiddleware.WithValidator(tokens))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", check.CheckJWT(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](r.Context())
		if err != nil || !hasScope(claims.CustomClaims.(*scopeClaim).Scope, "read:orders") {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		listOrders(w, r)
	})))
	// endregion
	return mux, nil
}

func auth0V3After(guard *auth.Guard, listOrders http.HandlerFunc) http.Handler {
	// region: after
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
	// endregion
	return mux
}
