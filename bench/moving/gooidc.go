package moving

import (
	"context"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	auth "github.com/bearward/bearward/middleware"
)

func oidcBefore(ctx context.Context, issuer, audience string, listOrders http.HandlerFunc) (http.Handler, error) {
	// region: before
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: audience})
	require := func(scope string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
			token, err := verifier.Verify(r.Context(), raw)
			if err != nil {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
			var claims scopeClaim
			if err := token.Claims(&claims); err != nil || !hasScope(claims.Scope, scope) {
				http.Error(w, "forbidden", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", require("read:orders", listOrders))
	// endregion
	return mux, nil
}

func oidcAfter(guard *auth.Guard, listOrders http.HandlerFunc) http.Handler {
	// region: after
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require("read:orders")(listOrders))
	// endregion
	return mux
}

// hasScope is what each of them brings itself.
func hasScope(list, scope string) bool {
	for s := range strings.SplitSeq(list, " ") {
		if s == scope {
			return true
		}
	}
	return false
}
