package authtest

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// Principal returns the Principal of a good token with claims, for tests of handlers without a
// Guard and without signatures. Claims that it does not name are those of [Issuer.Token]. It fails
// the test when one has the wrong type.
func Principal(tb testing.TB, claims Claims) *auth.Principal {
	tb.Helper()
	full := issuer.StandardClaims(DefaultURL, DefaultAudience, "", "token-1")
	merge(full, claims)
	text, err := json.Marshal(full)
	if err != nil {
		tb.Fatalf("authtest: Principal: %v", err)
	}
	p, err := auth.NewPrincipal(text)
	if err != nil {
		tb.Fatalf("authtest: Principal: %v", err)
	}
	return p
}

// WithPrincipal returns a copy of r that comes from the [Principal] of claims: what a handler
// behind a Guard is given. A Guard does not trust it. Where there is no request, use
// auth.WithPrincipal(ctx, authtest.Principal(tb, claims)).
func WithPrincipal(tb testing.TB, r *http.Request, claims Claims) *http.Request {
	tb.Helper()
	return r.WithContext(auth.WithPrincipal(r.Context(), Principal(tb, claims)))
}
