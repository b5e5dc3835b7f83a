package moving

import (
	"crypto"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/jwtauth/v5"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
)

func chiBefore(key crypto.PublicKey, issuer, audience string, listOrders http.HandlerFunc) http.Handler {
	// region: before
	tokenAuth := jwtauth.New("RS256", nil, key, jwt.WithIssuer(issuer), jwt.WithAudience(audience))
	r := chi.NewRouter()
	r.Group(func(r chi.Router) {
		r.Use(jwtauth.Verifier(tokenAuth))
		r.Use(jwtauth.Authenticator(tokenAuth))
		r.Get("/orders", func(w http.ResponseWriter, r *http.Request) {
			_, claims, _ := jwtauth.FromContext(r.Context())
			if scope, _ := claims["scope"].(string); !hasScope(scope, "read:orders") {
				http.Error(w, "forbidden", http.StatusForbidden)
				return
			}
			listOrders(w, r)
		})
	})
	// endregion
	return r
}

func chiAfter(guard *auth.Guard, listOrders http.HandlerFunc) http.Handler {
	// region: after
	r := chi.NewRouter()
	chiauth.NewRouter(guard, r).Get("/orders", auth.Scopes("read:orders"), listOrders)
	// endregion
	return r
}
